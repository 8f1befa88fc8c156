"""Closing an account, and coming back to it while there is time."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.errors import LastOwner, ProofTooOld, WrongName
from accounts.models import EmailChange, Event, User
from accounts.services import closing, members, sessions
from bottomline.caller import Caller
from bottomline.sessions import index
from bottomline.tests import environment
from conftest import CheapHasher, Inbox, Person, Visitor, join, log_in, path_of
from invites import services as invites

pytestmark = pytest.mark.django_db

LATER = "a better lamp 7 river phrase"


def proven(**fields: str) -> Caller:
    return Caller(ip="192.0.2.1", proved_at=timezone.now(), **fields)


def close(visitor: Visitor, person: Person, **typed: str) -> Any:
    """Delete the account on the real page, and see that it was taken."""
    response = visitor.post("/account/delete/", {"username": person.username, **typed})
    assert response.status_code == 302, response.content
    assert response.headers["Location"].startswith("/account/closed/?until=")
    return response


@pytest.fixture
def gone(client: Visitor, alice: Person) -> Person:
    """Alice, who has closed her account."""
    log_in(client, alice)
    close(client, alice)
    return alice


@pytest.fixture
def days_later() -> Iterator[Any]:
    """Moves everybody so many days on."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield lambda days: clock.shift(timedelta(days=days))


# --- closing ---


def test_the_page_says_what_happens_and_asks_for_the_name(client: Visitor, alice: Person):
    log_in(client, alice)
    page = client.get("/account/delete/").content.decode()
    assert "type your username: <strong>alice</strong>" in page
    assert "14 days" in page
    assert User.objects.get().closed_at is None


@pytest.mark.asvs("7.4.2")
def test_every_session_ends_on_the_next_request(client: Visitor, alice: Person):
    elsewhere = Visitor()
    log_in(elsewhere, alice, remember="on")
    log_in(client, alice)
    stolen = client.cookies["__Host-session"].value

    response = close(client, alice)

    assert client.cookies["__Host-session"].value == ""
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    again = Visitor()
    again.cookies["__Host-session"] = stolen
    for visitor in (client, elsewhere, again):
        assert visitor.get("/session/").status_code == 401
    assert index.list_live(alice.user.pk) == []


def test_the_page_after_it_says_until_when_they_can_come_back(client: Visitor, alice: Person):
    log_in(client, alice)
    page = client.get(close(client, alice).headers["Location"]).content.decode()
    until = alice.user.closed_at + timedelta(days=14)
    assert f"{until:%-d %B %Y, %H:%M} UTC" in page


@pytest.mark.parametrize("until", ["", "0", "1764547200", "1764547200:forged", "\0"])
def test_a_day_that_we_did_not_sign_is_not_shown(client: Visitor, until):
    response = client.get("/account/closed/", {"until": until})
    assert response.headers["Location"] == "/login/"


@pytest.mark.parametrize("typed", ["bob", "alic", "", "alice@example.org", "\0"])
def test_another_name_deletes_nothing(client: Visitor, alice: Person, typed):
    log_in(client, alice)
    response = client.post("/account/delete/", {"username": typed})
    assert response.status_code == 422
    assert alice.user.closed_at is None
    assert client.get("/session/").status_code == 200


@pytest.mark.parametrize("typed", ["ALICE", " alice ", "Alice"])
def test_the_name_may_be_typed_in_any_case(client: Visitor, alice: Person, typed):
    log_in(client, alice)
    close(client, alice, username=typed)
    assert alice.user.closed_at


@pytest.mark.asvs("7.5.3")
def test_it_asks_for_the_password_first_and_keeps_what_was_typed(client: Visitor, alice: Person):
    log_in(client, alice)
    with time_machine.travel(timezone.now() + timedelta(minutes=30), tick=False):
        response = client.post("/account/delete/", {"username": "alice"})
        assert response.headers["Location"] == "/reauth/?next=%2Faccount%2Fdelete%2F"
        assert alice.user.closed_at is None
        client.post("/reauth/", {"password": alice.password, "next": "/account/delete/"})
        assert 'value="alice"' in client.get("/account/delete/").content.decode()
        assert alice.user.closed_at is None, "it is not replayed"
        close(client, alice)


@pytest.mark.asvs("7.5.3")
@pytest.mark.asvs("8.3.1")
def test_the_service_asks_for_a_fresh_proof_itself(alice: Person):
    with pytest.raises(ProofTooOld):
        closing.close(alice.user, "alice", caller=Caller(ip="192.0.2.1"))
    with pytest.raises(WrongName):
        closing.close(alice.user, "bob", caller=proven())
    assert alice.user.closed_at is None


def test_the_owner_is_told_until_when_and_by_whom(client: Visitor, alice: Person, inbox: Inbox):
    log_in(client, alice)
    close(client, alice)
    mail = inbox.mails_to(alice.email)[-1]
    assert mail.subject == "Your account at The Bottom Line will be deleted"
    assert f"{alice.user.closed_at + timedelta(days=14):%-d %B %Y, %H:%M} UTC" in mail.body
    assert "/account/not-me/" in mail.body


def test_pressing_twice_is_one_wish_and_one_mail(alice: Person, inbox: Inbox):
    first = closing.close(alice.user, "alice", caller=proven())
    assert closing.close(alice.user, "alice", caller=proven()) == first
    assert Event.objects.filter(kind="account.closed").count() == 1
    subjects = [mail.subject for mail in inbox.mails_to(alice.email)]
    assert subjects.count("Your account at The Bottom Line will be deleted") == 1


def test_every_mailed_link_that_opens_something_is_void(
    client: Visitor, alice: Person, inbox: Inbox
):
    client.post("/password/forgot/", {"email": alice.email})
    link = inbox.link_to(alice.email)
    log_in(client, alice)
    close(client, alice)
    assert client.get(link).status_code == 410


def test_a_session_that_was_ended_meanwhile_closes_nothing(alice: Person):
    """A request that waited for the row while the owner said that this was not them."""
    user = alice.user
    sessions.end_all(user)
    with pytest.raises(ProofTooOld):
        closing.close(user, alice.username, caller=proven())
    assert not alice.user.is_closed


def test_invites_they_made_let_nobody_in_until_they_are_back(client: Visitor, alice: Person):
    invite = invites.issue(issuer=alice.user)
    log_in(client, alice)
    close(client, alice)
    assert Visitor().get(path_of(invite)).status_code == 410
    log_in(client, alice)
    assert Visitor().get(path_of(invite)).status_code == 200


def test_the_last_owner_stays(client: Visitor, olivia: Person):
    log_in(client, olivia)
    assert "You are the only owner" in client.get("/account/delete/").content.decode()
    response = client.post("/account/delete/", {"username": "olivia"})
    assert response.status_code == 422
    assert "Make somebody else owner first" in response.content.decode()
    assert olivia.user.closed_at is None


@pytest.mark.parametrize("other", ["blocked", "closed", "unconfirmed", "a plain member"])
def test_an_owner_who_cannot_look_after_anything_does_not_count(
    olivia: Person, inbox: Inbox, other
):
    oscar = join(inbox, "oscar@example.org", "oscar", staff=True)
    changed: dict[str, dict[str, Any]] = {
        "blocked": {"blocked_until": timezone.now() + timedelta(days=1)},
        "closed": {"closed_at": timezone.now()},
        "unconfirmed": {"email_confirmed_at": None},
        "a plain member": {"is_superuser": False},
    }
    User.objects.filter(email=oscar.email).update(**changed[other])
    with pytest.raises(LastOwner):
        closing.close(olivia.user, "olivia", caller=proven())


def test_an_owner_may_leave_while_there_is_another(client: Visitor, olivia: Person, inbox: Inbox):
    join(inbox, "oscar@example.org", "oscar", staff=True)
    log_in(client, olivia)
    close(client, olivia)


def test_nobody_closes_by_a_link(client: Visitor, alice: Person):
    log_in(client, alice)
    client.get("/account/delete/?username=alice")
    assert alice.user.closed_at is None


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_of_the_last_two_owners_who_leave_at_once_one_stays(olivia: Person, inbox: Inbox):
    oscar = join(inbox, "oscar@example.org", "oscar", staff=True)
    leaving, gate = [olivia.user, oscar.user], threading.Barrier(2)

    def leave(user: User) -> str:
        try:
            gate.wait(10)
            closing.close(user, user.username, caller=proven())
        except LastOwner:
            return "stays"
        finally:
            connection.close()
        return "left"

    with ThreadPoolExecutor(2) as people:
        assert sorted(people.map(leave, leaving)) == ["left", "stays"]
    assert User.objects.filter(closed_at=None).count() == 1


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_pressing_twice_at_once_is_one_wish(alice: Person):
    user, gate = alice.user, threading.Barrier(4)

    def leave(_: int) -> datetime:
        try:
            gate.wait(10)
            return closing.close(user, "alice", caller=proven())
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as presses:
        assert len(set(presses.map(leave, range(4)))) == 1
    assert Event.objects.filter(kind="account.closed").count() == 1


@pytest.mark.parametrize("purpose", ["confirm", "undo"])
def test_a_change_of_address_is_called_off_but_the_way_back_stays(
    client: Visitor, alice: Person, inbox: Inbox, purpose
):
    """Who took over an account may close it, too: its owner can still say that it is theirs."""
    log_in(client, alice)
    client.post("/email/change/", {"email": "new@example.org"})
    inbox.mails_to(alice.email)
    change = EmailChange.objects.get()
    close(client, alice)
    token = change.confirm_token if purpose == "confirm" else change.undo_token
    page = Visitor().get(f"/email/{purpose}/{token}/")
    assert page.status_code == (410 if purpose == "confirm" else 200)


def test_others_no_longer_see_them(client: Visitor, gone: Person, bob: Person):
    visitor = Visitor()
    log_in(visitor, bob)
    assert visitor.get("/people/alice/").status_code == 404
    log_in(client, gone)
    assert visitor.get("/people/alice/").status_code == 200


def test_an_owner_whose_account_somebody_else_closed_gets_it_back(gone: Person, inbox: Inbox):
    not_me = re.search(r"/account/not-me/\S+", str(inbox.mails_to(gone.email)[-1].body))
    assert not_me
    stranger = Visitor()
    assert stranger.get(not_me[0]).status_code == 200
    assert stranger.post(not_me[0]).status_code in {200, 302}
    page = stranger.post(inbox.link_to(gone.email), {"password": LATER, "repeated": LATER})
    assert page.status_code == 302
    log_in(stranger, Person(gone.email, gone.username, LATER))
    assert gone.user.closed_at is None


# --- what others see meanwhile ---


def test_every_other_door_answers_as_for_any_account(client: Visitor, gone: Person, bob: Person):
    def pages(email: str) -> list[tuple[int, bytes]]:
        invite = invites.issue()
        name = f"somebody.{email[:3]}"
        form = {"email": email, "username": name, "password": LATER}
        answers = [
            Visitor().post("/login/", {"email": email, "password": "not the password at all"}),
            Visitor().post("/password/forgot/", {"email": email}),
            Visitor().post("/confirmation/resend/", {"email": email}),
            Visitor().post(path_of(invite), form),
        ]
        return [(answer.status_code, _told(answer, email)) for answer in answers]

    assert pages(gone.email) == pages(bob.email)


def _told(answer: Any, email: str) -> str:
    fresh = r'value="\w{64}"|data-passkey="[^"]+"'
    return re.sub(fresh, "", answer.content.decode()).replace(email, "")


def test_signing_up_with_the_address_tells_its_owner_they_can_log_in(gone: Person, inbox: Inbox):
    form = {"email": gone.email, "username": "another", "password": LATER}
    assert Visitor().post(path_of(invites.issue()), form).status_code == 200
    assert (
        inbox.mails_to(gone.email)[-1].subject == "You already have an account at The Bottom Line"
    )


# --- coming back ---


def test_logging_in_brings_everything_back(client: Visitor, gone: Person, inbox: Inbox, days_later):
    days_later(13.99)
    log_in(client, gone)
    assert gone.user.closed_at is None
    assert "Welcome back. Your account stays." in client.get("/account/").content.decode()
    assert inbox.mails_to(gone.email)[-1].subject == "Your account at The Bottom Line stays"
    done = Event.objects.exclude(kind="mail.sent").order_by("pk")
    kinds = list(done.values_list("kind", flat=True))
    assert kinds[-2:] == ["account.kept", "login.completed"]


def test_a_wrong_password_brings_nothing_back(gone: Person):
    response = Visitor().post("/login/", {"email": gone.email, "password": "not the password"})
    assert response.status_code == 422
    assert gone.user.closed_at


def test_after_fourteen_days_the_right_password_is_as_good_as_a_wrong_one(gone: Person, days_later):
    wrong = Visitor().post("/login/", {"email": gone.email, "password": "not the password"})
    days_later(14)
    right = Visitor().post("/login/", {"email": gone.email, "password": gone.password})
    assert right.status_code == wrong.status_code == 422
    assert gone.user.closed_at
    assert Event.objects.filter(kind="login.refused", details__reason="closed").exists()


def test_a_new_password_alone_brings_nothing_back_and_logging_in_does(
    client: Visitor, gone: Person, inbox: Inbox
):
    client.post("/password/forgot/", {"email": gone.email})
    link = inbox.link_to(gone.email)
    client.post(link, {"password": LATER, "repeated": LATER})
    assert gone.user.closed_at
    log_in(client, Person(gone.email, gone.username, LATER))
    assert gone.user.closed_at is None


def test_after_fourteen_days_nothing_but_the_last_mail_goes_out(
    client: Visitor, gone: Person, inbox: Inbox, days_later
):
    days_later(14)
    before = len(inbox.mails_to(gone.email))
    client.post("/password/forgot/", {"email": gone.email})
    client.post("/confirmation/resend/", {"email": gone.email})
    form = {"email": gone.email, "username": "another", "password": LATER}
    assert client.post(path_of(invites.issue()), form).status_code == 200
    assert len(inbox.mails_to(gone.email)) == before


def test_whoever_was_blocked_meanwhile_is_told_and_does_not_come_back(gone: Person):
    members.block(gone.user, until=timezone.now() + timedelta(days=1), reason="spam")
    response = Visitor().post("/login/", {"email": gone.email, "password": gone.password})
    assert response.status_code == 423
    assert gone.user.closed_at


def test_coming_back_twice_is_one_event(gone: Person):
    left = gone.user
    closing.come_back(gone.user, caller=proven())
    closing.come_back(left, caller=proven())
    assert Event.objects.filter(kind="account.kept").count() == 1


class ClosingHasher(CheapHasher):
    """While it looks at a password, whose it is closes the account."""

    def verify(self, password: str, encoded: str) -> bool:
        closing.close(User.objects.get(password=encoded), "alice", caller=proven())
        return super().verify(password, encoded)


@pytest.mark.django_db(transaction=True)
def test_a_login_that_was_under_way_when_the_account_was_closed_is_not_one(
    alice: Person, settings: Any
):
    """Whoever typed the password a moment before must not stay in a moment after."""
    settings.PASSWORD_HASHERS = [f"{__name__}.{ClosingHasher.__name__}"]
    late = Visitor()
    typed = {"email": alice.email, "password": alice.password}
    assert late.post("/login/", typed).status_code == 302
    assert late.get("/session/").status_code == 401
    assert alice.user.closed_at


# --- when something is away ---


@pytest.mark.asvs("16.5.2")
def test_without_redis_they_are_told_that_nothing_was_changed(client: Visitor, alice: Person):
    log_in(client, alice)
    environment.redis.kill()
    try:
        answers = [
            client.get("/account/delete/"),
            client.post("/account/delete/", {"username": "alice"}),
        ]
    finally:
        environment.redis.start()
    for response in answers:
        assert response.status_code == 503
        assert int(response["Retry-After"]) >= 1
        assert "Deleting is not possible now" in response.content.decode()
    assert alice.user.closed_at is None
    assert client.get("/session/").status_code == 200
    close(client, alice)


def test_when_redis_goes_before_anything_is_written_nothing_is(client: Visitor, alice: Person):
    """It has answered who is asking, and is gone when the service begins."""
    log_in(client, alice)
    begin = closing.close

    def close_without_redis(*args: Any, **kwargs: Any) -> Any:
        environment.redis.kill()
        return begin(*args, **kwargs)

    try:
        with mock.patch("accounts.services.closing.close", close_without_redis):
            response = client.post("/account/delete/", {"username": "alice"})
    finally:
        environment.redis.start()
    assert response.status_code == 503
    assert "nothing was changed" in response.content.decode()
    assert alice.user.closed_at is None
    assert not Event.objects.filter(kind="account.closed").exists()
    assert client.get("/session/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_when_redis_goes_in_the_last_moment_the_account_is_closed_and_every_session_ends(
    client: Visitor, alice: Person, inbox: Inbox
):
    """It dies between our last question and the commit: the database alone must be enough."""
    log_in(client, alice)
    elsewhere = Visitor()
    log_in(elsewhere, alice)
    end_all = sessions.end_all

    def end_all_and_lose_redis(user: User) -> None:
        end_all(user)
        environment.redis.kill()

    try:
        with mock.patch("accounts.services.sessions.end_all", end_all_and_lose_redis):
            response = client.post("/account/delete/", {"username": "alice"})
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/account/closed/")
    finally:
        environment.redis.start()

    assert alice.user.closed_at
    assert "will be deleted" in inbox.mails_to(alice.email)[-1].subject
    # The sessions are still in Redis; what they remember of the member is believed for a minute.
    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        assert elsewhere.get("/session/").status_code == 401


@pytest.mark.parametrize("mend", ["username", "email"])
def test_a_former_member_has_neither_a_name_nor_an_address(alice: Person, mend):
    user = alice.user
    user.closed_at = timezone.now()
    user.become_tombstone()
    user.save()
    assert str(user) == "a former member"
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=user.pk).update(**{mend: "somebody@example.org"})
