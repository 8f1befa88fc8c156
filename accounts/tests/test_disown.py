"""“This wasn’t me”: a link in every notice that shuts everybody out."""

import threading
from datetime import timedelta

import pyotp
import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts.errors import TokenUnusable
from accounts.models import Event, Token, Totp
from accounts.services import disown, erasure, second_factor
from accounts.services.activity import sentence_of
from bottomline.caller import Caller
from bottomline.outbox.models import OutboxMessage
from bottomline.sessions import cookie
from bottomline.sessions.redis import client as redis
from bottomline.sessions.redis import digest_of, session_key
from conftest import LINK, Inbox, Person, Visitor, commits, log_in

NEW = "lantern walnut copper drift"
CALLER = Caller("192.0.2.1")


@pytest.fixture
def intruder(alice: Person) -> Visitor:
    """Somebody who knows Alice's password, and has just logged in with it."""
    log_in(Visitor(), alice)
    visitor = Visitor()
    log_in(visitor, alice)
    return visitor


@pytest.fixture
def link(intruder: Visitor, alice: Person, inbox: Inbox) -> str:
    """The link in the mail that Alice got about it."""
    return inbox.link_to(alice.email)


def links_in_mails_to(person: Person, inbox: Inbox) -> list[str]:
    found = (LINK.search(str(mail.body)) for mail in inbox.mails_to(person.email))
    return [match[1] for match in found if match]


# --- what it does ---


def test_the_link_shows_whose_account_it_is_and_changes_nothing(
    client: Visitor, intruder: Visitor, alice: Person, link: str
):
    assert link.startswith("/account/not-me/")
    for _ in range(2):
        page = client.get(link)
        assert page.status_code == 200
        assert page["Referrer-Policy"] == "strict-origin"
        assert alice.username in page.content.decode()
        assert alice.email not in page.content.decode()
    assert client.head(link).status_code == 200
    assert intruder.is_in
    assert alice.user.check_password(alice.password)


@pytest.mark.asvs("7.4.2")
def test_the_button_throws_the_intruder_out_on_their_next_request(
    client: Visitor, intruder: Visitor, link: str
):
    page = client.post(link)

    assert page.status_code == 200
    assert "We have sent you a link" in page.content.decode()
    assert not intruder.is_in


def test_the_password_that_the_intruder_knows_is_worth_nothing(
    client: Visitor, intruder: Visitor, alice: Person, link: str
):
    client.post(link)
    again = intruder.post("/login/", {"email": alice.email, "password": alice.password})
    assert again.status_code == 422
    assert not alice.user.has_usable_password()


def test_the_owner_comes_back_by_the_link_they_are_mailed(
    client: Visitor, alice: Person, link: str, inbox: Inbox
):
    client.post(link)
    reset = inbox.link_to(alice.email)
    assert reset.startswith("/password/reset/")
    assert client.post(reset, {"password": NEW, "repeated": NEW}).status_code == 302
    log_in(client, Person(alice.email, alice.username, NEW))


def test_every_link_that_opens_something_is_dead(
    client: Visitor, alice: Person, link: str, inbox: Inbox
):
    client.post("/password/forgot/", {"email": alice.email})
    opens = inbox.link_to(alice.email)
    assert client.get(opens).status_code == 200
    client.post(link)

    assert client.get(opens).status_code == 410
    assert client.post(opens, {"password": NEW, "repeated": NEW}).status_code == 410


def test_a_link_that_was_promised_and_not_yet_sent_opens_nothing_either(
    client: Visitor, alice: Person, link: str, inbox: Inbox
):
    client.post("/password/forgot/", {"email": alice.email})
    promised = OutboxMessage.objects.get(kind="reset_password", status="pending")
    client.post(link)
    sent = [mail for mail in links_in_mails_to(alice, inbox) if "/password/reset/" in mail]

    promised.refresh_from_db()
    assert promised.status == "moot"
    assert len(sent) == 1
    assert client.get(sent[0]).status_code == 200


def test_an_address_that_the_intruder_wants_to_move_to_is_not_moved_to(
    client: Visitor, intruder: Visitor, alice: Person, link: str, inbox: Inbox
):
    asked = intruder.post("/email/change/", {"email": "mallory@example.org"})
    assert asked.status_code == 302
    theirs = inbox.link_to("mallory@example.org")
    assert client.get(theirs).status_code == 200
    client.post(link)

    assert client.get(theirs).status_code == 410
    assert client.post(theirs).status_code == 410
    assert alice.user.email == alice.email


def test_when_the_address_has_moved_the_page_says_where_the_way_back_is(
    client: Visitor, intruder: Visitor, alice: Person, link: str, inbox: Inbox
):
    intruder.post("/email/change/", {"email": "mallory@example.org"})
    intruder.post(inbox.link_to("mallory@example.org"))
    page = client.get(link)

    assert page.status_code == 410
    assert "takes it back" in page.content.decode()


@pytest.mark.asvs("7.4.1")
def test_the_intruder_stays_out_when_redis_is_restored_from_before(
    client: Visitor, intruder: Visitor, link: str
):
    sid = cookie.read(intruder.cookies[settings.SESSION_COOKIE_NAME].value)
    assert sid
    key = session_key(digest_of(sid))
    dump = redis().dump(key)
    stolen = intruder.cookies[settings.SESSION_COOKIE_NAME].value
    client.post(link)
    redis().restore(key, 24 * 3600 * 1000, dump)
    intruder.cookies[settings.SESSION_COOKIE_NAME] = stolen

    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        assert not intruder.is_in


def test_it_is_in_the_history(client: Visitor, alice: Person, link: str):
    client.post(link)
    assert Event.objects.filter(kind="account.disowned", user_id=alice.user.pk).count() == 1


def test_whoever_gets_hold_of_the_mail_gets_in_nowhere(
    client: Visitor, alice: Person, link: str, inbox: Inbox
):
    """The way back is in the mailbox alone."""
    page = client.post(link)
    assert "/password/reset/" not in page.content.decode()
    assert not client.is_in
    assert alice.email not in page.content.decode()


# --- who may use it, and how often ---


def test_the_link_works_once(client: Visitor, alice: Person, link: str, inbox: Inbox):
    assert client.post(link).status_code == 200
    again = client.post(link)
    assert again.status_code == 410
    assert "Choose a new password" in again.content.decode()
    assert client.get(link).status_code == 410
    assert OutboxMessage.objects.filter(kind="reset_password").count() == 1


def test_a_used_link_does_not_undo_the_new_password(
    client: Visitor, alice: Person, link: str, inbox: Inbox
):
    client.post(link)
    client.post(inbox.link_to(alice.email), {"password": NEW, "repeated": NEW})
    assert client.post(link).status_code == 410
    assert alice.user.check_password(NEW)


def test_the_link_works_for_a_week(client: Visitor, intruder: Visitor, link: str):
    now = timezone.now()
    with time_machine.travel(now + timedelta(days=7, seconds=1)):
        assert client.get(link).status_code == 410
        assert client.post(link).status_code == 410
    with time_machine.travel(now + timedelta(days=6, hours=23)):
        assert client.post(link).status_code == 200


@pytest.mark.parametrize("cut", [1, 20, 42])
def test_a_truncated_link_does_nothing(client: Visitor, alice: Person, link: str, cut: int):
    broken = link.rstrip("/")[:-cut] + "/"
    assert client.get(broken).status_code == 410
    assert client.post(broken).status_code == 410
    assert alice.user.has_usable_password()


def test_the_link_of_another_purpose_does_nothing(
    client: Visitor, alice: Person, link: str, inbox: Inbox
):
    client.post("/password/forgot/", {"email": alice.email})
    token = inbox.link_to(alice.email).split("/")[-2]
    assert client.post(f"/account/not-me/{token}/").status_code == 410
    assert alice.user.has_usable_password()


def test_the_token_opens_nothing_but_this(client: Visitor, alice: Person, link: str):
    token = link.split("/")[-2]
    assert client.get(f"/password/reset/{token}/").status_code == 410
    assert client.get(f"/invite/?confirmation={token}").status_code == 410


def test_it_works_while_logged_in_as_somebody_else_who_stays_so(
    intruder: Visitor, alice: Person, bob: Person, link: str
):
    browser = Visitor()
    log_in(browser, bob)
    assert browser.get(link).status_code == 200
    assert browser.post(link).status_code == 200

    assert not intruder.is_in
    assert browser.is_in
    assert bob.user.has_usable_password()


def test_the_owner_who_is_logged_in_is_thrown_out_too(alice: Person, link: str):
    owner = Visitor()
    log_in(owner, alice)
    assert owner.post(link).status_code == 200
    assert not owner.is_in


@pytest.mark.asvs("3.5.1")
def test_another_site_cannot_press_the_button(alice: Person, link: str):
    assert Visitor(enforce_csrf_checks=True).post(link).status_code == 403
    assert alice.user.has_usable_password()


def test_an_intruder_cannot_void_the_link_by_changing_the_password(
    client: Visitor, intruder: Visitor, alice: Person, link: str
):
    typed = {"current": alice.password, "password": NEW, "repeated": NEW}
    assert intruder.post("/password/change/", typed).status_code == 302
    assert intruder.is_in

    assert client.post(link).status_code == 200
    assert not intruder.is_in
    assert not alice.user.check_password(NEW)


def close(visitor: Visitor, person: Person) -> None:
    typed = {"username": person.username}
    assert visitor.post("/account/delete/", typed).status_code == 302
    assert person.user.is_closed


def test_an_intruder_cannot_void_the_link_by_closing_the_account(
    client: Visitor, intruder: Visitor, alice: Person, link: str
):
    close(intruder, alice)
    assert "is not deleted" in client.get(link).content.decode()
    assert client.post(link).status_code == 200
    assert not alice.user.is_closed
    assert not alice.user.has_usable_password()


def test_an_account_that_somebody_else_closed_is_not_erased(
    client: Visitor, intruder: Visitor, alice: Person, inbox: Inbox
):
    """By the link in the mail that tells of it, whether or not they log in within two weeks."""
    close(intruder, alice)
    told = str(inbox.mails_to(alice.email)[-1].body)
    [not_me] = [path for path in LINK.findall(told) if "/not-me/" in path]
    assert client.post(not_me).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=15), tick=False):
        erasure.say_goodbyes()
        inbox.mails_to(alice.email)
        assert erasure.erase_all() == 0
    kept = Event.objects.get(kind="account.kept")
    assert sentence_of(kept).text == "The account stays, as your mailbox said."


def test_an_account_whose_time_is_over_stays_closed(
    client: Visitor, intruder: Visitor, alice: Person, inbox: Inbox
):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        close(intruder, alice)
        clock.shift(timedelta(days=10))
        late = Token.objects.issue(alice.user, "disown").link_token
        clock.shift(timedelta(days=4))
        client.post(f"/account/not-me/{late}/")
        assert alice.user.is_closed


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_of_two_who_press_it_at_once_one_does_it(alice: Person, inbox: Inbox):
    with commits():
        token = Token.objects.issue(alice.user, "disown").link_token
    gate, outcomes = threading.Barrier(2), []

    def press() -> None:
        gate.wait()
        try:
            disown.finish(token, caller=CALLER)
            outcomes.append("done")
        except TokenUnusable:
            outcomes.append("too late")
        finally:
            connection.close()

    people = [threading.Thread(target=press) for _ in range(2)]
    for person in people:
        person.start()
    for person in people:
        person.join()

    assert sorted(outcomes) == ["done", "too late"]
    assert Event.objects.filter(kind="account.disowned").count() == 1
    assert OutboxMessage.objects.filter(kind="reset_password").count() == 1


# --- and the second factor ---


def set_up_factor(visitor: Visitor, person: Person) -> None:
    visitor.post("/account/security/factor/start/")
    app = pyotp.TOTP(Totp.objects.get(user=person.user).secret)
    code = app.at(int(timezone.now().timestamp()))
    confirmed = visitor.post("/account/security/factor/confirm/", {"code": code})
    assert confirmed.status_code == 200


def test_the_link_in_the_mail_about_a_second_factor_says_that_it_ends_that(
    client: Visitor, intruder: Visitor, alice: Person, inbox: Inbox
):
    set_up_factor(intruder, alice)
    told = inbox.mails_to(alice.email)[-1]
    assert "also turns the second factor off" in str(told.body)
    [not_me] = [path for path in LINK.findall(str(told.body)) if "/not-me/" in path]
    assert "is turned off" in client.get(not_me).text
    assert "still ask for a code" not in client.post(not_me).text
    assert alice.user.second_factor_at is None


def test_any_other_link_says_how_to_end_a_second_factor_that_is_an_intruders(
    client: Visitor, intruder: Visitor, alice: Person, link: str
):
    set_up_factor(intruder, alice)
    assert "is turned off" not in client.get(link).text
    assert "still ask for a code" in client.post(link).text
    assert alice.user.second_factor_at


def test_no_second_factor_is_said_to_end_where_there_is_none(
    client: Visitor, intruder: Visitor, alice: Person, inbox: Inbox
):
    set_up_factor(intruder, alice)
    told = str(inbox.mails_to(alice.email)[-1].body)
    [not_me] = [path for path in LINK.findall(told) if "/not-me/" in path]
    second_factor.forget(alice.user)
    assert "is turned off" not in client.get(not_me).text
    assert client.post(not_me).status_code == 200
    assert not Event.objects.filter(kind="second_factor.disabled").exists()
