"""A second factor that was lost: its end asked for, announced, called off, approved, done."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import emails
from accounts.errors import NotApplicable, ProofTooOld, TokenUnusable
from accounts.models import Event, FactorReset, RecoveryCode, Totp, TrustedBrowser, User
from accounts.models.factor_reset import APPROVE_WITHIN, REMIND_BEFORE, WAIT
from accounts.services import (
    closing,
    email_change,
    erasure,
    factor_reset,
    half_login,
    lost_factor,
    members,
)
from accounts.tests.test_export import download, ready
from accounts.tests.test_second_factor import VERIFY, disown, first_factor
from bottomline.caller import Caller
from bottomline.outbox import services as outbox
from bottomline.sessions import index
from conftest import (
    Inbox,
    Person,
    Visitor,
    app_code,
    at_once,
    commits,
    join,
    log_in,
    make_staff,
    set_up_factor,
)

pytestmark = pytest.mark.django_db

ASK = "/login/verify/lost/"
KEEP = "/account/security/factor/keep/"
LIST = "/admin/accounts/factorreset/"
CALLER = Caller(ip="192.0.2.7")
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _still(still_clock: Any) -> None:
    """No step of a code ends in the middle of a test."""


@pytest.fixture
def codes(alice: Person) -> list[str]:
    """Alice has a second factor, and these recovery codes."""
    return set_up_factor(alice)


@pytest.fixture
def asked(alice: Person, codes: list[str]) -> FactorReset:
    """Alice, or somebody who knows her password, has asked for the end of it."""
    return ask(alice)


def ask(person: Person, note: str = "") -> FactorReset:
    visitor = Visitor()
    first_factor(visitor, person)
    assert visitor.post(ASK, {"note": note})["Location"] == ASK
    return FactorReset.objects.open().get(user=person.user)


def approved(reset: FactorReset, staff: Person) -> FactorReset:
    with commits():
        lost_factor.approve(reset, staff=staff.user)
    reset.refresh_from_db()
    return reset


def sweep() -> None:
    with commits():
        lost_factor.sweep()


def outcome(reset: FactorReset) -> str:
    reset.refresh_from_db()
    return reset.outcome


def has_factor(person: Person) -> bool:
    user = person.user
    there = Totp.objects.filter(user=user).exists() and RecoveryCode.objects.filter(user=user)
    assert bool(there) == bool(user.second_factor_at)
    return bool(there)


def kinds(person: Person) -> list[str]:
    about = Event.objects.filter(user_id=person.user.pk, kind__startswith="factor_reset.")
    return list(about.order_by("pk").values_list("kind", flat=True))


def subjects(inbox: Inbox, email: str) -> list[str]:
    return [mail.subject for mail in inbox.mails_to(email) if "second factor" in mail.subject][1:]


def link_in(mail: Any) -> str:
    found = re.search(r"https://door\.example\.org(/account/security/factor/lost/\S+)", mail.body)
    assert found, mail.body
    return found[1]


# --- asking ---


@pytest.mark.asvs("6.4.4")
def test_who_lost_it_waits_is_approved_and_logs_in_without(
    alice: Person, codes: list[str], olivia: Person, inbox: Inbox, still_clock: Any
):
    visitor = Visitor()
    first_factor(visitor, alice)
    assert ASK in visitor.get(VERIFY).content.decode()
    page = visitor.get(ASK).content.decode()
    for said in ("3 days", "write to your address", "Staff look at it", "call it off"):
        assert said in page
    assert not FactorReset.objects.exists()
    assert visitor.post(ASK, {"note": "Phone in the\r\nriver "})["Location"] == ASK
    assert "You have asked for it" in visitor.get(ASK).content.decode()
    reset = FactorReset.objects.get()
    assert reset.note == "Phone in the\nriver"
    assert not visitor.is_in

    approved(reset, olivia)
    assert len(subjects(inbox, alice.email)) == 1
    still_clock.shift(WAIT - SECOND)
    sweep()
    assert has_factor(alice)
    assert len(subjects(inbox, alice.email)) == 2
    still_clock.shift(SECOND)
    sweep()
    assert not has_factor(alice)
    log_in(Visitor(), alice)
    assert subjects(inbox, alice.email) == [
        "Somebody asked to end your second factor for The Bottom Line",
        "Your second factor for The Bottom Line is about to end",
        "Your second factor for The Bottom Line has ended",
    ]
    assert kinds(alice) == ["factor_reset.requested", "factor_reset.approved", "factor_reset.done"]


def test_without_the_first_factor_there_is_nothing_to_ask(alice: Person, codes: list[str]):
    visitor = Visitor()
    for answer in (visitor.get(ASK), visitor.post(ASK, {"note": "let me in"})):
        assert answer["Location"] == "/login/"
    assert not FactorReset.objects.exists()


def test_half_a_login_asks_for_its_own_account_alone(alice: Person, bob: Person, codes: list[str]):
    set_up_factor(bob)
    visitor = Visitor()
    first_factor(visitor, bob)
    visitor.post(ASK, {"note": "", "user": str(alice.user.pk), "email": alice.email})
    assert [reset.user for reset in FactorReset.objects.all()] == [bob.user]


def test_half_a_login_that_is_over_or_of_an_account_that_changed_asks_for_nothing(
    alice: Person, codes: list[str], still_clock: Any
):
    visitor = Visitor()
    first_factor(visitor, alice)
    still_clock.shift(half_login.LASTS + SECOND)
    assert visitor.post(ASK, {"note": ""})["Location"] == "/login/"
    before = alice.user
    for change in ({"session_epoch": 9}, {"password": "!"}, {"second_factor_at": None}):
        with transaction.atomic():
            User.objects.filter(pk=before.pk).update(**change)
            with pytest.raises(ProofTooOld):
                lost_factor.request(before, "", caller=CALLER)
            transaction.set_rollback(True)
    assert not FactorReset.objects.exists()


@pytest.mark.asvs("1.3.3")
def test_a_note_that_does_not_fit_is_shown_again(alice: Person, codes: list[str]):
    visitor = Visitor()
    first_factor(visitor, alice)
    for note, said in (("y" * 501, "501 characters"), ("a\u202eb", "invisible character")):
        answer = visitor.post(ASK, {"note": note})
        assert answer.status_code == 422
        assert said in answer.content.decode()
        assert note in answer.content.decode()
    assert not FactorReset.objects.exists()


@pytest.mark.asvs("2.4.1")
def test_asking_again_and_again_moves_no_clock_and_sends_no_mail(
    alice: Person, asked: FactorReset, inbox: Inbox, still_clock: Any
):
    before = len(inbox.mails_to(alice.email))
    for _ in range(5):
        still_clock.shift(timedelta(hours=1))
        again = ask(alice, "another story")
        assert (again.pk, again.due_at, again.note) == (asked.pk, asked.due_at, "")
    assert len(inbox.mails_to(alice.email)) == before


def test_three_a_day_and_no_more(alice: Person, codes: list[str], inbox: Inbox):
    for _ in range(3):
        ask(alice)
        assert factor_reset.call_off(alice.user, caller=CALLER)
    visitor = Visitor()
    first_factor(visitor, alice)
    assert visitor.post(ASK, {"note": ""}).status_code == 429
    assert not FactorReset.objects.open().exists()
    assert len(subjects(inbox, alice.email)) == 3  # those that were called off say so


def test_there_is_one_at_a_time(alice: Person, asked: FactorReset):
    with pytest.raises(IntegrityError), transaction.atomic():
        FactorReset.objects.create(user=alice.user)


# --- announcing ---


def move(person: Person, email: str, inbox: Inbox) -> None:
    """Change the address, on the pages."""
    visitor = Visitor()
    log_in(visitor, person)
    visitor.post("/email/change/", {"email": email})
    assert Visitor().post(inbox.link_to(email)).status_code == 302
    assert User.objects.get(email=email).username == person.username


def test_every_address_with_a_say_is_told_and_can_call_it_off(
    alice: Person, inbox: Inbox, still_clock: Any
):
    move(alice, "ada@example.org", inbox)
    new = Person("ada@example.org", "alice")
    set_up_factor(new)
    visitor = Visitor()
    log_in_with_code(visitor, new, still_clock)
    visitor.post("/email/change/", {"email": "pending@example.org"})
    visitor.post("/logout/")
    reset = ask(new)
    told = [inbox.mails_to(email)[-1] for email in (new.email, alice.email)]
    for mail in told:
        assert mail.subject == "Somebody asked to end your second factor for The Bottom Line"
        assert re.search(r"Network: \S", str(mail.body))
    assert "asked to end" not in inbox.mails_to("pending@example.org")[-1].subject
    assert Visitor().post(link_in(told[1])).status_code == 200
    assert outcome(reset) == "called off"


def log_in_with_code(visitor: Visitor, person: Person, clock: Any) -> None:
    clock.shift(timedelta(minutes=16))  # the limit of tries, and the step of the code
    first_factor(visitor, person)
    assert visitor.post(VERIFY, {"code": app_code(person)}).status_code == 302


def waiting_mails(inbox: Inbox, staff: Person) -> list[Any]:
    asked = "Somebody who lost a second factor waits for staff at The Bottom Line"
    return [mail for mail in inbox.mails_to(staff.email) if mail.subject == asked]


def test_staff_who_may_decide_are_told_and_once_more_if_nobody_has(
    alice: Person, olivia: Person, bob: Person, codes: list[str], inbox: Inbox, still_clock: Any
):
    make_staff(bob)
    outsider = join(inbox, "carol@example.org", "carol")
    make_staff(outsider, Permission.objects.filter(codename="change_factorreset"))
    reset = ask(alice)
    assert waiting_mails(inbox, bob) == []
    for person in (olivia, outsider):
        [mail] = waiting_mails(inbox, person)
        assert "alice has lost" in mail.body
        assert f"https://door.example.org{LIST}{reset.pk}/change/" in mail.body
    still_clock.shift(WAIT - REMIND_BEFORE)
    sweep()
    assert [len(waiting_mails(inbox, person)) for person in (olivia, outsider, bob)] == [2, 2, 0]


def test_nobody_who_may_not_decide_is_told(
    olivia: Person, alice: Person, bob: Person, inbox: Inbox, still_clock: Any
):
    make_staff(bob, Permission.objects.filter(codename="change_factorreset"))
    make_staff(alice, Permission.objects.filter(codename="change_factorreset"))
    ask(alice)  # is staff herself: for owners alone
    assert [len(waiting_mails(inbox, person)) for person in (olivia, bob, alice)] == [1, 0, 0]
    still_clock.shift(timedelta(minutes=16))
    ask(olivia)  # is the only owner
    assert [len(waiting_mails(inbox, person)) for person in (olivia, bob, alice)] == [1, 0, 0]


def test_staff_are_not_asked_for_what_is_decided_by_then(
    alice: Person, olivia: Person, codes: list[str], inbox: Inbox, still_clock: Any
):
    approved(ask(alice), olivia)  # before the first mail is on its way
    still_clock.shift(WAIT - REMIND_BEFORE)
    sweep()
    assert waiting_mails(inbox, olivia) == []


def test_an_address_that_has_no_say_any_more_is_not_told(
    alice: Person, inbox: Inbox, still_clock: Any
):
    move(alice, "ada@example.org", inbox)
    new = Person("ada@example.org", "alice")
    still_clock.shift(timedelta(days=7, seconds=1))
    set_up_factor(new)
    before = len(inbox.mails_to(alice.email))
    ask(new)
    assert len(inbox.mails_to(alice.email)) == before
    assert len(subjects(inbox, new.email)) == 1


def test_every_page_of_every_session_says_so_and_has_the_button(
    alice: Person, codes: list[str], still_clock: Any
):
    phone, desk = Visitor(), Visitor()
    log_in_with_code(phone, alice, still_clock)
    log_in_with_code(desk, alice, still_clock)
    assert KEEP not in phone.get("/account/").content.decode()
    reset = ask(alice)
    for visitor in (phone, desk):
        for page in ("/account/", "/account/security/", "/people/alice/", "/account/invites/"):
            said = visitor.get(page).content.decode()
            assert "Somebody asked to end your second factor" in said
            assert f"{timezone.localtime(reset.due_at):%-d %B %Y}" in said
    answer = desk.post(KEEP, follow=True)
    assert "Called off: your second factor stays" in answer.content.decode()
    assert outcome(reset) == "called off"
    assert KEEP not in phone.get("/account/").content.decode()
    assert "nothing to call off" in phone.post(KEEP, follow=True).content.decode()


def test_staff_read_it_in_the_admin_as_well(olivia: Person, still_clock: Any):
    visitor = Visitor()
    log_in_with_code(visitor, olivia, still_clock)
    ask(olivia)
    page = visitor.get("/admin/").content.decode()
    assert "Somebody asked to end your second factor" in page


def test_the_mails_are_in_german_too(
    alice: Person, codes: list[str], inbox: Inbox, olivia: Person, still_clock: Any
):
    User.objects.update(language="de")
    reset = approved(ask(alice), olivia)
    inbox.mails_to(alice.email)
    still_clock.shift(WAIT - REMIND_BEFORE)
    sweep()
    inbox.mails_to(alice.email)
    still_clock.shift(REMIND_BEFORE)
    sweep()
    assert outcome(reset) == "done"
    assert [mail.subject for mail in inbox.mails_to(alice.email)][-3:] == [
        "Dein zweiter Faktor für The Bottom Line soll enden",
        "Dein zweiter Faktor für The Bottom Line endet bald",
        "Dein zweiter Faktor für The Bottom Line ist beendet",
    ]


def test_a_day_before_they_are_reminded_once(
    alice: Person, asked: FactorReset, inbox: Inbox, still_clock: Any
):
    still_clock.shift(WAIT - REMIND_BEFORE - SECOND)
    sweep()
    assert len(subjects(inbox, alice.email)) == 1
    still_clock.shift(SECOND)
    sweep()
    sweep()
    assert subjects(inbox, alice.email)[1:] == [
        "Your second factor for The Bottom Line is about to end"
    ]
    assert "have not decided yet" in inbox.mails_to(alice.email)[-1].body


def test_a_mail_that_was_held_up_is_not_sent_when_it_is_over(
    alice: Person, codes: list[str], inbox: Inbox
):
    inbox.mails_to(alice.email)
    ask(alice)
    factor_reset.call_off(alice.user, caller=CALLER)
    assert subjects(inbox, alice.email) == ["Your second factor for The Bottom Line stays"]


# --- calling it off ---


def test_the_link_shows_a_button_and_the_button_calls_it_off_once(
    alice: Person, asked: FactorReset, inbox: Inbox
):
    link = link_in(inbox.mails_to(alice.email)[-1])
    visitor = Visitor()
    page = visitor.get(link)
    assert page["Referrer-Policy"] == "strict-origin"
    assert "Keep the second factor?" in page.content.decode()
    assert outcome(asked) == ""
    assert visitor.post(link).status_code == 200
    assert outcome(asked) == "called off"
    assert visitor.get(link).status_code == 410
    assert visitor.post(link).status_code == 410
    assert has_factor(alice)
    again = ask(alice)
    assert visitor.post(link).status_code == 410  # of the one before
    assert outcome(again) == ""


def test_the_link_calls_nothing_off_when_it_is_done(
    alice: Person, asked: FactorReset, olivia: Person, inbox: Inbox, still_clock: Any
):
    link = link_in(inbox.mails_to(alice.email)[-1])
    approved(asked, olivia)
    still_clock.shift(WAIT)
    sweep()
    assert Visitor().get(link).status_code == 410
    assert Visitor().post(link).status_code == 410
    assert outcome(asked) == "done"


def test_a_link_that_we_did_not_make_opens_nothing(asked: FactorReset):
    others = asked.token[:-1] + ("A" if asked.token[-1] != "A" else "B")
    for token in ("x", others, asked.token[1:]):
        path = f"/account/security/factor/lost/{token}/"
        assert (Visitor().get(path).status_code, Visitor().post(path).status_code) == (410, 410)
    assert outcome(asked) == ""


@pytest.mark.parametrize("which", ["app", "recovery code"])
def test_who_proves_the_factor_at_a_login_calls_it_off(
    alice: Person, codes: list[str], which: str, still_clock: Any
):
    reset = ask(alice)
    still_clock.shift(timedelta(minutes=1))
    visitor = Visitor()
    first_factor(visitor, alice)
    code = app_code(alice) if which == "app" else codes[0]
    assert visitor.post(VERIFY, {"code": code}).status_code == 302
    assert outcome(reset) == "called off"
    assert KEEP not in visitor.get("/account/").content.decode()


@pytest.mark.parametrize("what", ["codes/", "off/"])
def test_who_proves_it_before_a_change_calls_it_off(
    alice: Person, codes: list[str], what: str, still_clock: Any
):
    visitor = Visitor()
    log_in_with_code(visitor, alice, still_clock)
    reset = ask(alice)
    assert visitor.post(f"/account/security/factor/{what}", {"code": "000000"}).status_code == 422
    assert outcome(reset) == ""
    still_clock.shift(timedelta(minutes=1))
    visitor.post(f"/account/security/factor/{what}", {"code": app_code(alice)})
    assert outcome(reset) == "called off"
    assert KEEP not in visitor.get("/account/").content.decode()


def test_a_browser_that_is_asked_for_no_code_proves_nothing(
    alice: Person, codes: list[str], still_clock: Any
):
    trusted = Visitor()
    still_clock.shift(timedelta(minutes=16))
    first_factor(trusted, alice)
    trusted.post(VERIFY, {"code": app_code(alice), "trust": "on"})
    trusted.post("/logout/")
    reset = ask(alice)
    log_in(trusted, alice)
    assert outcome(reset) == ""
    assert KEEP in trusted.get("/account/").content.decode()


NEW = "quite another lamp 7 river"


def forgotten_password(person: Person, inbox: Inbox) -> None:
    visitor = Visitor()
    visitor.post("/password/forgot/", {"email": person.email})
    visitor.post(inbox.link_to(person.email), {"password": NEW, "repeated": NEW})


def not_me(person: Person, inbox: Inbox) -> None:
    disown(inbox.mails_to(person.email)[-1])


def blocked(person: Person, inbox: Inbox) -> None:
    members.block(person.user, until=timezone.now() + timedelta(days=1), reason="spam")


def closed(person: Person, inbox: Inbox) -> None:
    assert closing.close_by_staff(person.user)


def made_staff(person: Person, inbox: Inbox) -> None:
    members.set_standing(person.user, is_staff=True, is_superuser=False)


def moved_back(person: Person, inbox: Inbox) -> None:
    change = person.user.email_changes.get()
    email_change.undo(change.undo_token, caller=CALLER)


CHANGES: dict[str, Callable[[Person, Inbox], None]] = {
    "a new password by mail": forgotten_password,
    "staff closing it": closed,
    "a block": blocked,
    "another standing": made_staff,
    "a change of address that is undone": moved_back,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changes_the_locks_calls_it_off(
    alice: Person, inbox: Inbox, olivia: Person, change: Any
):
    visitor = Visitor()
    log_in(visitor, alice)
    visitor.post("/email/change/", {"email": "pending@example.org"})
    visitor.post("/email/change/cancel/")
    set_up_factor(alice)
    reset = approved(ask(alice), olivia)
    with commits():
        change(alice, inbox)
    assert outcome(reset) == "called off"
    assert kinds(alice)[-1] == "factor_reset.called_off"
    assert alice.user.factor_reset_due_at is None


def test_this_was_not_me_calls_it_off(alice: Person, codes: list[str], inbox: Inbox):
    new_login = inbox.mails_to(alice.email)[-1]
    assert "/account/not-me/" in new_login.body
    reset = ask(alice)
    disown(new_login)
    assert outcome(reset) == "called off"


# --- staff ---


def page_of(reset: FactorReset) -> str:
    return f"{LIST}{reset.pk}/change/"


def deciding(*codenames: str) -> Any:
    return Permission.objects.filter(codename__in=codenames or DECIDING)


DECIDING = ("view_factorreset", "change_factorreset")


def test_staff_see_what_they_need_and_decide(
    client: Visitor, alice: Person, codes: list[str], olivia: Person, still_clock: Any
):
    session = Visitor()
    log_in_with_code(session, alice, still_clock)
    reset = ask(alice, "The phone <b>drowned</b>.")
    still_clock.shift(timedelta(minutes=2))
    session.get("/account/")
    log_in(client, olivia)
    assert "alice" in client.get(LIST).content.decode()
    page = client.get(page_of(reset)).content.decode()
    assert "The phone &lt;b&gt;drowned&lt;/b&gt;." in page
    assert "The network is one of those below" in page
    assert "A session of theirs was used" in page
    assert "No login." in page
    assert "password+totp" in page
    answer = client.post(f"{LIST}{reset.pk}/approve/", follow=True)
    assert "Approved." in answer.content.decode()
    reset.refresh_from_db()
    assert reset.approved_by == olivia.user
    assert "already" in client.post(f"{LIST}{reset.pk}/approve/", follow=True).content.decode()
    assert "Refused" in client.post(f"{LIST}{reset.pk}/refuse/", follow=True).content.decode()
    assert outcome(reset) == "refused"
    assert "It is over" in client.post(f"{LIST}{reset.pk}/approve/", follow=True).content.decode()
    still_clock.shift(WAIT)
    sweep()
    assert has_factor(alice)


def test_the_front_page_counts_who_waits(
    client: Visitor, alice: Person, asked: FactorReset, olivia: Person
):
    log_in(client, olivia)
    assert "1</strong> member waits for a decision" in client.get("/admin/").content.decode()
    lost_factor.approve(asked, staff=olivia.user)
    assert "0</strong> members wait for a decision" in client.get("/admin/").content.decode()


def test_from_elsewhere_is_said(client: Visitor, alice: Person, codes: list[str], olivia: Person):
    half = half_login.new_cookie(alice.user, method="password", remember=False)
    visitor = Visitor(REMOTE_ADDR="203.0.113.9", HTTP_USER_AGENT="curl/8")
    visitor.cookies["__Host-half-login"] = half
    assert visitor.post(ASK, {"note": ""})["Location"] == ASK
    log_in(client, olivia)
    page = client.get(page_of(FactorReset.objects.get())).content.decode()
    assert "The network is none of those below" in page
    assert "203.0.113.0/24" in page
    assert "203.0.113.9" not in page


@pytest.mark.asvs("7.5.3")
@pytest.mark.parametrize("decision", ["approve", "refuse"])
def test_deciding_wants_a_fresh_proof_a_post_and_the_permission(
    client: Visitor, asked: FactorReset, olivia: Person, bob: Person, decision, still_clock: Any
):
    path = f"{LIST}{asked.pk}/{decision}/"
    make_staff(bob, deciding("view_factorreset"))
    looking = Visitor()
    log_in(looking, bob)
    assert 'value="Approve"' not in looking.get(page_of(asked)).content.decode()
    assert looking.post(path).status_code == 403
    log_in(client, olivia)
    assert client.get(path).status_code == 405
    still_clock.shift(timedelta(minutes=11))
    assert client.post(path)["Location"].startswith("/reauth/?next=%2Fadmin")
    asked.refresh_from_db()
    assert (asked.approved_at, asked.outcome) == (None, "")


@pytest.mark.parametrize("decide", [lost_factor.approve, lost_factor.refuse])
def test_nobody_decides_their_own_and_only_owners_that_of_staff(
    alice: Person, bob: Person, olivia: Person, inbox: Inbox, decide: Any
):
    make_staff(alice, deciding())
    make_staff(bob, deciding())
    of_bob, of_olivia = ask(bob), ask(olivia)
    with pytest.raises(NotApplicable, match="your own"):
        decide(of_olivia, staff=olivia.user)
    with pytest.raises(NotApplicable, match="your own"):
        decide(of_bob, staff=bob.user)
    for reset in (of_bob, of_olivia):
        with pytest.raises(NotApplicable, match="only owners"):
            decide(reset, staff=alice.user)
    decide(of_bob, staff=olivia.user)
    other = join(inbox, "otto@example.org", "otto", staff=True)
    decide(of_olivia, staff=other.user)


def test_the_page_says_why_it_is_not_for_them(client: Visitor, bob: Person, olivia: Person):
    reset = ask(olivia)
    make_staff(bob, deciding())
    log_in(client, bob)
    page = client.get(page_of(reset)).content.decode()
    assert "only owners can decide" in page
    assert 'value="Approve"' not in page
    answer = client.post(f"{LIST}{reset.pk}/approve/", follow=True)
    assert "only owners can decide" in answer.content.decode()
    reset.refresh_from_db()
    assert reset.approved_at is None


# --- when it takes effect ---


def test_approved_late_it_takes_effect_at_once(
    alice: Person, asked: FactorReset, olivia: Person, still_clock: Any
):
    still_clock.shift(WAIT + timedelta(days=1))
    sweep()
    assert has_factor(alice)
    approved(asked, olivia)
    assert outcome(asked) == "done"
    assert not has_factor(alice)


def test_it_ends_every_session_and_every_trusted_browser_and_is_mailed_once(
    alice: Person, codes: list[str], olivia: Person, inbox: Inbox, still_clock: Any
):
    trusted = Visitor()
    still_clock.shift(timedelta(minutes=16))
    first_factor(trusted, alice, remember="on")
    trusted.post(VERIFY, {"code": app_code(alice), "trust": "on"})
    approved(ask(alice), olivia)
    still_clock.shift(WAIT)
    assert trusted.is_in
    epoch = alice.user.session_epoch
    for _ in range(2):
        sweep()
    assert not trusted.is_in
    assert alice.user.session_epoch == epoch + 1
    assert not TrustedBrowser.objects.exists()
    assert index.list_live(alice.user.pk) == []
    told = [m for m in inbox.mails_to(alice.email) if m.subject.endswith("has ended")]
    assert len(told) == 1
    disown(told[0])
    assert not alice.user.has_usable_password()


def test_not_while_they_are_blocked(
    alice: Person, asked: FactorReset, olivia: Person, still_clock: Any
):
    approved(asked, olivia)
    User.objects.filter(email=alice.email).update(blocked_until=timezone.now() + 2 * WAIT)
    still_clock.shift(WAIT)
    sweep()
    assert has_factor(alice)
    still_clock.shift(WAIT)
    sweep()
    assert not has_factor(alice)


def test_what_nobody_approves_lapses_and_can_be_asked_for_again(
    alice: Person, asked: FactorReset, inbox: Inbox, still_clock: Any
):
    still_clock.shift(APPROVE_WITHIN - SECOND)
    sweep()
    assert outcome(asked) == ""
    still_clock.shift(SECOND)
    sweep()
    assert outcome(asked) == "lapsed"
    assert has_factor(alice)
    assert "did not agree in time" in inbox.mails_to(alice.email)[-1].body
    assert ask(alice).pk != asked.pk


def test_killed_in_the_middle_nothing_has_happened_and_the_next_run_does_it(
    alice: Person, asked: FactorReset, olivia: Person, still_clock: Any, monkeypatch: Any
):
    approved(asked, olivia)
    still_clock.shift(WAIT)
    with monkeypatch.context() as patch:
        patch.setattr(emails, "factor_reset_done", broken)
        sweep()
    assert outcome(asked) == ""
    assert has_factor(alice)
    assert "factor_reset.done" not in kinds(alice)
    sweep()
    assert outcome(asked) == "done"
    assert kinds(alice).count("factor_reset.done") == 1


def broken(event: Event) -> None:
    raise SystemError


def test_the_database_lets_none_be_done_that_nobody_approved(asked: FactorReset):
    with pytest.raises(IntegrityError), transaction.atomic():
        FactorReset.objects.filter(pk=asked.pk).update(ended_at=timezone.now(), outcome="done")


# --- operators ---


def run(*arguments: str) -> str:
    out = StringIO()
    with commits():
        call_command("reset_second_factor", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_an_operator_ends_that_of_the_only_owner(
    olivia: Person, alice: Person, inbox: Inbox, still_clock: Any
):
    visitor = Visitor()
    log_in_with_code(visitor, olivia, still_clock)
    reset = ask(olivia)
    assert "would have no second factor" in run("--dry-run", olivia.email)
    assert has_factor(olivia)
    said = run(olivia.email, alice.email)
    assert "olivia@example.org has no second factor any more, is logged out everywhere" in said
    assert "alice@example.org has no second factor.\n" in said
    assert not has_factor(olivia)
    assert not visitor.is_in
    assert outcome(reset) == "called off"
    last = inbox.mails_to(olivia.email)[-1]
    assert "those who run the site ended it" in last.body
    assert Event.objects.filter(kind="second_factor.ended_by_operator").count() == 1
    assert run(olivia.email) == "olivia@example.org has no second factor.\n"


# --- what is kept ---


def test_the_activity_page_tells_it(
    client: Visitor, alice: Person, asked: FactorReset, olivia: Person, still_clock: Any
):
    approved(asked, olivia)
    still_clock.shift(WAIT)
    sweep()
    log_in(client, alice)
    page = client.get("/account/activity/").content.decode()
    assert "Staff agreed to end the second factor." in page
    assert "The second factor was ended, as somebody who lost it had asked." in page


def test_a_copy_of_their_data_has_it_and_nothing_secret(
    client: Visitor, alice: Person, codes: list[str]
):
    ask(alice, "The phone drowned.")
    log_in(client, alice)
    [told] = download(client, ready(alice))["second-factor.json"]["resets"]
    assert (told["note"], told["outcome"]) == ("The phone drowned.", "called off")
    assert set(told) == {"requested_at", "note", "approved_at", "ended_at", "outcome"}


def test_it_goes_with_the_account(alice: Person, asked: FactorReset, still_clock: Any):
    User.objects.filter(email=alice.email).update(closed_at=timezone.now())
    still_clock.shift(timedelta(days=14))
    erasure.say_goodbyes()
    outbox.sweep()
    user = alice.user
    assert erasure.erase_all() == 1
    assert not FactorReset.objects.exists()
    user.refresh_from_db()
    assert user.factor_reset_due_at is None


# --- two at once ---


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(5))
def test_of_an_approval_that_is_due_and_a_call_off_one_wins(
    alice: Person, olivia: Person, inbox: Inbox, still_clock: Any, attempt: int
):
    set_up_factor(alice)
    reset = ask(alice)
    still_clock.shift(WAIT)
    won: list[str] = []

    def approve() -> None:
        try:
            lost_factor.approve(reset, staff=olivia.user)
            won.append("approve")
        except NotApplicable:
            pass

    def call_off() -> None:
        try:
            lost_factor.call_off_by_link(reset.token, caller=CALLER)
            won.append("call off")
        except TokenUnusable:
            pass

    at_once([approve, call_off])
    assert won in (["approve"], ["call off"])
    assert outcome(reset) == {"approve": "done", "call off": "called off"}[won[0]]
    assert has_factor(alice) == (won == ["call off"])


@pytest.mark.django_db(transaction=True)
def test_two_of_staff_and_two_sweeps_at_once_do_it_once(
    alice: Person, olivia: Person, inbox: Inbox, still_clock: Any
):
    otto = join(inbox, "otto@example.org", "otto", staff=True)
    set_up_factor(alice)
    reset = ask(alice)
    refused: list[str] = []

    def approve(staff: User) -> None:
        try:
            lost_factor.approve(reset, staff=staff)
        except NotApplicable as refusal:
            refused.append(refusal.message)

    staff = [olivia.user, otto.user]
    at_once([lambda: approve(staff[0]), lambda: approve(staff[1])])
    assert refused == ["Somebody has approved it already."]
    still_clock.shift(WAIT)
    at_once([lost_factor.sweep] * 3)
    assert outcome(reset) == "done"
    assert kinds(alice) == ["factor_reset.requested", "factor_reset.approved", "factor_reset.done"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(5))
def test_of_two_owners_who_agree_to_each_others_at_once_neither_waits_for_the_other_for_ever(
    alice: Person, bob: Person, still_clock: Any, attempt: int
):
    for person in (alice, bob):
        set_up_factor(person)
    User.objects.update(is_staff=True, is_superuser=True)
    resets = [ask(alice), ask(bob)]
    at_once(
        [
            partial(lost_factor.approve, resets[0], staff=bob.user),
            partial(lost_factor.approve, resets[1], staff=alice.user),
        ]
    )
    assert FactorReset.objects.open().exclude(approved_at=None).count() == 2


@pytest.mark.django_db(transaction=True)
def test_asked_for_twice_at_once_there_is_one(alice: Person, still_clock: Any):
    set_up_factor(alice)
    user = alice.user
    found: list[int] = []
    at_once([lambda: found.append(lost_factor.request(user, "", caller=CALLER).pk)] * 2)
    assert len(found) == 2
    assert len(set(found)) == 1
    assert kinds(alice) == ["factor_reset.requested"]
