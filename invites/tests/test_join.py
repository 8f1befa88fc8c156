"""Signing up by mail, without a password: the mailbox first, then the name."""

import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import EmailChange, MailedLogin, User
from conftest import Inbox, Person, Visitor, at_once, path_of, sign_up
from invites import services as invites
from invites.models import Invite, Redemption

pytestmark = pytest.mark.django_db

CAROL = "carol@example.org"
CODE = re.compile(r"^(\d{4} \d{4})$", re.MULTILINE)
COOKIE = settings.MAILED_LOGIN_COOKIE_NAME


@pytest.fixture(autouse=True)
def clock(still_clock: Any) -> Any:
    return still_clock


def ask(visitor: Visitor, invite: Invite, email: str = CAROL) -> Any:
    return visitor.post(f"{path_of(invite)}mail/", {"email": email})


def proved(invite: Invite, inbox: Inbox, email: str = CAROL) -> Visitor:
    """A browser in which the mailbox has been proved."""
    visitor = Visitor()
    assert ask(visitor, invite, email)["Location"] == "/login/code/"
    assert visitor.post(inbox.link_to(email))["Location"] == "/signup/join/"
    return visitor


def test_whoever_is_invited_joins_without_a_password(client: Visitor, invite: Invite, inbox: Inbox):
    assert 'href="mail/"' in client.get(path_of(invite)).text
    assert client.get(f"{path_of(invite)}mail/").status_code == 200
    ask(client, invite)
    link = inbox.link_to(CAROL)
    assert client.get(link).status_code == 200
    assert client.post(link)["Location"] == "/signup/join/"
    assert not User.objects.exists()
    assert not Redemption.objects.exists()
    assert CAROL in client.get("/signup/join/").text

    fields = {"username": "carol", "time_zone": "Europe/Berlin"}
    assert client.post("/signup/join/", fields)["Location"] == "/account/"
    assert client.get("/session/").json()["user"]["username"] == "carol"
    user = User.objects.get(email=CAROL)
    assert user.is_confirmed
    assert not user.has_usable_password()
    assert user.time_zone == "Europe/Berlin"
    assert Redemption.objects.get().user == user
    assert not MailedLogin.objects.exists()


def test_the_code_will_do_as_well(client: Visitor, invite: Invite, inbox: Inbox):
    ask(client, invite)
    found = CODE.search(str(inbox.mails_to(CAROL)[-1].body))
    assert found
    assert client.post("/login/code/", {"code": found[1]})["Location"] == "/signup/join/"
    assert client.post("/signup/join/", {"username": "carol"}).status_code == 302


def test_the_mail_is_in_the_language_of_the_browser(invite: Invite, inbox: Inbox):
    visitor = Visitor()
    german = {"headers": {"accept-language": "de-AT,de;q=0.9,en;q=0.5"}}
    visitor.post(f"{path_of(invite)}mail/", {"email": CAROL}, **german)
    assert "Öffne diese Seite" in inbox.mails_to(CAROL)[-1].body
    visitor.post(f"{path_of(invite)}mail/", {"email": "dora@example.org"})
    assert "open this page" in inbox.mails_to("dora@example.org")[-1].body


def test_who_asks_again_in_that_browser_still_joins_on_the_invite(invite: Invite, inbox: Inbox):
    visitor = Visitor()
    ask(visitor, invite)
    assert visitor.post("/login/link/", {"email": CAROL})["Location"] == "/login/code/"
    assert visitor.post(inbox.link_to(CAROL))["Location"] == "/signup/join/"


def test_asking_elsewhere_or_for_another_address_is_on_no_invite(invite: Invite, inbox: Inbox):
    visitor = Visitor()
    ask(visitor, invite)
    visitor.post("/login/link/", {"email": "dave@example.org"})
    Visitor().post("/login/link/", {"email": CAROL})
    assert [asked.invite for asked in MailedLogin.objects.all()] == [None, None]


def test_an_inviter_is_told(alice: Person, inbox: Inbox):
    invite = invites.issue(issuer=alice.user)
    proved(invite, inbox).post("/signup/join/", {"username": "carol"})
    assert "carol" in str(inbox.mails_to(alice.email)[-1].body)


def test_without_having_proved_the_mailbox_nobody_joins(
    client: Visitor, invite: Invite, inbox: Inbox
):
    assert client.get("/signup/join/").status_code == 410
    ask(client, invite)
    assert client.post("/signup/join/", {"username": "carol"}).status_code == 410
    client.post(inbox.link_to(CAROL))
    assert Visitor().post("/signup/join/", {"username": "carol"}).status_code == 410
    assert not User.objects.exists()


def test_who_proved_it_without_an_invite_does_not_join(client: Visitor, alice: Person):
    client.post("/login/link/", {"email": CAROL})
    MailedLogin.objects.update(used_at=timezone.now())
    assert client.post("/signup/join/", {"username": "carol"}).status_code == 410


def test_a_name_that_is_taken_or_none_costs_nothing(alice: Person, invite: Invite, inbox: Inbox):
    visitor = proved(invite, inbox)
    for name in ("alice", "", "x", "-carol"):
        page = visitor.post("/signup/join/", {"username": name})
        assert page.status_code == 422
        assert 'role="alert"' in page.text
    assert visitor.post("/signup/join/", {"username": "carol"}).status_code == 302


def test_an_invite_that_ended_meanwhile_lets_nobody_in(invite: Invite, inbox: Inbox):
    visitor = proved(invite, inbox)
    invites.revoke(invite)
    assert visitor.post("/signup/join/", {"username": "carol"}).status_code == 410
    assert not User.objects.exists()


def test_what_was_proved_ends_with_the_ten_minutes(invite: Invite, inbox: Inbox, clock: Any):
    visitor = proved(invite, inbox)
    clock.shift(timedelta(minutes=11))
    assert visitor.post("/signup/join/", {"username": "carol"}).status_code == 410


@pytest.mark.asvs("2.3.2")
def test_an_invite_for_one_address_lets_in_that_one(client: Visitor, db: None, inbox: Inbox):
    invite = invites.issue(email=CAROL)
    page = ask(client, invite, "dora@example.org")
    assert page.status_code == 422
    assert not MailedLogin.objects.exists()
    proved(invite, inbox).post("/signup/join/", {"username": "carol"})
    assert User.objects.get().email == CAROL


def test_owners_choose_a_password(client: Visitor, db: None):
    invite = invites.issue(staff=True)
    assert 'href="mail/"' not in client.get(path_of(invite)).text
    assert ask(client, invite).status_code == 410


def test_a_member_who_asks_on_an_invite_is_logged_in_and_spends_nothing(
    client: Visitor, alice: Person, invite: Invite, inbox: Inbox
):
    spent = Redemption.objects.count()
    assert ask(client, invite, alice.email)["Location"] == "/login/code/"
    assert client.post(inbox.link_to(alice.email))["Location"] == "/account/"
    assert Redemption.objects.count() == spent


def test_what_a_stranger_planted_under_an_address_is_gone_when_its_owner_joins(
    invite: Invite, inbox: Inbox
):
    """Pre-hijacking: sign up with the victim's address, and wait for them to make it work."""
    mallory, planted = Visitor(), Person(CAROL, "planted")
    sign_up(mallory, invites.issue(), planted)
    stale = inbox.link_to(CAROL)
    owner = proved(invite, inbox)
    assert owner.post("/signup/join/", {"username": "carol"}).status_code == 302

    fields = {"email": CAROL, "password": planted.password}
    assert mallory.post("/login/", fields).status_code == 422
    assert mallory.get(stale).status_code == 410
    user = User.objects.get(email=CAROL)
    assert (user.username, user.has_usable_password()) == ("carol", False)
    assert Redemption.objects.get(user=user).invite == invite


def test_an_address_that_somebody_may_yet_come_back_to_is_not_given_away(
    alice: Person, invite: Invite, inbox: Inbox
):
    EmailChange.objects.create(
        user=alice.user, old_email=CAROL, new_email=alice.email, confirmed_at=timezone.now()
    )
    visitor = proved(invite, inbox)
    page = visitor.post("/signup/join/", {"username": "carol"})
    assert page.status_code == 422
    assert not User.objects.filter(email=CAROL).exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_press_at_once_one_joins_and_the_invite_is_used_once(
    invite: Invite, inbox: Inbox
):
    kept = proved(invite, inbox).cookies[COOKIE].value
    answers = []

    def press(username: str) -> None:
        visitor = Visitor()
        visitor.cookies[COOKIE] = kept
        answers.append(visitor.post("/signup/join/", {"username": username}).status_code)

    at_once([partial(press, name) for name in ("carol", "caroline")])
    assert sorted(answers) == [302, 410]
    assert User.objects.count() == Redemption.objects.count() == 1


def test_who_joined_without_a_password_logs_in_by_mail_again(invite: Invite, inbox: Inbox):
    proved(invite, inbox).post("/signup/join/", {"username": "carol"})
    visitor = Visitor()
    visitor.post("/login/link/", {"email": CAROL})
    assert visitor.post(inbox.link_to(CAROL))["Location"] == "/account/"
    assert visitor.get("/session/").json()["user"]["username"] == "carol"
