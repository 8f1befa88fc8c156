"""Choosing a new password while logged in."""

from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from accounts.errors import WrongPassword
from accounts.models import Purpose, Token, User
from accounts.services import members, password_change
from bottomline.caller import Caller
from bottomline.outbox import services as outbox
from bottomline.outbox.models import OutboxMessage
from bottomline.sessions import cookie
from bottomline.sessions.store import SessionStore
from conftest import PASSWORD, Inbox, Person, Visitor, commits, log_in

NEW = "lantern walnut copper drift"


@pytest.fixture
def browser(alice: Person) -> Visitor:
    """Alice's, logged in."""
    visitor = Visitor()
    log_in(visitor, alice)
    return visitor


@pytest.fixture
def caller() -> Caller:
    return Caller(ip="192.0.2.7")


def change(visitor: Visitor, current: str = PASSWORD, new: str = NEW, repeated: str = ""):
    return visitor.post(
        "/password/change/", {"current": current, "password": new, "repeated": repeated or new}
    )


def status(visitor: Visitor) -> int:
    return visitor.get("/session/").status_code


@pytest.mark.asvs("6.2.2")
def test_a_member_changes_their_password_and_stays_logged_in(browser: Visitor, alice: Person):
    response = change(browser)

    assert (response.status_code, response["Location"]) == (302, "/account/security/")
    assert "Your password is changed" in browser.get("/account/security/").content.decode()
    log_in(Visitor(), Person(alice.email, alice.username, NEW))
    assert Visitor().post("/login/", vars(alice)).status_code == 422


@pytest.mark.asvs("6.2.3")
@pytest.mark.parametrize(
    "current", ["", "not the password at all", PASSWORD.upper(), PASSWORD + " "]
)
def test_it_takes_the_current_password_to_the_letter(browser: Visitor, alice: Person, current: str):
    page = change(browser, current)

    assert page.status_code == 422
    assert 'role="alert"' in page.content.decode()
    assert NEW not in page.content.decode()
    assert alice.user.check_password(PASSWORD)
    assert status(browser) == 200


@pytest.mark.parametrize(
    ("new", "repeated", "said"),
    [
        ("too short", "", "Use at least 15"),
        (NEW, NEW + "!", "not the same"),
        ("passwordpassword", "", "Many people think of"),
        ("alice alice alice", "", "nothing to do with you"),
        (PASSWORD, "", "the password you have"),
    ],
)
def test_a_weak_mistyped_or_unchanged_password_is_refused_in_words(
    browser: Visitor, alice: Person, new: str, repeated: str, said: str
):
    page = change(browser, new=new, repeated=repeated)

    assert page.status_code == 422
    assert said in page.content.decode()
    assert alice.user.check_password(PASSWORD)


@pytest.mark.asvs("7.4.3")
def test_every_other_session_ends_and_this_one_gets_a_new_id(browser: Visitor, alice: Person):
    others = [Visitor(), Visitor()]
    for other in others:
        log_in(other, alice)
    before = browser.cookies[settings.SESSION_COOKIE_NAME].value
    change(browser)

    assert [status(other) for other in others] == [401, 401]
    assert browser.cookies[settings.SESSION_COOKIE_NAME].value != before
    thief = Visitor()
    thief.cookies[settings.SESSION_COOKIE_NAME] = before
    assert status(thief) == 401


def test_the_session_it_was_changed_from_outlives_the_look_at_the_database(
    browser: Visitor, alice: Person
):
    change(browser)
    for minutes in (0, 2, 30):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
            assert status(browser) == 200


def test_every_mailed_link_ends(browser: Visitor, alice: Person, inbox: Inbox):
    browser.post("/password/forgot/", {"email": alice.email})
    link = inbox.link_to(alice.email)
    change(browser)
    assert Visitor().get(link).status_code == 410


def test_a_link_that_was_promised_and_not_yet_sent_never_is(
    browser: Visitor, alice: Person, inbox: Inbox
):
    before = len(inbox.mails_to(alice.email))
    browser.post("/password/forgot/", {"email": alice.email})
    assert OutboxMessage.objects.filter(kind="reset_password", status="pending").exists()
    change(browser)
    outbox.sweep()

    assert OutboxMessage.objects.get(kind="reset_password").status == "moot"
    sent = inbox.mails_to(alice.email)[before:]
    assert [mail.subject for mail in sent] == ["Your password for The Bottom Line was changed"]


@pytest.mark.asvs("6.3.7")
def test_the_owner_is_told_and_not_the_password(browser: Visitor, alice: Person, inbox: Inbox):
    change(browser)
    message = inbox.mails_to(alice.email)[-1]
    assert "was changed" in message.subject
    assert NEW not in message.body
    assert PASSWORD not in message.body


@pytest.mark.asvs("6.2.3")
@pytest.mark.usefixtures("still_clock")
def test_whoever_fails_too_often_is_logged_out(browser: Visitor, alice: Person):
    answers = [change(browser, f"guess number {n} of many").status_code for n in range(5)]
    assert answers == [422] * 5

    response = change(browser)
    assert (response.status_code, response["Location"]) == (302, "/login/")
    assert status(browser) == 401
    assert "That was too often" in browser.get("/login/").content.decode()
    assert alice.user.check_password(PASSWORD)
    log_in(browser, alice)


@pytest.mark.asvs("6.3.1")
@pytest.mark.usefixtures("still_clock")
def test_it_is_no_second_budget_for_guessing(browser: Visitor, alice: Person):
    """The tries here and at the login page are counted together."""
    guesser = Visitor()
    guesser.cookies[settings.DEVICE_COOKIE_NAME] = browser.cookies[
        settings.DEVICE_COOKIE_NAME
    ].value
    for _ in range(10):
        guesser.post("/login/", {"email": alice.email, "password": "a wrong one"})
    assert change(browser).status_code == 429
    assert alice.user.check_password(PASSWORD)


def test_a_stranger_guessing_elsewhere_does_not_keep_the_owner_from_changing_it(
    browser: Visitor, alice: Person
):
    for _ in range(12):
        Visitor().post("/login/", {"email": alice.email, "password": "a wrong one"})
    assert change(browser).status_code == 302


def test_a_visitor_is_sent_to_log_in_first(client: Visitor, alice: Person):
    for response in (client.get("/password/change/"), change(client)):
        assert (response.status_code, response["Location"]) == (
            302,
            "/login/?next=/password/change/",
        )
    assert alice.user.check_password(PASSWORD)


@pytest.mark.asvs("3.5.1")
def test_a_form_from_elsewhere_changes_nothing(browser: Visitor, alice: Person):
    forged = Visitor(enforce_csrf_checks=True)
    forged.cookies = browser.cookies
    assert change(forged).status_code == 403
    assert alice.user.check_password(PASSWORD)


def test_a_session_ended_meanwhile_changes_nothing(browser: Visitor, alice: Person):
    with commits():
        members.block(alice.user, until=timezone.now() + timedelta(days=1), reason="spam")
    assert change(browser).status_code == 302
    assert alice.user.check_password(PASSWORD)


@pytest.mark.asvs("15.4.2")
def test_a_password_changed_while_this_was_being_judged_stays(
    browser: Visitor, alice: Person, caller: Caller
):
    """Somebody who took the account over must not be able to undo the owner's reset by waiting."""
    sid = cookie.read(browser.cookies[settings.SESSION_COOKIE_NAME].value)
    session, as_proved = SessionStore(sid), alice.user
    assert session.items()
    members.set_password(alice.user, make_password("chosen by the owner meanwhile"))

    with pytest.raises(WrongPassword):
        password_change.change(as_proved, PASSWORD, NEW, session, caller=caller)
    assert alice.user.check_password("chosen by the owner meanwhile")


def test_this_was_not_me_outlives_the_change_it_is_about(
    browser: Visitor, alice: Person, inbox: Inbox
):
    """Or whoever changed the password could change it again, and the link would be dead."""
    change(browser)
    inbox.mails_to(alice.email)
    disown = Token.objects.usable().get(purpose=Purpose.DISOWN)
    change(browser, NEW, "harbour tinsel nine crumbs")
    assert Token.objects.usable().filter(pk=disown.pk).exists()


@pytest.mark.asvs("6.2.7")
def test_password_managers_find_the_page_and_know_its_fields(client: Visitor, browser: Visitor):
    response = client.get("/.well-known/change-password")
    assert (response.status_code, response["Location"]) == (302, "/password/change/")

    page = browser.get("/password/change/").content.decode()
    for autocomplete in ("username", "current-password", "new-password"):
        assert f'autocomplete="{autocomplete}"' in page
    assert page.count('autocomplete="new-password"') == 2


def test_without_a_password_a_link_to_set_one_is_mailed(
    browser: Visitor, alice: Person, inbox: Inbox
):
    User.objects.filter(pk=alice.user.pk).update(password="!none")
    before = len(inbox.mails_to(alice.email))

    assert "Set a password" in browser.get("/password/change/").content.decode()
    assert len(inbox.mails_to(alice.email)) == before
    assert change(browser, "", NEW).status_code == 302
    assert not alice.user.has_usable_password()
    link = inbox.link_to(alice.email)
    assert Visitor().post(link, {"password": NEW, "repeated": NEW}).status_code == 302
    log_in(Visitor(), Person(alice.email, alice.username, NEW))
