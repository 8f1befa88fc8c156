"""What staff do to members in the admin: asked first, proved, said to each, and recorded."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts import limits
from accounts.acts import ACTS
from accounts.admin import CHOSEN_AT_ONCE
from accounts.errors import NotApplicable
from accounts.models import Event, User
from accounts.sentences import sentence_of
from accounts.services import closing, erasure, members
from conftest import Inbox, Person, Visitor, log_in, make_staff, sign_up
from invites import services as invites

LIST = "/admin/accounts/user/"
DANGEROUS = ["end_sessions", "unblock", "remove_pictures", "send_reset", "close"]


@pytest.fixture
def staff(client: Visitor, olivia: Person) -> Visitor:
    log_in(client, olivia)
    return client


@pytest.fixture
def una(inbox: Inbox) -> Person:
    """Somebody who has signed up and not confirmed."""
    una = Person("una@example.org", "una")
    assert sign_up(Visitor(), invites.issue(), una).status_code == 200
    assert len(inbox.mails_to(una.email)) == 1
    return una


def chosen(act: str, *people: Person, **more: str) -> dict[str, Any]:
    return {"action": act, "_selected_action": [str(one.user.pk) for one in people], **more}


def do(staff: Visitor, act: str, *people: Person) -> str:
    """Press the button, and the one on the page that asks; what is said then."""
    asked = staff.post(LIST, chosen(act, *people))
    assert asked.status_code == 200
    answer = staff.post(LIST, chosen(act, *people, sure="yes"), follow=True)
    assert answer.status_code == 200
    return "\n".join(str(message) for message in answer.context["messages"])


def block(person: Person) -> None:
    members.block(person.user, until=timezone.now() + timedelta(days=1), reason="spam")


def kinds(person: Person) -> list[str]:
    events = Event.objects.filter(user_id=person.user.pk).order_by("pk")
    return list(events.values_list("kind", flat=True))


# --- each of them ---


def test_unblocked_they_are_let_in_and_whoever_is_not_blocked_is_said(
    staff: Visitor, alice: Person, bob: Person
):
    block(alice)
    said = do(staff, "unblock", alice, bob)

    assert "alice: No longer blocked." in said
    assert "bob: Not blocked, so there was nothing to lift." in said
    log_in(Visitor(), alice)
    assert "account.unblocked" in kinds(alice)
    assert "account.unblocked" not in kinds(bob)


def test_the_confirmation_mail_is_sent_again_to_whoever_waits_for_it(
    staff: Visitor, inbox: Inbox, una: Person, alice: Person
):
    said = do(staff, "resend_confirmation", una, alice)

    assert "una: The confirmation mail is on its way." in said
    assert "alice: The address is confirmed already" in said
    link = inbox.link_to(una.email)
    assert len(inbox.mails_to(una.email)) == 2
    assert link.startswith("/invite/?confirmation=")
    assert link.partition("=")[2] not in staff.get(f"{LIST}{una.user.pk}/history/").content.decode()
    assert "email_confirmation.requested_by_staff" in kinds(una)


@pytest.mark.asvs("6.4.6")
def test_staff_start_a_reset_by_mail_and_see_no_link(
    staff: Visitor, inbox: Inbox, alice: Person, una: Person
):
    member = Visitor()
    log_in(member, alice)
    said = do(staff, "send_reset", alice, una)

    assert "alice: The link to choose a new password is on its way." in said
    assert "una: The address is not confirmed yet" in said
    link = inbox.link_to(alice.email)
    assert link.startswith("/password/reset/")
    token = link.split("/")[3]
    pages = (LIST, f"{LIST}{alice.user.pk}/change/", f"{LIST}{alice.user.pk}/history/")
    for page in (*pages, "/admin/", "/admin/accounts/event/", "/admin/outbox/outboxmessage/"):
        assert token not in staff.get(page).content.decode()
    assert member.get("/session/").status_code == 200, "until it is used nothing changes"
    assert "password_reset.requested_by_staff" in kinds(alice)


def test_a_member_is_not_flooded_with_mail_by_staff(staff: Visitor, inbox: Inbox, alice: Person):
    for _ in range(limits.MAIL_BY_STAFF.count):
        assert "on its way" in do(staff, "send_reset", alice)
    recorded = len(kinds(alice))

    assert "alice: That was sent often enough for today." in do(staff, "send_reset", alice)
    assert len(kinds(alice)) == recorded


def test_closed_by_staff_they_are_out_are_told_and_may_come_back(
    staff: Visitor, inbox: Inbox, alice: Person, una: Person
):
    member = Visitor()
    log_in(member, alice)
    said = do(staff, "close", alice, una)

    assert "alice: The account is closed." in said
    assert "una: Closed already, or not confirmed" in said
    assert alice.user.is_closed
    assert not una.user.is_closed
    assert member.get("/session/").status_code == 401
    mail = str(inbox.mails_to(alice.email)[-1].body)
    assert "Staff closed your account" in mail
    assert "You asked" not in mail
    assert "not-me" not in mail
    assert "Closed already" in do(staff, "close", alice)
    log_in(member, alice)
    assert not alice.user.is_closed
    assert " asked" not in str(inbox.mails_to(alice.email)[-1].body)


def test_when_staff_closed_it_the_last_mail_does_not_say_that_they_asked(
    inbox: Inbox, alice: Person
):
    closing.close_by_staff(alice.user)
    with time_machine.travel(timezone.now() + timedelta(days=14)):
        erasure.say_goodbyes()
        last = inbox.mails_to(alice.email)[-1]
    assert last.subject.endswith("is erased")
    assert " asked" not in str(last.body)


def test_in_german_too_the_mail_says_that_staff_closed_it(
    staff: Visitor, inbox: Inbox, alice: Person
):
    User.objects.filter(pk=alice.user.pk).update(language="de")
    do(staff, "close", alice)
    assert "das Team hat dein Konto" in str(inbox.mails_to(alice.email)[-1].body)


def test_nobody_closes_themselves_here_nor_the_last_owner(staff: Visitor, olivia: Person):
    assert "olivia: That is you." in do(staff, "close", olivia)
    with pytest.raises(NotApplicable, match="only owner"):
        closing.close_by_staff(olivia.user)
    assert not olivia.user.is_closed


# --- for all of them ---


def test_every_act_is_on_the_page_of_a_member_and_asks_before_it_does_anything(
    staff: Visitor, alice: Person
):
    block(alice)
    page = staff.get(f"{LIST}{alice.user.pk}/change/").content.decode()
    before = kinds(alice)
    for act in ACTS:
        assert f'value="{act.name}"' in page
        asked = staff.post(LIST, chosen(act.name, alice)).content.decode()
        assert act.means.split(".")[0] in asked
        assert "alice" in asked
    assert kinds(alice) == before
    assert alice.user.is_blocked


@pytest.mark.asvs("7.5.3")
@pytest.mark.parametrize("act", [act.name for act in ACTS])
def test_what_is_dangerous_wants_a_fresh_proof(client: Visitor, olivia: Person, alice: Person, act):
    block(alice)
    with time_machine.travel(timezone.now() - timedelta(minutes=11)):
        log_in(client, olivia)
    before = kinds(alice)
    for sure in ({}, {"sure": "yes"}):
        # The menu is there twice, above and below; Django takes the one that `index` names.
        for sent in (chosen(act, alice, **sure), {**chosen(act, alice, **sure), "index": "0"}):
            answer = client.post(f"{LIST}?q=alice", sent)
            if act in DANGEROUS:
                back = quote(f"{LIST}?q=alice", safe="")
                assert answer["Location"] == f"/reauth/?next={back}"
    if act in DANGEROUS:
        assert kinds(alice) == before

    client.post("/reauth/", {"password": olivia.password})
    assert client.post(LIST, chosen(act, alice)).status_code == 200


@pytest.mark.asvs("8.2.1", "8.2.3")
def test_staff_who_are_no_owners_touch_no_owner(
    client: Visitor, inbox: Inbox, olivia: Person, alice: Person, bob: Person
):
    make_staff(alice, Permission.objects.filter(codename__endswith="user"))
    log_in(client, alice)
    block(bob)
    before = kinds(olivia)
    for act in ACTS:
        said = do(client, act.name, olivia, bob)
        assert "olivia: An owner: only owners can do that to them." in said
    page = f"{LIST}{olivia.user.pk}/change/"
    shown = client.get(page).content.decode()
    assert 'name="blocked_until_0"' not in shown
    assert "act__open" not in shown
    until = {"blocked_until_0": "2040-01-01", "blocked_until_1": "12:00:00", "block_reason": "x"}
    client.post(page, until)

    assert kinds(olivia) == before
    assert not olivia.user.is_blocked
    assert bob.user.is_closed, "the others are done"


@pytest.mark.asvs("8.2.1")
def test_staff_who_may_only_look_do_nothing(client: Visitor, alice: Person, bob: Person):
    User.objects.filter(pk=alice.user.pk).update(is_staff=True)
    alice.user.user_permissions.set(Permission.objects.filter(codename="view_user"))
    log_in(client, alice)
    before = kinds(bob)
    for act in ACTS:
        client.post(LIST, chosen(act.name, bob, sure="yes"))
    assert kinds(bob) == before
    assert "act__open" not in client.get(f"{LIST}{bob.user.pk}/change/").content.decode()


def test_what_staff_did_is_said_to_the_member_and_kept_in_the_admins_own_log(
    staff: Visitor, inbox: Inbox, olivia: Person, alice: Person, una: Person
):
    block(alice)
    for act in ("unblock", "end_sessions", "send_reset"):
        do(staff, act, alice)
    do(staff, "resend_confirmation", una)
    member = Visitor()
    log_in(member, alice)
    page = member.get("/account/activity/").content.decode()

    assert "The account is no longer blocked." in page
    assert "All your sessions were ended by staff." in page
    assert "Staff had a link to choose a new password sent to you." in page
    events = Event.objects.filter(kind__endswith="_by_staff")
    assert {(event.ip, event.user_agent) for event in events} == {("", "")}
    assert all("taff" in sentence_of(event).text for event in events)
    entries = LogEntry.objects.filter(user=olivia.user).values_list("object_id", "change_message")
    assert set(entries) == {
        (str(alice.user.pk), "No longer blocked."),
        (str(alice.user.pk), "All sessions are ended."),
        (str(alice.user.pk), "The link to choose a new password is on its way."),
        (str(una.user.pk), "The confirmation mail is on its way."),
    }


def test_a_former_member_is_left_in_peace(staff: Visitor, alice: Person):
    do(staff, "close", alice)
    user = alice.user
    user.become_tombstone()
    user.save()
    before = Event.objects.count()
    for act in ACTS:
        sent = {"action": act.name, "_selected_action": [str(user.pk)], "sure": "yes"}
        assert "Erased: there is nobody" in staff.post(LIST, sent, follow=True).content.decode()
    assert Event.objects.count() == before


def test_so_many_at_once_and_not_more(staff: Visitor, alice: Person):
    names = [f"crowd-{number}" for number in range(CHOSEN_AT_ONCE)]
    crowd = [User(email=f"{n}@example.org", username=n, username_key=n) for n in names]
    User.objects.bulk_create(crowd)
    everybody = [str(user.pk) for user in (alice.user, *crowd)]
    sent = {"action": "end_sessions", "_selected_action": everybody, "sure": "yes"}
    answer = staff.post(LIST, sent, follow=True)
    assert "Choose 80 members at most at once. Nothing was done." in answer.content.decode()
    assert "sessions.ended_by_staff" not in kinds(alice)
