"""A login that its owner should know of: the mail about it, and the login before, on the page."""

from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.utils import timezone

from accounts.models import Event, User
from accounts.services import devices
from bottomline.outbox.models import OutboxMessage
from conftest import Inbox, Person, Visitor, log_in

FIREFOX = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
SUBJECT = "A new login to your account at The Bottom Line"
DEVICE = settings.DEVICE_COOKIE_NAME


@pytest.fixture
def home(alice: Person) -> Visitor:
    """The browser in which Alice has always logged in."""
    visitor = Visitor()
    log_in(visitor, alice)
    visitor.post("/logout/")
    return visitor


def on_a_phone() -> Visitor:
    return Visitor(REMOTE_ADDR="203.0.113.77", HTTP_USER_AGENT=FIREFOX)


def told(inbox: Inbox, person: Person) -> list:
    """The mails about a login that somebody got."""
    return [mail for mail in inbox.mails_to(person.email) if mail.subject == SUBJECT]


# --- a strange device ---


def test_the_first_login_of_all_and_one_on_a_known_device_are_not_told(
    home: Visitor, alice: Person, inbox: Inbox
):
    log_in(home, alice)
    assert told(inbox, alice) == []
    assert not OutboxMessage.objects.filter(kind="new_login").exists()


@pytest.mark.asvs("6.3.5", "14.2.6")
def test_a_login_on_a_strange_device_is_told_with_its_circumstances(
    home: Visitor, alice: Person, inbox: Inbox
):
    log_in(on_a_phone(), alice)
    (mail,) = told(inbox, alice)

    assert "in a browser that we do not know." in mail.body
    assert "Device: Firefox on Android" in mail.body
    assert "Network: 203.0.113.0/24" in mail.body
    assert "203.0.113.77" not in mail.body
    assert "/account/not-me/" in mail.body
    assert "failed" not in mail.body
    assert "days" not in mail.body


def test_a_device_is_told_of_once(home: Visitor, alice: Person, inbox: Inbox):
    phone = on_a_phone()
    for _ in range(3):
        log_in(phone, alice)
        phone.post("/logout/")
    assert len(told(inbox, alice)) == 1


def test_a_german_owner_is_told_in_german(home: Visitor, alice: Person, inbox: Inbox):
    user = alice.user
    user.language = "de"
    user.save()
    log_in(on_a_phone(), alice)
    mail = inbox.mails_to(alice.email)[-1]

    assert mail.subject == "Neue Anmeldung in deinem Konto bei The Bottom Line"
    assert "Gerät: Firefox auf Android" in mail.body


def test_a_wrong_password_on_a_strange_device_is_told_to_nobody(
    home: Visitor, alice: Person, inbox: Inbox
):
    on_a_phone().post("/login/", {"email": alice.email, "password": "not hers at all"})
    assert told(inbox, alice) == []


# --- nobody can keep the mail from being sent ---


@pytest.mark.parametrize("cookie", ["none", "forged", "mangled", "somebody else's", "empty"])
def test_an_intruder_cannot_pass_for_a_known_device(
    home: Visitor, alice: Person, bob: Person, inbox: Inbox, cookie: str
):
    mallory, kept = on_a_phone(), home.cookies[DEVICE].value
    if cookie != "none":
        mallory.cookies[DEVICE] = {
            "forged": f"{'A' * 22}.{kept[23:]}",
            "mangled": kept[:-5] + ("A" if kept[-5] != "A" else "B") + kept[-4:],
            "somebody else's": devices.new_cookie(bob.user, ""),
            "empty": "",
        }[cookie]
    log_in(mallory, alice)
    assert len(told(inbox, alice)) == 1


def test_a_browser_is_known_to_all_who_share_it(
    home: Visitor, alice: Person, bob: Person, inbox: Inbox
):
    for person in (bob, alice, bob, alice):
        log_in(home, person)
        home.post("/logout/")
    assert told(inbox, alice) == []
    assert told(inbox, bob) == [], "his first login of all"


def test_a_browser_is_known_to_the_five_who_came_last():
    people, cookie = [User() for _ in range(6)], ""
    for person in people:
        cookie = devices.new_cookie(person, cookie)
    assert [devices.is_known(cookie, person) for person in people] == [False] + [True] * 5
    assert len(cookie) == 237


def test_a_browser_is_known_for_a_year_to_each_of_them():
    early, late = User(), User()
    now = timezone.now()
    cookie = devices.new_cookie(early, "")
    with time_machine.travel(now + timedelta(days=200)):
        cookie = devices.new_cookie(late, cookie)
    with time_machine.travel(now + timedelta(days=366)):
        assert not devices.is_known(cookie, early)
        assert devices.is_known(cookie, late)


def test_a_new_address_leaves_the_owners_browser_known(home: Visitor, alice: Person, inbox: Inbox):
    log_in(home, alice)
    home.post("/email/change/", {"email": "alice@example.net"})
    confirming = inbox.link_to("alice@example.net")
    Visitor().post(confirming)
    log_in(home, Person("alice@example.net", "alice"))
    assert not OutboxMessage.objects.filter(kind="new_login").exists()


def test_another_strange_login_just_before_does_not_use_the_mail_up(
    home: Visitor, alice: Person, inbox: Inbox
):
    log_in(on_a_phone(), alice)
    log_in(on_a_phone(), alice)
    assert len(told(inbox, alice)) == 2


@pytest.mark.parametrize("how", ["reset", "change"])
def test_a_device_from_before_the_password_was_chosen_is_strange_again(
    home: Visitor, alice: Person, inbox: Inbox, how: str
):
    """An intruder had logged in on theirs; they are not to come back unnoticed."""
    intruder, new = on_a_phone(), "lantern walnut copper drift"
    log_in(intruder, alice)
    with time_machine.travel(timezone.now() + timedelta(minutes=1)) as clock:
        if how == "reset":
            home.post("/password/forgot/", {"email": alice.email})
            home.post(inbox.link_to(alice.email), {"password": new, "repeated": new})
        else:
            log_in(home, alice)
            typed = {"current": alice.password, "password": new, "repeated": new}
            assert home.post("/password/change/", typed).status_code == 302
            home.post("/logout/")
        alice.password = new
        clock.shift(60)
        before = len(told(inbox, alice))
        log_in(home, alice)
        assert len(told(inbox, alice)) == before, "the browser that chose it is known"
        log_in(intruder, alice)
        assert len(told(inbox, alice)) == before + 1


# --- failures, and long absence ---


def fail(email: str, times: int) -> None:
    for _ in range(times):
        Visitor().post("/login/", {"email": email, "password": "not hers at all"})


@pytest.mark.asvs("6.3.5")
def test_a_login_after_five_failures_is_told_even_on_a_known_device(
    home: Visitor, alice: Person, inbox: Inbox
):
    fail(alice.email, 4)
    log_in(home, alice)
    assert told(inbox, alice) == []
    home.post("/logout/")
    fail(alice.email, 5)
    log_in(home, alice)
    (mail,) = told(inbox, alice)

    assert "at least 5 logins to it failed" in mail.body
    assert "that we do not know" not in mail.body
    home.post("/logout/")
    log_in(home, alice)
    assert len(told(inbox, alice)) == 1, "those failures have been told"


def test_failures_of_yesterday_are_not_told_today(home: Visitor, alice: Person, inbox: Inbox):
    fail(alice.email, 6)
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        log_in(home, alice)
    assert told(inbox, alice) == []


def test_somebody_elses_failures_are_not_told(
    home: Visitor, alice: Person, bob: Person, inbox: Inbox
):
    fail(bob.email, 6)
    log_in(home, alice)
    assert told(inbox, alice) == []


@pytest.mark.asvs("6.3.5")
@pytest.mark.parametrize(("days", "mails"), [(89, 0), (91, 1)])
def test_a_login_after_ninety_days_is_told_even_on_a_known_device(
    home: Visitor, alice: Person, inbox: Inbox, days: int, mails: int
):
    with time_machine.travel(timezone.now() + timedelta(days=days)):
        log_in(home, alice)
        found = told(inbox, alice)
    assert len(found) == mails
    assert all("nobody had logged in for 91 days" in mail.body for mail in found)


def test_a_mail_about_an_event_that_is_gone_is_not_sent(home: Visitor, alice: Person, inbox: Inbox):
    log_in(on_a_phone(), alice)
    Event.objects.all().delete()
    assert told(inbox, alice) == []


# --- the login before ---


def test_the_account_page_shows_the_login_before_this_one(home: Visitor, alice: Person):
    phone = on_a_phone()
    log_in(phone, alice)
    log_in(home, alice)
    page = home.get("/account/").content.decode()

    assert "The login before" in page
    assert "Firefox on Android" in page


def test_at_the_first_login_there_was_none_before(client: Visitor, alice: Person):
    log_in(client, alice)
    assert "The login before" not in client.get("/account/").content.decode()
