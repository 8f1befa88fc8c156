"""Moving an account to another address, and back."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.errors import ProofTooOld
from accounts.models import EmailChange, Event, Token, User
from accounts.services import email_change, erasure, members, password_reset
from accounts.tests.test_password_reset import choose
from bottomline import cleaning
from bottomline.caller import Caller
from bottomline.outbox.models import OutboxMessage
from bottomline.tests import environment
from conftest import LINK, PASSWORD, Inbox, Person, Visitor, confirm, join, log_in, sign_up
from invites import services as invites
from invites.models import Invite

OLD, NEW, NEWER = "alice@example.org", "kim@example.net", "kim@example.com"
DAY = timedelta(days=1)


@pytest.fixture
def member(client: Visitor, alice: Person) -> Visitor:
    """Alice's browser, where she has just logged in."""
    log_in(client, alice)
    return client


def ask(visitor: Visitor, email: str = NEW) -> Any:
    return visitor.post("/email/change/", {"email": email})


def link_to(inbox: Inbox, email: str, kind: str) -> str:
    """The newest link of that kind among what was mailed to somebody."""
    links = [
        path
        for message in inbox.mails_to(email)
        for path in LINK.findall(str(message.body))
        if path.startswith(f"/email/{kind}/")
    ]
    return links[-1]


def press(link: str) -> Any:
    """From a webmail, on some device: no session comes with it."""
    visitor = Visitor()
    page = visitor.get(link)
    assert page.status_code == 200, page.content
    return visitor.post(link)


def move(visitor: Visitor, inbox: Inbox, email: str = NEW) -> str:
    """Change the address all the way; returns the link to undo it."""
    old = visitor.get("/email/change/").context["user"].email
    assert ask(visitor, email).status_code == 302
    assert press(link_to(inbox, email, "confirm"))["Location"] == "/login/"
    return link_to(inbox, old, "undo")


def subjects(inbox: Inbox, email: str) -> list[str]:
    return [message.subject for message in inbox.mails_to(email)]


def kinds(user: User) -> list[str]:
    events = Event.objects.filter(user_id=user.pk, kind__startswith="email_change")
    return list(events.order_by("pk").values_list("kind", flat=True))


# --- asking ---


def test_the_account_has_its_new_address_when_the_new_mailbox_says_so(
    member: Visitor, alice: Person, inbox: Inbox
):
    user = alice.user
    response = ask(member, "  Kim@Example.NET ")
    assert response["Location"] == "/email/change/"
    user.refresh_from_db()
    assert user.email == OLD, "until then it stays as it is"

    link = link_to(inbox, NEW, "confirm")
    for _ in range(3):  # mail scanners
        assert Visitor().get(link).status_code == 200
        assert Visitor().head(link).status_code == 200
    user.refresh_from_db()
    assert user.email == OLD
    assert press(link)["Location"] == "/login/"

    user.refresh_from_db()
    assert user.email == NEW
    assert user.is_confirmed
    assert Visitor().post("/login/", vars(alice)).status_code == 422
    log_in(Visitor(), Person(NEW, "alice"))
    assert kinds(user) == ["email_change.requested", "email_change.done"]


@pytest.mark.asvs("7.5.1")
def test_it_asks_for_the_password_first_and_keeps_what_was_typed(
    member: Visitor, alice: Person, inbox: Inbox
):
    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=False):
        proof = "/reauth/?next=/email/change/"
        assert member.get("/email/change/")["Location"] == proof.replace(
            "/email", "%2Femail"
        ).replace("/change/", "%2Fchange%2F")
        response = ask(member)
        assert response["Location"].startswith("/reauth/")
        assert not EmailChange.objects.exists()
        member.post("/reauth/", {"password": alice.password, "next": "/email/change/"})
        page = member.get("/email/change/")
        assert not EmailChange.objects.exists(), "nothing is replayed"
        assert f'value="{NEW}"' in page.content.decode()
        assert ask(member)["Location"] == "/email/change/"
    assert not inbox.mails_to(NEWER)
    assert EmailChange.objects.get().new_email == NEW


@pytest.mark.asvs("6.3.7")
def test_the_old_address_is_told_at_once_where_it_goes_but_not_to_the_letter(
    alice: Person, inbox: Inbox
):
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    member = Visitor(HTTP_USER_AGENT=firefox)
    log_in(member, alice)
    member.post("/email/change/", {"email": NEW})

    told = inbox.mails_to(OLD)[-1]
    assert told.subject == "The address of your account is about to change"
    assert "k***@example.net" in told.body
    assert NEW not in str(told.message())
    assert "Firefox on Linux" in told.body
    assert "127.0.0.0/24" in told.body
    assert re.search(r"/email/undo/[\w-]{43}/", told.body)
    link = inbox.mails_to(NEW)[-1]
    assert "a***@example.org" in link.body
    assert OLD not in str(link.message())


def test_the_page_and_the_mail_say_what_is_confirmed(member: Visitor, inbox: Inbox):
    ask(member)
    page = Visitor().get(link_to(inbox, NEW, "confirm")).content.decode()
    for words in ("alice", "a***@example.org", NEW):
        assert words in page
    assert OLD not in page
    assert "alice" in inbox.mails_to(NEW)[-1].body


def test_the_links_of_both_mailboxes_are_not_each_others(member: Visitor, inbox: Inbox):
    ask(member)
    confirming, undoing = link_to(inbox, NEW, "confirm"), link_to(inbox, OLD, "undo")
    for swapped in (
        undoing.replace("undo", "confirm"),
        confirming.replace("confirm", "undo"),
        f"{confirming[:-2]}/",
    ):
        assert Visitor().post(swapped).status_code == 410
    assert EmailChange.objects.pending().exists()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "Enter your email address"),
        ("kim at example", "not an email address"),
        ("a@localhost", "not an email address"),
        ("Alice@EXAMPLE.org", "your address already"),
    ],
)
def test_what_cannot_be_the_new_address_is_a_mistake_in_the_form(member: Visitor, typed, said):
    response = ask(member, typed)
    assert response.status_code == 422
    assert said in response.content.decode()
    assert not EmailChange.objects.exists()


def test_a_second_request_ends_the_link_of_the_first(member: Visitor, alice: Person, inbox: Inbox):
    ask(member, NEW)
    first = link_to(inbox, NEW, "confirm")
    ask(member, NEWER)

    assert Visitor().get(first).status_code == 410
    assert Visitor().post(first).status_code == 410
    assert press(link_to(inbox, NEWER, "confirm")).status_code == 302


def test_the_link_ends_after_an_hour_and_works_once(member: Visitor, inbox: Inbox):
    ask(member)
    link = link_to(inbox, NEW, "confirm")
    with time_machine.travel(timezone.now() + timedelta(minutes=60, seconds=1)):
        assert Visitor().get(link).status_code == 410
        assert Visitor().post(link).status_code == 410
    assert User.objects.get(username="alice").email == OLD
    press(link)
    assert Visitor().get(link).status_code == 410
    assert Visitor().post(link).status_code == 410


def test_the_pending_change_is_shown_and_can_be_cancelled(
    member: Visitor, alice: Person, inbox: Inbox
):
    assert NEW not in member.get("/account/security/").content.decode()
    ask(member)
    link = link_to(inbox, NEW, "confirm")
    for path in ("/account/security/", "/email/change/"):
        assert NEW in member.get(path).content.decode()

    assert member.post("/email/change/cancel/")["Location"] == "/account/security/"
    assert NEW not in member.get("/account/security/").content.decode()
    assert Visitor().post(link).status_code == 410
    member.post("/email/change/cancel/")
    assert kinds(alice.user) == ["email_change.requested", "email_change.cancelled"]


def test_the_same_link_is_sent_again_but_not_too_often(still_clock, member: Visitor, inbox: Inbox):
    ask(member)
    link = link_to(inbox, NEW, "confirm")
    assert member.post("/email/change/resend/").status_code == 302
    assert member.post("/email/change/resend/").status_code == 429

    assert len(inbox.mails_to(NEW)) == 2
    assert link_to(inbox, NEW, "confirm") == link
    for _ in range(3):
        still_clock.shift(timedelta(seconds=61))
        assert member.post("/email/change/resend/").status_code == 302
    still_clock.shift(timedelta(seconds=61))
    assert member.post("/email/change/resend/").status_code == 429, "five a day"


def test_nothing_is_sent_again_where_nothing_is_pending(member: Visitor, inbox: Inbox):
    member.post("/email/change/resend/")
    assert "Start again" in member.get("/account/security/").content.decode()
    assert not OutboxMessage.objects.filter(kind="confirm_new_email").exists()


def test_three_changes_a_day_are_enough(still_clock, member: Visitor):
    answers = [ask(member, f"kim{n}@example.net") for n in range(4)]
    assert [answer.status_code for answer in answers] == [302, 302, 302, 429]
    still_clock.shift(DAY + timedelta(minutes=1))
    log_in(member, Person(OLD, "alice"))
    assert ask(member).status_code == 302


def test_one_network_asks_ten_times_an_hour(still_clock, inbox: Inbox):
    people = [join(inbox, f"p{n}@example.org", f"person-{n}") for n in range(4)]
    answers = []
    for person in people:
        visitor = Visitor()
        log_in(visitor, person)
        answers += [ask(visitor, f"{person.username}{n}@example.net") for n in range(3)]
    assert [answer.status_code for answer in answers] == [302] * 10 + [429] * 2


# --- an address that is somebody's ---


@pytest.mark.asvs("6.3.8")
def test_the_answer_is_the_same_whoever_has_the_address(
    member: Visitor, bob: Person, invite: Invite, inbox: Inbox
):
    sign_up(Visitor(), invite, Person("waiting@example.org", "waiting"))
    pages = []
    for email in (bob.email, "waiting@example.org", "nobody@example.org"):
        assert ask(member, email)["Location"] == "/email/change/"
        pages.append(member.get("/email/change/").content.decode().replace(email, "the address"))
    times = re.compile(r"<time.*?</time>|name=\"csrfmiddlewaretoken\" value=\"\w+\"")
    assert len({times.sub("", page) for page in pages}) == 1


def test_who_has_the_address_is_told_and_nothing_happens(
    member: Visitor, alice: Person, bob: Person, inbox: Inbox
):
    ask(member, bob.email)

    told = inbox.mails_to(bob.email)[-1]
    assert told.subject == "Somebody wanted to use your address"
    assert "/email/confirm/" not in told.body
    assert "alice" not in str(told.message()), "nor does it tell who"
    token = EmailChange.objects.get().confirm_token
    assert Visitor().post(f"/email/confirm/{token}/").status_code == 410
    assert {alice.user.email, bob.user.email} == {OLD, bob.email}


def test_an_owner_is_not_flooded_by_those_who_want_the_address(
    member: Visitor, bob: Person, inbox: Inbox
):
    before = len(inbox.mails_to(bob.email))
    ask(member, bob.email)
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        member.post("/email/change/resend/")
        assert len(inbox.mails_to(bob.email)) == before + 1
        for n in range(4):
            visitor = Visitor()
            log_in(visitor, join(inbox, f"p{n}@example.org", f"person-{n}"))
            ask(visitor, bob.email)
        assert len(inbox.mails_to(bob.email)) == before + 3


def test_an_account_that_nobody_confirmed_keeps_no_address(
    member: Visitor, invite: Invite, inbox: Inbox
):
    sign_up(Visitor(), invite, Person(NEW, "squatter"))
    stale = inbox.link_to(NEW)
    ask(member)
    press(link_to(inbox, NEW, "confirm"))

    assert User.objects.get(email=NEW).username == "alice"
    assert not User.objects.filter(username="squatter").exists()
    assert Invite.objects.redeemable().filter(pk=invite.pk).exists(), "their invite is good again"
    assert Visitor().get(stale).status_code == 410


def test_who_confirms_the_address_first_has_it(member: Visitor, invite: Invite, inbox: Inbox):
    ask(member)
    link = link_to(inbox, NEW, "confirm")
    join(inbox, NEW, "kim")

    response = Visitor().post(link)
    assert response.status_code == 410
    assert "Another account has this address" in response.content.decode()
    assert User.objects.get(username="alice").email == OLD
    assert member.get("/session/").status_code == 200, "nothing happened"


def test_the_second_of_two_who_change_to_one_address_is_too_late(
    member: Visitor, bob: Person, inbox: Inbox
):
    other = Visitor()
    log_in(other, bob)
    ask(member)
    first = link_to(inbox, NEW, "confirm")
    ask(other)
    second = link_to(inbox, NEW, "confirm")
    assert first != second

    assert press(second).status_code == 302
    assert Visitor().post(first).status_code == 410
    assert User.objects.get(email=NEW).username == "bob"
    assert User.objects.get(username="alice").email == OLD


def test_a_username_that_looks_like_a_site_is_no_link_in_a_strangers_mailbox(
    member: Visitor, inbox: Inbox
):
    """It is their own name in their own mailbox; the new address may be anybody's."""
    User.objects.filter(email=OLD).update(username="login.evil.com")
    ask(member)
    assert "evil.com" not in str(inbox.mails_to(NEW)[-1].message())
    assert "Hello login.evil.com," in inbox.mails_to(OLD)[-1].body


# --- what a change ends ---


@pytest.mark.asvs("7.4.3")
def test_a_change_ends_every_session_and_logs_nobody_in(
    member: Visitor, alice: Person, inbox: Inbox
):
    elsewhere = Visitor()
    log_in(elsewhere, alice)
    ask(member)
    member.get(link_to(inbox, NEW, "confirm"))
    response = member.post(link_to(inbox, NEW, "confirm"))

    assert "__Host-session" not in response.cookies or not response.cookies["__Host-session"].value
    assert "__Host-device" not in response.cookies
    assert member.get("/session/").status_code == 401
    assert elsewhere.get("/session/").status_code == 401


def test_links_that_went_to_the_old_address_are_dead(member: Visitor, inbox: Inbox):
    Visitor().post("/password/forgot/", {"email": OLD})
    reset = inbox.link_to(OLD)
    move(member, inbox)

    assert Visitor().get(reset).status_code == 410
    assert not Token.objects.filter(sent_to=OLD, used_at=None).exists()


@pytest.mark.asvs("6.3.7")
def test_both_addresses_are_told_of_the_change(member: Visitor, inbox: Inbox):
    move(member, inbox)

    to_new, to_old = inbox.mails_to(NEW)[-1], inbox.mails_to(OLD)[-1]
    assert to_new.subject == "This is now the address of your account"
    assert "/account/not-me/" in to_new.body
    assert "/email/undo/" not in to_new.body
    assert to_old.subject == "The address of your account was changed"
    assert "k***@example.net" in to_old.body
    until = EmailChange.objects.get().undo_until
    assert f"{until:%-d %B %Y, %H:%M}" in to_old.body


def test_the_mails_are_in_the_members_language(member: Visitor, alice: Person, inbox: Inbox):
    User.objects.filter(pk=alice.user.pk).update(language="de", time_zone="Europe/Berlin")
    press(move(member, inbox))

    assert "Deine Adresse soll sich ändern" in str(inbox.mails_to(OLD)[-3].message())
    assert subjects(inbox, OLD)[-3:] == [
        "Die Adresse deines Kontos soll sich ändern",
        "Die Adresse deines Kontos wurde geändert",
        "Dein Konto gehört wieder dir: Wähle ein neues Passwort",
    ]
    assert subjects(inbox, NEW) == [
        "Bestätige deine neue Adresse für The Bottom Line",
        "Das ist jetzt die Adresse deines Kontos",
        "Das ist nicht mehr die Adresse eines Kontos",
    ]


def test_a_new_password_ends_a_change_that_nobody_confirmed(
    member: Visitor, alice: Person, inbox: Inbox
):
    ask(member)
    link = link_to(inbox, NEW, "confirm")
    Visitor().post("/password/forgot/", {"email": OLD})
    assert choose(Visitor(), inbox.link_to(OLD), "the owner's new pass phrase").status_code == 302

    assert Visitor().get(link).status_code == 410
    assert Visitor().post(link).status_code == 410
    assert alice.user.email == OLD


def test_a_blocked_member_changes_no_address(member: Visitor, alice: Person, inbox: Inbox):
    ask(member)
    link = link_to(inbox, NEW, "confirm")
    members.block(alice.user, until=timezone.now() + DAY, reason="spam")
    assert Visitor().get(link).status_code == 410
    assert Visitor().post(link).status_code == 410
    assert alice.user.email == OLD


# --- undoing ---


def test_the_old_mailbox_takes_the_account_back_from_an_intruder(
    member: Visitor, alice: Person, inbox: Inbox
):
    """They had the session and the password, moved the account, and changed the password too."""
    undo = move(member, inbox)
    intruder = Visitor()
    log_in(intruder, Person(NEW, "alice"))
    Visitor().post("/password/forgot/", {"email": NEW})
    choose(Visitor(), inbox.link_to(NEW), "an intruder's own pass phrase")
    log_in(intruder, Person(NEW, "alice", "an intruder's own pass phrase"))
    Visitor().post("/password/forgot/", {"email": NEW})
    backdoor = inbox.link_to(NEW)
    ask(intruder, NEWER)
    pending = link_to(inbox, NEWER, "confirm")

    page = Visitor().get(undo).content.decode()
    for words in ("alice", OLD, "k***@example.net"):
        assert words in page
    assert press(undo)["Location"] == "/login/"

    assert alice.user.username == "alice"
    assert intruder.get("/session/").status_code == 401
    for email in (OLD, NEW):
        for password in (PASSWORD, "an intruder's own pass phrase"):
            answer = Visitor().post("/login/", {"email": email, "password": password})
            assert answer.status_code == 422, "nobody has its password now"
    assert Visitor().get(backdoor).status_code == 410
    assert Visitor().post(pending).status_code == 410

    mail = inbox.mails_to(OLD)[-1]
    assert mail.subject == "Your account is yours again: choose a new password"
    assert choose(Visitor(), inbox.link_to(OLD), "the owner's new pass phrase").status_code == 302
    log_in(Visitor(), Person(OLD, "alice", "the owner's new pass phrase"))
    assert subjects(inbox, NEW)[-1] == "This is no longer the address of an account"
    assert kinds(alice.user)[-1] == "email_change.undone"


def test_whoever_has_undone_a_change_is_told_what_comes_next(member: Visitor, inbox: Inbox):
    """The page to log in would only refuse them: nobody has its password any more."""
    visitor, link = Visitor(), move(member, inbox)
    page = visitor.get(visitor.post(link)["Location"]).content.decode()
    assert "everybody is logged out of it" in page
    assert "Its old password no longer works." in page
    assert "open it first, then log in here" in page
    assert inbox.link_to(OLD).startswith("/password/reset/")


def test_an_account_that_the_intruder_closed_is_not_erased(
    member: Visitor, alice: Person, inbox: Inbox
):
    undo = move(member, inbox)
    intruder = Visitor()
    log_in(intruder, Person(NEW, "alice"))
    assert intruder.post("/account/delete/", {"username": "alice"}).status_code == 302

    assert press(undo)["Location"] == "/login/"

    assert not alice.user.is_closed
    with time_machine.travel(timezone.now() + 15 * DAY, tick=False):
        assert erasure.say_goodbyes() == erasure.erase_all() == 0


def test_the_intruder_learns_nothing_of_where_the_owner_was(member: Visitor, inbox: Inbox):
    press(move(member, inbox))
    message = inbox.mails_to(NEW)[-1]
    assert "127.0.0" not in str(message.message())
    assert OLD not in str(message.message())


def test_the_old_mailbox_stops_a_change_that_nobody_confirmed_yet(
    member: Visitor, alice: Person, inbox: Inbox
):
    ask(member)
    assert press(link_to(inbox, OLD, "undo"))["Location"] == "/login/"

    assert Visitor().post(link_to(inbox, NEW, "confirm")).status_code == 410
    assert member.get("/session/").status_code == 401
    assert not alice.user.has_usable_password()
    assert subjects(inbox, NEW) == ["Confirm your new address for The Bottom Line"]
    assert choose(Visitor(), inbox.link_to(OLD), "the owner's new pass phrase").status_code == 302


def test_cancelling_does_not_take_the_way_back_from_the_old_mailbox(
    member: Visitor, alice: Person, inbox: Inbox
):
    """Or an intruder who sees that they were noticed would cancel, and keep the session."""
    ask(member)
    member.post("/email/change/cancel/")
    assert press(link_to(inbox, OLD, "undo")).status_code == 302
    assert member.get("/session/").status_code == 401


@pytest.mark.parametrize("order", ["oldest first", "newest first"])
def test_the_oldest_of_a_chain_of_addresses_has_the_last_word(
    member: Visitor, inbox: Inbox, order: str
):
    first = move(member, inbox, NEW)
    log_in(member, Person(NEW, "alice"))
    second = move(member, inbox, NEWER)
    user = User.objects.get(email=NEWER)

    if order == "newest first":
        press(second)
        user.refresh_from_db()
        assert user.email == NEW
    press(first)
    user.refresh_from_db()
    assert user.email == OLD
    assert Visitor().get(second).status_code == 410
    assert Visitor().post(second).status_code == 410


def test_a_change_is_undone_once_and_for_seven_days(member: Visitor, alice: Person, inbox: Inbox):
    undo = move(member, inbox)
    confirmed_at = EmailChange.objects.get().confirmed_at
    assert confirmed_at
    with time_machine.travel(confirmed_at + 7 * DAY + timedelta(seconds=1)):
        assert Visitor().get(undo).status_code == 410
        assert Visitor().post(undo).status_code == 410
    with time_machine.travel(confirmed_at + 7 * DAY - timedelta(minutes=1)):
        for _ in range(3):
            assert Visitor().get(undo).status_code == 200
            assert Visitor().head(undo).status_code == 200
        assert User.objects.get(username="alice").email == NEW, "looking undoes nothing"
        press(undo)
        assert Visitor().get(undo).status_code == 410
        assert Visitor().post(undo).status_code == 410


def test_going_back_the_ordinary_way_is_a_change_like_any_other(
    member: Visitor, alice: Person, inbox: Inbox
):
    move(member, inbox)
    log_in(member, Person(NEW, "alice"))
    move(member, inbox, OLD)
    log_in(member, alice)


# --- the address that was left ---


def test_nobody_signs_up_with_an_address_that_somebody_may_come_back_to(
    member: Visitor, invite: Invite, inbox: Inbox
):
    undo = move(member, inbox)
    newcomer, nobody = Person(OLD, "newcomer"), Person("nobody@example.org", "newcomer2")
    held = sign_up(Visitor(), invite, newcomer)
    free = sign_up(Visitor(), invites.issue(), nobody)

    assert held.status_code == free.status_code == 200
    assert held.content.decode().replace(OLD, nobody.email) == free.content.decode()
    mail = inbox.mails_to(OLD)[-1]
    assert mail.subject == "Your address is not free yet at The Bottom Line"
    until = EmailChange.objects.get().undo_until
    assert f"{until:%-d %B %Y}" in mail.body
    assert "alice" not in str(mail.message()).replace(OLD, "")
    assert Invite.objects.redeemable().filter(pk=invite.pk).exists()
    assert press(undo).status_code == 302


def test_when_nobody_can_come_back_the_address_is_free(
    member: Visitor, invite: Invite, inbox: Inbox
):
    move(member, inbox)
    Invite.objects.filter(pk=invite.pk).update(expires_at=timezone.now() + 30 * DAY)
    with time_machine.travel(timezone.now() + 7 * DAY + timedelta(minutes=1)):
        assert sign_up(Visitor(), invite, Person(OLD, "newcomer")).status_code == 200
        assert confirm(Visitor(), inbox.link_to(OLD)).status_code == 302
        log_in(Visitor(), Person(OLD, "newcomer"))


def test_nobody_moves_to_an_address_that_somebody_may_come_back_to(
    member: Visitor, bob: Person, inbox: Inbox
):
    other = Visitor()
    log_in(other, bob)
    ask(other, OLD)  # asked while it is alice's, and again when she has left it
    token = EmailChange.objects.get().confirm_token
    move(member, inbox)
    response = Visitor().post(f"/email/confirm/{token}/")
    assert response.status_code == 410

    ask(other, OLD)
    mail = inbox.mails_to(OLD)[-1]
    assert mail.subject == "Somebody wanted to use your address"
    assert "moved to another address" in mail.body
    assert bob.user.email == bob.email


def test_an_address_that_an_undone_change_led_to_is_free_at_once(
    member: Visitor, invite: Invite, inbox: Inbox
):
    press(move(member, inbox))
    sign_up(Visitor(), invite, Person(NEW, "kim"))
    assert confirm(Visitor(), inbox.link_to(NEW)).status_code == 302


def test_addresses_that_were_left_are_forgotten(member: Visitor, alice: Person, inbox: Inbox):
    move(member, inbox)
    with time_machine.travel(timezone.now() + 7 * DAY - timedelta(hours=1)):
        assert cleaning.run("addresses moved away from") == 0
    with time_machine.travel(timezone.now() + 7 * DAY + timedelta(minutes=1)):
        assert cleaning.run("addresses moved away from") == 1
    assert not EmailChange.objects.exists()


# --- what may come between ---


def test_a_session_that_was_ended_meanwhile_starts_no_change(alice: Person):
    """A request that waited for the row while the owner undid, or chose a new password."""
    user = alice.user
    caller = Caller(ip="192.0.2.1", proved_at=timezone.now())
    password_reset.sessions.end_all(user)
    with pytest.raises(ProofTooOld):
        email_change.start(user, NEW, caller=caller)
    assert not EmailChange.objects.exists()


@pytest.mark.asvs("7.5.1")
def test_the_service_itself_wants_a_fresh_proof(alice: Person):
    for proved_at in (None, timezone.now() - timedelta(minutes=11)):
        with pytest.raises(ProofTooOld):
            email_change.start(alice.user, NEW, caller=Caller(ip="192.0.2.1", proved_at=proved_at))


@pytest.mark.asvs("2.2.3")
def test_the_database_allows_one_pending_change_for_each_member(alice: Person):
    def begin() -> None:
        EmailChange.objects.create(user=alice.user, old_email=OLD, new_email=NEW)

    begin()
    with pytest.raises(IntegrityError), transaction.atomic():
        begin()


@pytest.mark.asvs("16.5.2")
def test_without_redis_nothing_is_half_done(member: Visitor, alice: Person, inbox: Inbox):
    ask(member)
    link, undo = link_to(inbox, NEW, "confirm"), link_to(inbox, OLD, "undo")
    environment.redis.kill()
    try:
        answers = [ask(member, NEWER), Visitor().post(link), Visitor().post(undo)]
        pages = [Visitor().get(link), Visitor().get(undo)]
    finally:
        environment.redis.start()
    assert [answer.status_code for answer in answers] == [503] * 3
    assert [page.status_code for page in pages] == [200] * 2, "public pages still work"
    assert alice.user.has_usable_password()
    assert EmailChange.objects.get().new_email == NEW
    assert press(link).status_code == 302
    assert press(undo).status_code == 302
    assert member.get("/session/").status_code == 401


def test_guessing_links_trips_the_limiter(still_clock, client: Visitor, db: None):
    for kind in ("confirm", "undo"):
        answers = [client.get(f"/email/{kind}/{'A' * 43}/").status_code for _ in range(10)]
        assert answers == [410] * 10
    assert client.get(f"/email/undo/{'A' * 43}/").status_code == 429


def test_nothing_in_the_database_opens_either_link(member: Visitor, inbox: Inbox):
    undo = move(member, inbox)
    tokens = [undo.split("/")[3], EmailChange.objects.get().confirm_token]
    tables = (EmailChange, Event, OutboxMessage, Token)
    stored = " ".join(str(row) for table in tables for row in table.objects.values())
    assert not any(token in stored for token in tokens)
    history = " ".join(str(row) for row in Event.objects.values())
    assert not any(email in history for email in (OLD, NEW))
