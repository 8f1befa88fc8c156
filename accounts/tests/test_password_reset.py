"""Choosing a new password by a mailed link."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from accounts.models import Token, User
from accounts.services import members
from conftest import Inbox, Person, Visitor, commits, confirm, log_in, sign_up
from invites.models import Invite

NEW = "lantern walnut copper drift"


@pytest.fixture
def link(client: Visitor, alice: Person, inbox: Inbox) -> str:
    """The link Alice was sent because somebody asked."""
    client.post("/password/forgot/", {"email": alice.email})
    return inbox.link_to(alice.email)


def choose(visitor: Visitor, link: str, password: str = NEW):
    return visitor.post(link, {"password": password, "repeated": password})


@pytest.mark.asvs("6.4.3")
def test_a_forgotten_password_is_replaced_and_logs_nobody_in(
    client: Visitor, alice: Person, link: str
):
    assert client.get(link).status_code == 200
    response = choose(client, link)

    assert (response.status_code, response["Location"]) == (302, "/login/")
    assert client.get("/session/").status_code == 401
    log_in(client, Person(alice.email, alice.username, NEW))


def test_a_link_works_once(client: Visitor, alice: Person, link: str):
    assert choose(client, link).status_code == 302
    assert choose(client, link, "somebody else's words here").status_code == 410
    assert client.get(link).status_code == 410
    assert alice.user.check_password(NEW)


def test_a_link_ends_after_half_an_hour(client: Visitor, alice: Person, link: str):
    with time_machine.travel(timezone.now() + timedelta(minutes=30, seconds=1)):
        assert client.get(link).status_code == 410
        assert choose(client, link).status_code == 410
    assert alice.user.check_password(alice.password)


@pytest.mark.parametrize("token", ["x", "A" * 43, "é" * 43, "A" * 3000])
def test_a_link_we_did_not_make_is_refused(client: Visitor, db: None, token: str):
    assert client.get(f"/password/reset/{token}/").status_code == 410
    assert choose(client, f"/password/reset/{token}/").status_code == 410


@pytest.mark.asvs("2.3.1")
def test_the_link_of_another_purpose_is_refused(client: Visitor, invite: Invite, inbox: Inbox):
    carol = Person("carol@example.org", "carol")
    sign_up(client, invite, carol)
    token = inbox.link_to(carol.email).partition("confirmation=")[2]
    assert choose(client, f"/password/reset/{token}/").status_code == 410


@pytest.mark.asvs("3.5.3")
def test_a_weak_or_mistyped_password_does_not_burn_the_link(
    client: Visitor, alice: Person, link: str
):
    for first, second in (("short", "short"), (NEW, "another"), ("", ""), ("alice" * 4,) * 2):
        page = client.post(link, {"password": first, "repeated": second})
        assert page.status_code == 422
        assert 'role="alert"' in page.content.decode()
    assert choose(client, link).status_code == 302


@pytest.mark.asvs("7.4.3")
def test_a_reset_ends_every_session(client: Visitor, alice: Person, link: str):
    browsers = [Visitor(), Visitor()]
    for browser in browsers:
        log_in(browser, alice)
    choose(client, link)
    assert [browser.get("/session/").status_code for browser in browsers] == [401, 401]


def test_asking_changes_nothing(client: Visitor, alice: Person):
    browser = Visitor()
    log_in(browser, alice)
    before = User.objects.filter(email=alice.email).values().get()
    client.post("/password/forgot/", {"email": alice.email})

    assert User.objects.filter(email=alice.email).values().get() == before
    assert browser.get("/session/").status_code == 200


def test_asking_again_ends_the_older_link(client: Visitor, alice: Person, link: str, inbox: Inbox):
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        client.post("/password/forgot/", {"email": alice.email})
        newer = inbox.link_to(alice.email)
        assert client.get(link).status_code == 410
        assert client.get(newer).status_code == 200


@pytest.mark.asvs("6.3.8")
def test_asking_gets_one_answer_for_every_address(
    client: Visitor, alice: Person, bob: Person, invite: Invite
):
    with commits():
        members.block(bob.user, until=timezone.now() + timedelta(days=1), reason="spam")
    sign_up(Visitor(), invite, Person("carol@example.org", "carol"))
    asked = [
        alice.email,
        bob.email,
        "carol@example.org",
        "nobody@example.org",
        " ALICE@example.org",
    ]
    answers = [client.post("/password/forgot/", {"email": email}) for email in asked]
    assert {(answer.status_code, answer["Location"], answer.content) for answer in answers} == {
        (302, "/password/forgot/sent/", b"")
    }
    assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1


def test_loading_the_answer_again_sends_nothing(client: Visitor, alice: Person, inbox: Inbox):
    client.post("/password/forgot/", {"email": alice.email})
    sent = len(inbox.mails_to(alice.email))
    for _ in range(3):
        page = client.get("/password/forgot/sent/")
        assert page.status_code == 200
        assert "If there is an account with this address" in page.content.decode()
    assert len(inbox.mails_to(alice.email)) == sent


def test_a_stranger_is_sent_nothing(client: Visitor, db: None, inbox: Inbox):
    client.post("/password/forgot/", {"email": "nobody@example.org"})
    assert not inbox.mails_to("nobody@example.org")


def test_whoever_never_confirmed_is_sent_the_confirmation_again(
    client: Visitor, invite: Invite, inbox: Inbox
):
    carol = Person("carol@example.org", "carol")
    sign_up(client, invite, carol)
    client.post("/password/forgot/", {"email": carol.email})

    assert confirm(client, inbox.link_to(carol.email)).status_code == 302
    log_in(client, carol)


@pytest.mark.asvs("6.3.7")
def test_the_owner_is_told_that_the_password_was_changed(
    client: Visitor, alice: Person, link: str, inbox: Inbox
):
    choose(client, link)
    message = inbox.mails_to(alice.email)[-1]
    assert "was changed" in message.subject
    assert NEW not in message.body
    assert "/account/not-me/" in message.body


@pytest.mark.asvs("2.4.1")
@pytest.mark.usefixtures("still_clock")
def test_too_many_requests_for_one_address_send_no_more_and_say_nothing(
    client: Visitor, alice: Person, inbox: Inbox
):
    before = len(inbox.mails_to(alice.email))
    for _ in range(5):
        assert client.post("/password/forgot/", {"email": alice.email}).status_code == 302
        inbox.mails_to(alice.email)
    assert len(inbox.mails_to(alice.email)) == before + 1


def test_whoever_else_keeps_asking_the_owner_always_has_a_link_that_works(
    alice: Person, inbox: Inbox, still_clock
):
    for number in range(48):
        stranger = {"REMOTE_ADDR": f"198.51.100.{number}"}
        Visitor().post("/password/forgot/", {"email": alice.email}, **stranger)
        assert Visitor().get(inbox.link_to(alice.email)).status_code == 200
        still_clock.shift(timedelta(minutes=5))


@pytest.mark.usefixtures("still_clock")
def test_too_many_requests_from_one_network_are_refused(client: Visitor, db: None):
    answers = [
        client.post("/password/forgot/", {"email": f"somebody{n}@example.org"}).status_code
        for n in range(11)
    ]
    assert answers == [302] * 10 + [429]


def test_changing_the_password_ends_all_other_links(client: Visitor, alice: Person, link: str):
    choose(client, link)
    assert not Token.objects.filter(user=alice.user, used_at=None).exists()


def test_a_link_that_was_asked_for_before_and_is_sent_after_the_change_never_is(
    client: Visitor, alice: Person, link: str, inbox: Inbox
):
    client.post("/password/forgot/", {"email": alice.email})  # and the mail server is slow
    before = len(mail.outbox)
    choose(client, link)

    assert [sent.subject for sent in inbox.mails_to(alice.email)[before:]] == [
        "Your password for The Bottom Line was changed"
    ]
    client.post("/password/forgot/", {"email": alice.email})
    assert client.get(inbox.link_to(alice.email)).status_code == 200


@pytest.mark.asvs("3.4.5")
def test_the_page_keeps_its_address_out_of_referers(client: Visitor, link: str):
    assert client.get(link)["Referrer-Policy"] == "strict-origin"


@pytest.mark.asvs("6.1.1")
@pytest.mark.usefixtures("still_clock")
def test_a_reset_lets_the_owner_in_where_strangers_used_up_the_budget(
    client: Visitor, alice: Person, link: str
):
    stranger = Visitor()
    for _ in range(11):
        stranger.post("/login/", {"email": alice.email, "password": "a wrong one"})
    assert client.post("/login/", {"email": alice.email, "password": "x"}).status_code == 429

    choose(client, link)
    log_in(client, Person(alice.email, alice.username, NEW))


@pytest.mark.asvs("2.4.1")
@pytest.mark.usefixtures("still_clock")
def test_trying_passwords_on_a_link_is_limited(client: Visitor, alice: Person, link: str):
    answers = [choose(client, link, "aaaaaaaaaaaaaaaaaaaa").status_code for _ in range(31)]
    assert answers == [422] * 30 + [429]


@pytest.mark.asvs("6.4.3")
def test_a_reset_clears_no_block(client: Visitor, alice: Person, link: str):
    with commits():
        members.block(alice.user, until=timezone.now() + timedelta(days=1), reason="spam")
    choose(client, link)
    answer = client.post("/login/", {"email": alice.email, "password": NEW})
    assert answer.status_code == 423


@pytest.mark.usefixtures("still_clock")
def test_links_go_to_the_address_in_our_settings_whatever_the_host_says(
    alice: Person, inbox: Inbox
):
    visitor = Visitor()
    for header in ("x-forwarded-host", "forwarded", "x-host", "x-original-host"):
        visitor.post(
            "/password/forgot/", {"email": alice.email}, headers={header: "host=evil.test"}
        )
        assert "https://door.example.org/password/reset/" in inbox.mails_to(alice.email)[-1].body
        assert "evil.test" not in inbox.mails_to(alice.email)[-1].body
    forged = visitor.post(
        "/password/forgot/", {"email": alice.email}, headers={"host": "evil.test"}
    )
    assert forged.status_code == 400
