"""Confirming an address by the mailed link."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Purpose, Token, User
from accounts.services import members
from bottomline.outbox.models import OutboxMessage
from conftest import Inbox, Person, Visitor, confirm, log_in, sign_up
from invites import services as invites
from invites.models import Invite

CAROL = Person("carol@example.org", "carol")


@pytest.fixture
def link(client: Visitor, invite: Invite, inbox: Inbox) -> str:
    """The confirmation link that Carol was sent; she has not pressed the button yet."""
    sign_up(client, invite, CAROL)
    return inbox.link_to(CAROL.email)


def token_of(link: str) -> str:
    return link.partition("confirmation=")[2]


@pytest.mark.asvs("3.5.3")
@pytest.mark.asvs("2.3.1")
def test_the_link_only_shows_a_button_and_the_button_confirms(client: Visitor, link: str):
    for _ in range(3):
        assert client.get(link).status_code == 200
        assert client.head(link).status_code == 200
    assert not CAROL.user.is_confirmed

    response = confirm(client, link)
    assert response["Location"] == "/login/"
    assert "confirmed" in client.get("/login/").content.decode()
    log_in(client, CAROL)


def test_the_page_says_which_account_is_confirmed(client: Visitor, link: str):
    assert "carol" in client.get(link).content.decode()


@pytest.mark.asvs("3.4.5")
def test_the_page_keeps_its_address_out_of_referers(client: Visitor, link: str):
    assert client.get(link)["Referrer-Policy"] == "strict-origin"


@pytest.mark.asvs("2.3.4")
def test_a_link_works_once(client: Visitor, link: str):
    confirm(client, link)
    again = client.post("/confirm_account/", {"confirmation": token_of(link)})

    assert again.status_code == 410
    assert "help@example.org" in again.content.decode()
    assert client.get(link).status_code == 410


@pytest.mark.asvs("6.4.1")
def test_a_link_ends_after_a_day(client: Visitor, link: str):
    with time_machine.travel(timezone.now() + timedelta(hours=24, seconds=1)):
        assert client.get(link).status_code == 410
        assert client.post("/confirm_account/", {"confirmation": token_of(link)}).status_code == 410
    assert not CAROL.user.is_confirmed


def test_a_link_works_only_for_the_address_it_was_sent_to(client: Visitor, link: str):
    User.objects.filter(email=CAROL.email).update(email="other@example.org")
    assert client.post("/confirm_account/", {"confirmation": token_of(link)}).status_code == 410


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "é" * 43, "A" * 5000, "\x00"])
def test_a_token_we_did_not_make_fails_without_a_query(
    client: Visitor, db: None, django_assert_num_queries, token: str
):
    with django_assert_num_queries(0):
        response = client.post("/confirm_account/", {"confirmation": token})
    assert response.status_code == 410


@pytest.mark.usefixtures("still_clock")
def test_guessing_links_trips_the_limiter(client: Visitor, db: None):
    answers = [
        client.post("/confirm_account/", {"confirmation": "A" * 43}).status_code for _ in range(21)
    ]
    assert answers == [410] * 20 + [429]


@pytest.mark.asvs("6.3.4")
def test_confirming_does_not_log_in(client: Visitor, link: str):
    confirm(client, link)
    assert client.get("/session/").status_code == 401


def test_the_mail_names_the_account_and_who_to_ask(client: Visitor, link: str, inbox: Inbox):
    message = inbox.mails_to(CAROL.email)[-1]

    assert "carol" in message.body
    assert "https://door.example.org/invite/?confirmation=" in message.body
    assert message.alternatives[0].mimetype == "text/html"
    assert link in message.alternatives[0].content.replace("&amp;", "&")
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"


@pytest.mark.asvs("6.3.8")
def test_asking_again_gets_one_answer_for_every_address(client: Visitor, link: str, alice: Person):
    answers = [
        client.post("/confirmation/resend/", {"email": email})
        for email in (CAROL.email, alice.email, "nobody@example.org")
    ]
    assert {(a.status_code, a["Location"], a.content) for a in answers} == {
        (302, "/confirmation/resend/sent/", b"")
    }


def test_loading_the_answer_again_sends_nothing(client: Visitor, link: str, inbox: Inbox):
    client.post("/confirmation/resend/", {"email": CAROL.email})
    sent = len(inbox.mails_to(CAROL.email))
    for _ in range(3):
        assert client.get("/confirmation/resend/sent/").status_code == 200
    assert len(inbox.mails_to(CAROL.email)) == sent


def test_asking_again_sends_a_new_link_and_ends_the_old_one(
    client: Visitor, link: str, inbox: Inbox
):
    client.post("/confirmation/resend/", {"email": " Carol@Example.ORG "})
    new = inbox.link_to(CAROL.email)

    assert new != link
    assert client.get(link).status_code == 410
    assert confirm(client, new).status_code == 302


def test_asking_again_for_a_member_or_a_stranger_sends_nothing(
    client: Visitor, alice: Person, inbox: Inbox
):
    before = len(inbox.mails_to(alice.email))
    client.post("/confirmation/resend/", {"email": alice.email})
    client.post("/confirmation/resend/", {"email": "nobody@example.org"})

    assert len(inbox.mails_to(alice.email)) == before
    assert not inbox.mails_to("nobody@example.org")
    waiting = OutboxMessage.objects.filter(kind="confirm_again")
    assert {message.status for message in waiting} == {"moot"}


@pytest.mark.usefixtures("still_clock")
def test_asking_again_too_soon_is_answered_alike_and_sends_nothing(
    client: Visitor, link: str, inbox: Inbox
):
    for _ in range(3):
        response = client.post("/confirmation/resend/", {"email": CAROL.email})
        assert response.status_code == 302
    assert len(inbox.mails_to(CAROL.email)) == 2


def test_a_retried_mail_never_ends_a_newer_link(client: Visitor, link: str, inbox: Inbox):
    client.post("/confirmation/resend/", {"email": CAROL.email})
    stuck = OutboxMessage.objects.get(kind="confirm_again")
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        client.post("/confirmation/resend/", {"email": CAROL.email})
        newest = OutboxMessage.objects.filter(kind="confirm_again").latest("created_at")
        OutboxMessage.objects.filter(pk=stuck.pk).update(
            next_attempt_at=timezone.now() + timedelta(minutes=1)
        )
        new = inbox.link_to(CAROL.email)
    with time_machine.travel(timezone.now() + timedelta(minutes=10)):
        assert inbox.link_to(CAROL.email) == new
        assert client.get(new).status_code == 200
    assert newest.pk != stuck.pk
    assert OutboxMessage.objects.get(pk=stuck.pk).status == "moot"


def test_nothing_in_the_database_opens_the_door(client: Visitor, link: str):
    stored = [str(value) for row in Token.objects.values() for value in row.values()]
    stored += [str(value) for row in OutboxMessage.objects.values() for value in row.values()]
    assert token_of(link) not in " ".join(stored)


def test_an_account_nobody_confirmed_goes_after_a_week_and_gives_the_invite_back(
    client: Visitor, link: str, invite: Invite
):
    assert not Invite.objects.redeemable().filter(pk=invite.pk).exists()
    Invite.objects.filter(pk=invite.pk).update(expires_at=timezone.now() + timedelta(days=30))
    with time_machine.travel(timezone.now() + timedelta(days=6, hours=23)):
        assert sum(members.prune_unconfirmed()) == 0
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1)):
        assert sum(members.prune_unconfirmed()) == 1
        assert Invite.objects.redeemable().filter(pk=invite.pk).exists()
    assert not User.objects.filter(email=CAROL.email).exists()


def test_a_member_is_never_removed_as_unconfirmed(alice: Person):
    with time_machine.travel(timezone.now() + timedelta(days=400)):
        assert sum(members.prune_unconfirmed()) == 0
    assert alice.user


def test_a_new_sign_up_ends_the_links_of_the_one_before(client: Visitor, link: str, inbox: Inbox):
    sign_up(Visitor(), invites.issue(), Person(CAROL.email, "carola"))

    assert Token.objects.filter(purpose=Purpose.EMAIL_CONFIRMATION).count() == 1
    assert client.get(link).status_code == 410
    assert confirm(client, inbox.link_to(CAROL.email)).status_code == 302
