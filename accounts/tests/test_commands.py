"""What operators type: blocking, unblocking, ending sessions."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.errors import BadBlock
from accounts.models import Event, User
from accounts.services import members
from bottomline.sessions.record import FRESH_FOR
from bottomline.sessions.redis import client as redis
from conftest import Inbox, Person, Visitor, commits, join, log_in

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def run(*arguments: str) -> str:
    """What a command prints on standard output."""
    out = StringIO()
    with commits():
        call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def in_days(days: int) -> str:
    return f"{timezone.now() + days * DAY:%Y-%m-%d}"


def block(person: Person, days: int = 1) -> None:
    assert members.block(person.user, until=timezone.now() + days * DAY, reason="spam")


def at_once(act: Callable[[], str]) -> list[str]:
    """Two do the same in the same moment."""
    gate = threading.Barrier(2)

    def go() -> str:
        gate.wait(30)
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as operators:
        return [each.result() for each in [operators.submit(go) for _ in range(2)]]


# --- block ---


@pytest.mark.asvs("7.4.2")
def test_a_blocked_member_is_out_on_their_next_request(client: Visitor, alice: Person):
    log_in(client, alice)
    said = run("block", "Alice@Example.org", "--until", in_days(3), "--reason", "Sells invites")
    assert said == f"alice@example.org is blocked until {in_days(3)} 00:00 UTC.\n"
    assert not client.is_in
    answer = client.post("/login/", {"email": alice.email, "password": alice.password})
    assert answer.status_code == 423


def test_staff_see_the_reason_and_the_history_does_not_keep_it(
    client: Visitor, olivia: Person, alice: Person
):
    run("block", alice.email, "--until", in_days(3), "--reason", " Sells invites ")
    event = Event.objects.get(user_id=alice.user.pk, kind="account.blocked")
    assert (event.details, event.ip) == ({}, "")
    log_in(client, olivia)
    page = client.get(f"/admin/accounts/user/{alice.user.pk}/change/")
    assert "Sells invites" in page.content.decode()
    run("unblock", alice.email)
    page = client.get(f"/admin/accounts/user/{alice.user.pk}/change/")
    assert "Sells invites" not in page.content.decode()


@pytest.mark.parametrize(
    ("days", "reason"),
    [(-1, "spam"), (0, "spam"), (1, ""), (1, "  "), (1, "x" * 201), (1, "see bob@example.org")],
)
def test_a_block_has_an_end_to_come_and_a_reason_that_may_be_kept(alice: Person, days, reason):
    with pytest.raises(CommandError):
        run("block", alice.email, "--until", in_days(days), "--reason", reason)
    with pytest.raises(BadBlock):
        members.block(alice.user, until=timezone.now() + days * DAY, reason=reason)
    assert not alice.user.is_blocked


@pytest.mark.parametrize("until", ["soon", "2030-13-01", "1 day"])
def test_what_is_no_time_is_said(alice: Person, until: str):
    with pytest.raises(CommandError, match="is no time"):
        run("block", alice.email, "--until", until, "--reason", "spam")


def test_staff_give_a_reason_in_the_admin_as_well(client: Visitor, olivia: Person, alice: Person):
    log_in(client, olivia)
    change = f"/admin/accounts/user/{alice.user.pk}/change/"
    block = {"blocked_until_0": in_days(2), "blocked_until_1": "12:00:00"}

    assert "Say why" in client.post(change, {**block, "block_reason": ""}).content.decode()
    past = {"blocked_until_0": in_days(-2), "blocked_until_1": "12:00:00", "block_reason": "spam"}
    assert "in the future" in client.post(change, past).content.decode()
    assert not alice.user.is_blocked

    assert client.post(change, {**block, "block_reason": "spam"}).status_code == 302
    assert alice.user.is_blocked
    assert client.post(change, {**block, "block_reason": "worse"}).status_code == 302
    assert alice.user.block_reason == "worse"
    assert client.post(change, {**block, "block_reason": "worse"}).status_code == 302
    assert Event.objects.filter(user_id=alice.user.pk, kind="account.blocked").count() == 2


@pytest.mark.parametrize(
    "command",
    [["block", "--until", "2090-01-01", "--reason", "spam"], ["unblock"], ["end_sessions"]],
)
def test_an_unknown_address_is_said_and_the_others_are_done(
    alice: Person, bob: Person, command: list[str]
):
    if command[0] != "block":
        block(alice)
        block(bob)
    epochs = {alice.user.session_epoch, bob.user.session_epoch}
    name, *options = command
    with pytest.raises(CommandError, match=r"address who@example[.]org, who[.]") as end:
        run(name, alice.email, "who@example.org", "who", bob.email, *options)
    assert end.value.returncode == 1
    assert {alice.user.is_blocked, bob.user.is_blocked} == {name != "unblock"}
    if name == "end_sessions":
        assert {alice.user.session_epoch, bob.user.session_epoch}.isdisjoint(epochs)


# --- unblock ---


def test_an_unblocked_member_may_come_in_and_their_history_says_so(client: Visitor, alice: Person):
    block(alice)
    assert run("unblock", alice.email) == "alice@example.org is unblocked.\n"
    log_in(client, alice)
    kinds = (
        Event.objects.filter(user_id=alice.user.pk).order_by("pk").values_list("kind", flat=True)
    )
    assert list(kinds)[-3:] == ["account.blocked", "account.unblocked", "login.completed"]


def test_unblocking_twice_is_unblocking_once(alice: Person):
    block(alice)
    run("unblock", alice.email)
    assert run("unblock", alice.email) == "alice@example.org is not blocked.\n"
    assert run("unblock", "--all") == "0 unblocked.\n"
    assert Event.objects.filter(kind="account.unblocked").count() == 1


def test_expired_blocks_are_cleared_and_others_stay(alice: Person, bob: Person):
    block(alice, 1)
    block(bob, 9)
    with time_machine.travel(timezone.now() + 2 * DAY, tick=False):
        assert run("unblock", "--expired", "--dry-run") == "1 would be unblocked.\n"
        assert run("unblock", "--expired") == "1 unblocked.\n"
        assert alice.user.blocked_until is None
        assert bob.user.is_blocked
        assert run("unblock", "--all") == "1 unblocked.\n"
        assert bob.user.blocked_until is None


def test_a_block_put_in_place_of_another_meanwhile_is_not_lifted(alice: Person):
    block(alice)
    seen = alice.user
    block(alice, 30)
    assert not members.unblock(seen)
    assert alice.user.is_blocked


@pytest.mark.django_db(transaction=True)
def test_two_who_unblock_everybody_at_once_unblock_each_once(alice: Person, bob: Person):
    block(alice)
    block(bob)
    said = at_once(lambda: run("unblock", "--all"))
    assert sum(int(one.split()[0]) for one in said) == 2
    assert Event.objects.filter(kind="account.unblocked").count() == 2


@pytest.mark.parametrize("arguments", [(), ("--all", "--expired"), ("alice@example.org", "--all")])
def test_whom_to_unblock_is_said_in_one_way(alice: Person, arguments: tuple[str, ...]):
    block(alice)
    with pytest.raises(CommandError):
        run("unblock", *arguments)
    assert alice.user.is_blocked


# --- end_sessions ---


@pytest.mark.asvs("7.4.5")
def test_sessions_of_some_are_ended_and_of_others_not(alice: Person, bob: Person):
    phone, laptop, other = Visitor(), Visitor(), Visitor()
    log_in(phone, alice)
    log_in(laptop, alice)
    log_in(other, bob)
    said = run("end_sessions", alice.email)
    assert said == "alice@example.org is logged out everywhere.\n"
    assert [visitor.is_in for visitor in (phone, laptop, other)] == [False, False, True]
    log_in(phone, alice)


@pytest.mark.asvs("7.4.5")
def test_all_sessions_are_ended_and_nobody_else_reads_of_it(
    alice: Person, bob: Person, olivia: Person
):
    visitors = [Visitor(), Visitor()]
    log_in(visitors[0], alice)
    log_in(visitors[1], olivia)
    assert run("end_sessions", "--all", "--dry-run") == "2 members would be logged out.\n"
    assert run("end_sessions", "--all") == "2 members are logged out.\n"
    assert not any(visitor.is_in for visitor in visitors)
    ended = Event.objects.filter(kind="sessions.ended_by_staff").values_list("user_id", flat=True)
    assert set(ended) == {alice.user.pk, olivia.user.pk}
    assert run("end_sessions", "--all") == "0 members are logged out.\n"
    log_in(visitors[0], alice)


@pytest.mark.asvs("7.4.5")
def test_a_session_that_a_restored_redis_brings_back_is_ended_too(client: Visitor, alice: Person):
    log_in(client, alice)
    kept = {key: redis().dump(key) for key in redis().keys("session*")}
    redis().flushdb()  # so nobody is logged in when the command looks
    run("end_sessions", "--all")
    for key, dump in kept.items():
        redis().restore(key, 0, dump)
    with time_machine.travel(timezone.now() + FRESH_FOR, tick=False):
        assert not client.is_in


def test_all_sessions_cost_as_many_transactions_as_there_are_batches(
    inbox: Inbox, alice: Person, bob: Person, django_assert_num_queries
):
    for person in (alice, bob, join(inbox, "carol@example.org", "carol")):
        log_in(Visitor(), person)
    Event.objects.all().delete()
    # For a batch: its keys, a savepoint and its end, the lock, the epochs; and an event each.
    with django_assert_num_queries(1 + 5 + 3 + 1):
        run("end_sessions", "--all")


def test_without_redis_no_session_is_said_to_be_ended(alice: Person, settings):
    settings.CACHES = {
        name: {**cache, "LOCATION": "unix:///nowhere/at/all.sock?db=0"}
        for name, cache in settings.CACHES.items()
    }
    before = alice.user.session_epoch
    for whom in (alice.email, "--all"):
        with pytest.raises(CommandError, match="Redis does not answer"):
            run("end_sessions", whom)
    assert alice.user.session_epoch == before


@pytest.mark.django_db(transaction=True)
def test_two_who_end_all_sessions_at_once_end_them(alice: Person, bob: Person):
    visitors = [Visitor(), Visitor()]
    log_in(visitors[0], alice)
    log_in(visitors[1], bob)
    at_once(lambda: run("end_sessions", "--all"))
    assert not any(visitor.is_in for visitor in visitors)


# --- all of them ---


def rows() -> list[object]:
    return [*User.objects.order_by("pk").values(), *Event.objects.order_by("pk").values()]


@pytest.mark.parametrize(
    "command",
    [
        ["block", "alice@example.org", "--until", "2090-01-01", "--reason", "spam"],
        ["unblock", "bob@example.org"],
        ["unblock", "--all"],
        ["end_sessions", "alice@example.org"],
        ["end_sessions", "--all"],
    ],
)
def test_a_dry_run_changes_nothing(client: Visitor, alice: Person, bob: Person, command: list[str]):
    block(bob)
    log_in(client, alice)
    before = rows()
    assert "would be" in run(*command, "--dry-run")
    assert rows() == before
    assert client.is_in


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_shows_on_a_terminal_alone(alice: Person):
    for stderr, is_shown in ((Terminal(), True), (StringIO(), False)):
        block(alice)
        out = StringIO()
        call_command("unblock", "--all", stdout=out, stderr=stderr, no_color=True)
        assert ("100 %" in stderr.getvalue()) is is_shown
        assert out.getvalue() == "1 unblocked.\n"
