"""`manage.py cleanup`, and the scheduler: what is over goes, a few rows at a time, and no more."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.events import SYSTEM, record
from accounts.models import (
    EmailChange,
    Event,
    Export,
    FactorReset,
    FormerUsername,
    MailedLogin,
    Purpose,
    Token,
    Totp,
    TrustedBrowser,
    User,
)
from accounts.services import export, history
from bottomline import cleaning
from bottomline.caller import Caller
from bottomline.celery import app
from bottomline.outbox import services as outbox
from bottomline.outbox.models import OutboxMessage
from bottomline.sessions.redis import client as redis
from bottomline.sessions.redis import index_key
from bottomline.tasks import clean_all
from conftest import Inbox, Person, Visitor, commits, log_in, path_of, sign_up
from invites import lineage, quota
from invites import services as invites
from invites.models import Invite, Redemption

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOME = Caller(ip="198.51.100.7", user_agent="Firefox")
Status = OutboxMessage.Status


@pytest.fixture(autouse=True)
def _no_files_of_other_tests(db: None) -> None:
    """Their rows were rolled back and their files were not."""
    sum(export.prune())


def cleanup(*arguments: str, **streams: Any) -> dict[str, int]:
    """What the command says of each kind."""
    out = StringIO()
    with commits():
        call_command("cleanup", *arguments, stdout=out, **({"stderr": StringIO()} | streams))
    lines = [line.split(": ") for line in out.getvalue().splitlines()]
    return {kind: int(said.split()[0]) for kind, said in lines}


def some() -> list[int]:
    return list(range(7))


# --- seven of each kind, and how many there are ---


def finished_mail(user: User) -> Callable[[], int]:
    long_ago = timezone.now() - 31 * DAY
    for n in some():
        OutboxMessage.objects.create(
            kind="x", subject=n, status=Status.SENT, next_attempt_at=long_ago, sent_at=long_ago
        )
    return OutboxMessage.objects.filter(kind="x").count


def expired_invites(user: User) -> Callable[[], int]:
    with time_machine.travel(timezone.now() - 100 * DAY):
        for _ in some():
            invites.issue(label="over")
    return Invite.objects.filter(label="over").count


def expired_tokens(user: User) -> Callable[[], int]:
    with time_machine.travel(timezone.now() - 8 * DAY):
        for _ in some():
            Token.objects.issue(user, Purpose.DISOWN)
    return Token.objects.filter(purpose=Purpose.DISOWN, expires_at__lt=timezone.now()).count


def mailed_logins(user: User) -> Callable[[], int]:
    for n in some():
        MailedLogin.objects.create(sent_to=f"n{n}@example.org", expires_at=timezone.now())
    return MailedLogin.objects.count


def moves(user: User) -> Callable[[], int]:
    long_ago = timezone.now() - 8 * DAY
    for n in some():
        EmailChange.objects.create(
            user=user,
            old_email=f"old{n}@example.org",
            new_email="new@example.org",
            requested_at=long_ago,
            ended_at=long_ago,
        )
    return EmailChange.objects.count


def former_usernames(user: User) -> Callable[[], int]:
    for n in some():
        FormerUsername.objects.create(
            user=user, username=f"n{n}", username_key=f"n{n}", held_until=timezone.now()
        )
    return FormerUsername.objects.count


def unfinished_factors(user: User) -> Callable[[], int]:
    long_ago = timezone.now() - timedelta(hours=2)
    for n in some():
        other = User.objects.create(
            email=f"f{n}@example.org",
            username=f"f{n}",
            username_key=f"f{n}",
            email_confirmed_at=timezone.now(),
        )
        Totp.objects.create(user=other, sealed=b"", created_at=long_ago)
    return Totp.objects.count


def factor_resets(user: User) -> Callable[[], int]:
    for _ in some():
        FactorReset.objects.create(
            user=user, outcome="refused", ended_at=timezone.now() - timedelta(days=91)
        )
    return FactorReset.objects.count


def trusted_browsers(user: User) -> Callable[[], int]:
    for n in some():
        TrustedBrowser.objects.create(
            user=user, digest=f"{n}", session_epoch=0, trusted_at=timezone.now() - 31 * DAY
        )
    return TrustedBrowser.objects.count


def unconfirmed(user: User) -> Callable[[], int]:
    for n in some():
        User.objects.create(
            email=f"n{n}@example.org",
            username=f"n{n}",
            username_key=f"n{n}",
            created_at=timezone.now() - 8 * DAY,
        )
    return User.objects.filter(email_confirmed_at=None).count


def closed(user: User) -> Callable[[], int]:
    for n in some():
        User.objects.create(
            email=f"m{n}@example.org",
            username=f"m{n}",
            username_key=f"m{n}",
            email_confirmed_at=timezone.now(),
            closed_at=timezone.now() - 15 * DAY,
        )
    return User.objects.lapsed().filter(farewell=None).count


def origins(user: User) -> Callable[[], int]:
    with time_machine.travel(timezone.now() - 91 * DAY):
        for _ in some():
            record("logout.done", caller=HOME, user=user)
    return Event.objects.filter(at__lt=timezone.now() - 90 * DAY).exclude(salt=None).count


def old_events(user: User) -> Callable[[], int]:
    Event.objects.all().delete()
    with time_machine.travel(timezone.now() - 401 * DAY):
        for _ in some():
            record("logout.done", caller=HOME, user=user)
    history.seal()
    return Event.objects.filter(kind="logout.done").count


def exports(user: User) -> Callable[[], int]:
    for _ in some():
        Export.objects.create(user=user, requested_at=timezone.now() - 31 * DAY)
    return Export.objects.count


def indexes(user: User) -> Callable[[], int]:
    for n in some():
        redis().zadd(index_key(f"user-{n}"), {"0" * 64: 4_000_000_000})
    return lambda: len(redis().keys("sessions:*"))


OVER = {
    "finished mail": finished_mail,
    "expired invites": expired_invites,
    "expired tokens": expired_tokens,
    "logins by mail": mailed_logins,
    "addresses moved away from": moves,
    "usernames held long enough": former_usernames,
    "second factors nobody set up": unfinished_factors,
    "browsers trusted long enough": trusted_browsers,
    "resets of second factors": factor_resets,
    "accounts nobody confirmed": unconfirmed,
    "accounts closed for good": closed,
    "origins of events": origins,
    "old events": old_events,
    "expired exports": exports,
    "stale session indexes": indexes,
}


def test_every_kind_is_tested_here():
    assert {each.kind for each in cleaning.cleanings()} == set(OVER)


@pytest.mark.parametrize("kind", OVER)
def test_what_is_over_is_counted_and_then_goes(alice: Person, kind: str):
    left = OVER[kind](alice.user)
    assert left() == 7
    assert cleanup("--dry-run")[kind] == 7
    assert left() == 7
    assert cleanup()[kind] == 7
    assert left() == 0
    assert cleanup()[kind] == 0
    assert history.verify()[2] == []


@pytest.mark.parametrize("kind", OVER)
@pytest.mark.django_db(transaction=True)
def test_it_goes_a_few_at_a_time_each_committed_before_the_next(alice: Person, kind: str):
    left = OVER[kind](alice.user)
    (one,) = [each for each in cleaning.cleanings() if each.kind == kind]
    there = left()
    for gone in one.clean(3):
        assert not connection.in_atomic_block
        now = left()
        # A page of Redis holds about as many, as it says itself; and what is deleted by itself,
        # with all that hangs on it, is one.
        assert gone <= (7 if kind == "stale session indexes" else 3)
        assert now == there - gone
        there = now
    assert there == 0


@pytest.mark.parametrize("kind", ["finished mail", "expired tokens", "old events"])
def test_no_statement_names_more_rows_than_a_batch(alice: Person, kind: str):
    OVER[kind](alice.user)
    with CaptureQueriesContext(connection) as queries:
        cleanup("--batch", "3")
    table = {"finished mail": "outbox_", "expired tokens": "_token", "old events": "_event"}[kind]
    deletes = [
        query["sql"]
        for query in queries
        if query["sql"].startswith("DELETE") and table in query["sql"]
    ]
    assert [sql.partition('"id" IN (')[2].count(",") + 1 for sql in deletes[:3]] == [3, 3, 1]


@pytest.mark.parametrize("kind", OVER)
@pytest.mark.django_db(transaction=True)
def test_whoever_is_killed_between_two_batches_leaves_the_rest_to_the_next(
    alice: Person, kind: str
):
    left = OVER[kind](alice.user)
    (one,) = [each for each in cleaning.cleanings() if each.kind == kind]
    began = one.clean(3)
    next(began)
    began.close()
    assert history.verify()[2] == []
    cleanup()
    assert left() == 0
    assert history.verify()[2] == []


@pytest.mark.django_db(transaction=True)
def test_two_cleanups_at_once_remove_everything_once(alice: Person, bob: Person):
    for kind, make in OVER.items():
        if kind != "old events":  # which begins with an empty history
            make(alice.user)
    with time_machine.travel(timezone.now() - 401 * DAY):
        for _ in range(40):
            record("login.completed", caller=SYSTEM, user=bob.user)
    history.seal()
    gate = threading.Barrier(2)
    out = [StringIO(), StringIO()]

    def run(n: int) -> None:
        gate.wait(30)
        try:
            call_command("cleanup", "--batch", "2", stdout=out[n], stderr=StringIO())
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as operators:
        for each in [operators.submit(run, n) for n in range(2)]:
            each.result()

    said: dict[str, int] = {}
    for line in "".join(each.getvalue() for each in out).splitlines():
        kind, _, gone = line.partition(": ")
        said[kind] = said.get(kind, 0) + int(gone)
    for kind in ("finished mail", "expired invites", "expired tokens", "expired exports"):
        assert said[kind] == 7, kind
    for kind in ("accounts nobody confirmed", "accounts closed for good", "stale session indexes"):
        assert said[kind] == 7, kind
    assert said["old events"] >= 40
    assert set(cleanup("--dry-run").values()) == {0}
    assert not Event.objects.filter(kind="login.completed", at__lt=timezone.now() - DAY).exists()
    assert history.verify()[2] == []


# --- what stays ---


def test_an_invite_that_somebody_used_stays_for_ever(alice: Person, inbox: Inbox):
    used = invites.issue(issuer=alice.user)
    assert sign_up(Visitor(), used, Person("carol@example.org", "carol")).status_code == 200
    User.objects.filter(username="carol").update(email_confirmed_at=timezone.now())
    unused = invites.issue(issuer=alice.user)
    revoked = invites.issue(issuer=alice.user, lifetime=3000 * DAY)
    invites.revoke(revoked)
    with time_machine.travel(timezone.now() + 8 * DAY, tick=False):
        left = quota.of(alice.user)
    with time_machine.travel(timezone.now() + 98 * DAY, tick=False):
        assert cleanup()["expired invites"] == 2
        assert quota.of(alice.user).used == left.used == 1
        carol = User.objects.get(username="carol")
        assert lineage.of(carol).inviter == alice.user
        assert lineage.above(carol) == [alice.user]
    assert Invite.objects.filter(issuer=alice.user).get() == used
    assert Redemption.objects.filter(user=carol).exists()
    assert Visitor().get(path_of(unused)).status_code == 410


def test_an_invite_can_be_given_another_week_for_as_long_as_it_is_there(alice: Person):
    invite = invites.issue(issuer=alice.user)
    with time_machine.travel(timezone.now() + 90 * DAY, tick=False):
        assert cleanup()["expired invites"] == 0
        invites.extend(invite, caller=SYSTEM)
        assert Visitor().get(path_of(invite)).status_code == 200


def test_an_open_invite_of_many_years_stays(alice: Person):
    invite = invites.issue(lifetime=3650 * DAY)
    with time_machine.travel(timezone.now() + 3000 * DAY, tick=False):
        cleanup()
        assert Visitor().get(path_of(invite)).status_code == 200


def test_mail_that_waits_stays_and_so_do_dead_letters_for_a_while():
    long_ago = timezone.now() - 60 * DAY
    for status in (Status.PENDING, Status.DEAD, Status.MOOT):
        OutboxMessage.objects.create(
            kind=status, subject="0", status=status, next_attempt_at=long_ago
        )
    dead = OutboxMessage.objects.get(status=Status.DEAD)
    assert cleanup()["finished mail"] == 1
    assert outbox.standing().counts == {"pending": 1, "sent": 0, "moot": 0, "dead": 1}
    with time_machine.travel(timezone.now() + 29 * DAY, tick=False):
        assert cleanup()["finished mail"] == 0
        assert outbox.retry(dead.pk)
    with time_machine.travel(timezone.now() + 31 * DAY, tick=False):
        assert cleanup()["finished mail"] == 0


@pytest.mark.asvs("6.5.1")
def test_a_retried_mail_cannot_bring_a_spent_link_back_to_life(alice: Person, inbox: Inbox):
    """Its token is found as long as there is the message it was named after."""
    Visitor().post("/password/forgot/", {"email": alice.email})
    link = inbox.link_to(alice.email)
    OutboxMessage.objects.filter(kind="reset_password").update(status=Status.DEAD, sent_at=None)
    token = Token.objects.get(purpose=Purpose.PASSWORD_RESET)
    token.consume()
    with time_machine.travel(timezone.now() + DAY, tick=False):
        cleanup()
        assert Token.objects.filter(pk=token.pk).exists()
        assert outbox.retry(token.public_id)
        outbox.sweep()
        assert Visitor().get(link).status_code == 410


def test_live_sessions_stay_and_dead_ones_leave_the_index(alice: Person):
    stays, goes = Visitor(), Visitor()
    log_in(goes, alice)
    (dead,) = redis().keys("session:*")
    log_in(stays, alice)
    redis().delete(dead)  # as when it has been idle for too long
    assert cleanup()["stale session indexes"] == 1
    assert redis().zcard(index_key(alice.user.pk)) == 1
    assert stays.get("/session/").status_code == 200


def test_nothing_of_a_member_goes_before_its_time(client: Visitor, alice: Person, olivia: Person):
    log_in(client, alice)
    Visitor().post("/password/forgot/", {"email": alice.email})
    invites.issue(issuer=alice.user)
    assert set(cleanup().values()) == {0}


# --- the command ---


@pytest.mark.parametrize("batch", ["0", "-1", "10001", "many", "²"])
def test_a_batch_is_neither_nothing_nor_everything(batch: str):
    with pytest.raises(CommandError, match="between 1 and 10000"):
        cleanup("--batch", batch)


def test_what_is_away_holds_up_no_other_kind(alice: Person, settings):
    left = finished_mail(alice.user)
    settings.CACHES = {
        name: {**cache, "LOCATION": "unix:///nowhere/at/all.sock?db=0"}
        for name, cache in settings.CACHES.items()
    }
    errors = StringIO()
    with pytest.raises(CommandError, match="Run it again for stale session indexes") as end:
        cleanup(stderr=errors)
    assert end.value.returncode == 1
    assert "stale session indexes: not finished (ConnectionError)." in errors.getvalue()
    assert left() == 0


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_drawn_on_a_terminal_alone(alice: Person):
    for stderr, is_drawn in ((Terminal(), True), (StringIO(), False)):
        finished_mail(alice.user)
        said = cleanup("--no-color", stderr=stderr)
        assert said["finished mail"] == 7
        assert ("finished mail [" in stderr.getvalue()) is is_drawn


# --- the scheduler ---


def test_the_scheduler_cleans_every_kind(alice: Person, settings):
    """Beat names one task, which has each kind done by one of its own."""
    app.loader.import_default_modules()  # as a worker does
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert "bottomline.tasks.clean_all" in scheduled
    assert scheduled <= set(app.tasks)
    left = [make(alice.user) for make in OVER.values() if make is not old_events]
    app.conf.task_always_eager = True
    try:
        with commits():
            clean_all.delay()
    finally:
        app.conf.task_always_eager = False
    assert [count() for count in left] == [0] * len(left)


def test_a_file_of_an_export_goes_with_its_time(alice: Person):
    name = default_storage.save("exports/over.zip", ContentFile(b"x"))
    Export.objects.create(
        user=alice.user,
        name=name,
        ready_at=timezone.now() - 8 * DAY,
        expires_at=timezone.now() - DAY,
    )
    assert cleanup("--dry-run")["expired exports"] == 1
    assert default_storage.exists(name)
    assert cleanup()["expired exports"] == 1
    assert not default_storage.exists(name)
