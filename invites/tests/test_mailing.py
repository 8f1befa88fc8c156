"""Mailing an invite, mailing it again, and giving it more time: always the same link."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Event, User
from bottomline.outbox.models import OutboxMessage
from conftest import Inbox, Person, Visitor, commits, confirm, log_in, path_of, sign_up
from invites import services
from invites.models import Invite
from invites.words import for_a_stranger, names_a_site

CAROL = Person("carol@example.org", "carol")


def create(visitor: Visitor, **fields: str):
    return visitor.post("/account/invites/", {"uses": "1", "days": "7", **fields})


def create_mailed(visitor: Visitor, email: str = CAROL.email, **fields: str) -> Invite:
    assert create(visitor, email=email, mail="on", **fields).status_code == 302
    return Invite.objects.latest("created_at")


def mail_again(visitor: Visitor, invite: Invite) -> int:
    return visitor.post(f"/account/invites/{invite.public_id}/mail/").status_code


@pytest.fixture
def member(alice: Person) -> Visitor:
    visitor = Visitor()
    log_in(visitor, alice)
    return visitor


def test_an_invite_is_mailed_and_its_link_lets_them_in(member: Visitor, inbox: Inbox):
    invite = create_mailed(member, note="The kettle is on")
    [mail] = inbox.mails_to(CAROL.email)

    assert mail.subject == "You are invited to The Bottom Line"
    assert "alice invites you to join The Bottom Line" in mail.body
    assert "“The kettle is on”" in mail.body
    assert invite.decline_link in mail.body
    assert inbox.link_to(CAROL.email) == path_of(invite)
    assert sign_up(Visitor(), invite, CAROL).status_code == 200
    assert "Mailed" in member.get("/account/invites/").content.decode()


def test_without_being_asked_to_nothing_is_mailed(member: Visitor, inbox: Inbox):
    create(member, email=CAROL.email)
    assert not inbox.mails_to(CAROL.email)


def test_it_is_mailed_later_when_the_inviter_says_so(member: Visitor, inbox: Inbox):
    create(member, email=CAROL.email)
    assert mail_again(member, Invite.objects.latest("created_at")) == 302
    assert len(inbox.mails_to(CAROL.email)) == 1


def test_sent_again_it_is_the_same_link(member: Visitor, inbox: Inbox):
    invite = create_mailed(member)
    first = inbox.link_to(CAROL.email)
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        assert mail_again(member, invite) == 302
        assert len(inbox.mails_to(CAROL.email)) == 2
        assert inbox.link_to(CAROL.email) == first


@pytest.mark.asvs("2.4.1")
def test_an_invite_is_sent_once_a_minute_and_three_times_a_day(member: Visitor, inbox: Inbox):
    invite, now = create_mailed(member), timezone.now()
    assert mail_again(member, invite) == 429
    answers = []
    for minutes in (3, 6, 9):
        with time_machine.travel(now + timedelta(minutes=minutes)):
            answers.append(mail_again(member, invite))
            sent = len(inbox.mails_to(CAROL.email))
    assert answers == [302, 302, 429]
    assert sent == 3


@pytest.mark.asvs("2.4.1")
def test_one_mailbox_is_not_flooded_by_many_invites_or_many_members(
    member: Visitor, bob: Person, inbox: Inbox, settings
):
    """And whoever is over that limit is not told, for it says what others do."""
    settings.INVITE_ALLOWANCE = 100
    for n in range(4):
        create_mailed(member, f"carol+{n}@example.org")
    other = Visitor()
    log_in(other, bob)
    for n in range(4, 8):
        create_mailed(other, f"carol+{n}@example.org")
    sent = sum(len(inbox.mails_to(f"carol+{n}@example.org")) for n in range(8))
    assert sent == 5


def test_a_member_mails_twenty_a_day(member: Visitor, alice: Person, settings):
    settings.INVITE_ALLOWANCE = 100
    invites = [services.issue(issuer=alice.user, email=f"p{n}@example.org") for n in range(20)]
    invites.append(
        Invite.objects.create(
            issuer=alice.user,
            email="p20@example.org",
            expires_at=timezone.now() + timedelta(days=1),
        )
    )
    answers = [mail_again(member, invite) for invite in invites]
    assert answers == [302] * 20 + [429]


@pytest.mark.asvs("6.3.8")
def test_somebody_with_an_account_is_not_mailed_and_the_inviter_does_not_learn(
    member: Visitor, bob: Person, inbox: Inbox
):
    before = len(inbox.mails_to(bob.email))
    known = create(member, email=bob.email, mail="on", label="x")
    page_known = member.get("/account/invites/").content.decode()
    new = create(member, email=CAROL.email, mail="on", label="x")

    assert (known.status_code, known["Location"]) == (new.status_code, new["Location"])
    assert "we are writing to them" in page_known
    assert "Mailed" in page_known
    assert len(inbox.mails_to(bob.email)) == before
    assert OutboxMessage.objects.filter(kind="invite").count() == 2


def test_an_invite_that_was_used_or_revoked_meanwhile_is_not_sent(alice: Person, inbox: Inbox):
    with commits():
        invite = services.issue(issuer=alice.user, email=CAROL.email, mail=True)
        services.revoke(invite)
    assert not inbox.mails_to(CAROL.email)
    assert OutboxMessage.objects.get(kind="invite").status == "moot"


@pytest.mark.asvs("8.2.2")
@pytest.mark.parametrize("act", ["mail", "extend"])
def test_nobody_mails_or_extends_the_invite_of_another(
    member: Visitor, bob: Person, inbox: Inbox, act: str
):
    invite = services.issue(issuer=bob.user, email=CAROL.email)
    assert member.post(f"/account/invites/{invite.public_id}/{act}/").status_code == 404
    assert not inbox.mails_to(CAROL.email)
    assert Invite.objects.get(pk=invite.pk).expires_at == invite.expires_at


def test_an_invite_for_nobody_in_particular_is_not_mailed(member: Visitor, alice: Person):
    page = create(member, mail="on")
    assert page.status_code == 422
    assert "Enter the address to mail it to." in page.content.decode()

    invite = services.issue(issuer=alice.user)
    member.post(f"/account/invites/{invite.public_id}/mail/")
    assert not OutboxMessage.objects.filter(kind="invite").exists()


# --- What a member may have us say ---


@pytest.mark.parametrize(
    "note",
    [
        "see http://evil.test/x",
        "see HTTPS://evil.test",
        "look at www.evil",
        "evil.com has it",
        "evil.com/login",
        "write to me@evil.org",
        "b\u00fccher.de",
        "\uff45vil\uff0ecom",
        "evil\u3002com",
        "evil.\u200bcom",
        "evil.c\u00adom",
        "evil\u2060.com",
        "evil.c\u034fo\ufe0fm",
        "ftp://x",
    ],
)
@pytest.mark.asvs("1.2.1")
def test_a_note_carries_no_address_of_another_site(member: Visitor, note: str):
    page = create(member, note=note, label="Carol")
    assert page.status_code == 422
    assert "Leave out web and mail addresses." in page.content.decode()
    assert not Invite.objects.filter(label="Carol").exists()


@pytest.mark.parametrize(
    "note",
    ["Come in, the kettle is on.", "At 8 p.m., e.g. on 3.4.", "So...where are you?", "It’s 3.50 €"],
)
def test_a_note_may_have_dots(note: str):
    assert not names_a_site(note)


def test_what_a_member_wrote_cannot_look_like_what_we_wrote(member: Visitor, inbox: Inbox):
    create_mailed(member, note="Hi\n\n--\nYour account is locked <b>now</b>")
    [mail] = inbox.mails_to(CAROL.email)
    assert "“Hi -- Your account is locked <b>now</b>”" in mail.body
    page = mail.alternatives[0][0]
    assert "<b>now" not in page
    assert "&lt;b&gt;now" in page
    assert for_a_stranger("\u202eevol\u202c  you") == "evol you"


def test_a_display_name_is_shown_with_the_username_and_never_as_a_link(
    member: Visitor, alice: Person, inbox: Inbox
):
    User.objects.filter(pk=alice.user.pk).update(display_name="Alice Liddell")
    create_mailed(member)
    assert "Alice Liddell (alice) invites you" in inbox.mails_to(CAROL.email)[-1].body

    User.objects.filter(pk=alice.user.pk).update(display_name="Win at evil.com")
    create_mailed(member, "dora@example.org")
    assert "\nalice invites you" in inbox.mails_to("dora@example.org")[-1].body


@pytest.mark.asvs("1.2.1")
def test_a_username_that_looks_like_a_site_is_nowhere_a_link(
    member: Visitor, alice: Person, inbox: Inbox
):
    names = {"username": "login.evil.com", "display_name": "login.evil.com"}
    User.objects.filter(pk=alice.user.pk).update(**names)
    invite = create_mailed(member)
    [invited] = inbox.mails_to(CAROL.email)
    page = Visitor().get(path_of(invite)).content.decode()
    sign_up(Visitor(), invite, Person(CAROL.email, "carol.evil.com"))
    confirming = inbox.mails_to(CAROL.email)[-1]
    confirm(Visitor(), inbox.link_to(CAROL.email))
    joined = inbox.mails_to(alice.email)[-1]

    assert "login-evil-com has invited you" in page
    assert "login-evil-com invites you" in invited.body
    assert "Hello carol-evil-com," in confirming.body
    assert "carol-evil-com joined" in joined.body
    assert "https://door.example.org/people/carol.evil.com/" in joined.body
    for text in (page, str(invited.message()), str(confirming.message())):
        assert "evil.com" not in text


def test_the_mail_speaks_the_inviters_language(member: Visitor, alice: Person, inbox: Inbox):
    User.objects.filter(pk=alice.user.pk).update(language="de", time_zone="Europe/Berlin")
    create_mailed(member)
    [mail] = inbox.mails_to(CAROL.email)
    assert mail.subject == "Du bist zu The Bottom Line eingeladen"
    assert "alice lädt dich zu The Bottom Line ein" in mail.body
    assert " CE" in mail.body  # CET or CEST


@pytest.mark.asvs("14.2.6")
def test_the_outbox_keeps_no_address_and_no_link(member: Visitor):
    invite = create_mailed(member)
    row = OutboxMessage.objects.get(kind="invite")
    assert row.subject == str(invite.public_id)


# --- Opened ---


def test_the_inviter_sees_when_the_page_was_first_opened(member: Visitor, alice: Person):
    invite = services.issue(issuer=alice.user)
    Visitor().head(path_of(invite))
    member.get(path_of(invite))  # looking at one's own invite does not count
    assert Invite.objects.get(pk=invite.pk).opened_at is None

    Visitor().get(path_of(invite))
    first = Invite.objects.get(pk=invite.pk).opened_at
    assert first
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        Visitor().get(path_of(invite))
    assert Invite.objects.get(pk=invite.pk).opened_at == first
    assert "Opened" in member.get("/account/invites/").content.decode()


def test_the_inviter_sees_who_came_in_and_when(member: Visitor, alice: Person, inbox: Inbox):
    invite = services.issue(issuer=alice.user, uses=2)
    sign_up(Visitor(), invite, CAROL)
    page = member.get("/account/invites/").content.decode()
    assert "carol signed up, and has yet to confirm" in page
    assert "/people/carol/" not in page

    User.objects.filter(username="carol").update(email_confirmed_at=timezone.now())
    page = member.get("/account/invites/").content.decode()
    assert '<a href="/people/carol/">carol</a> joined' in page
    assert CAROL.email not in page


# --- Extending ---


def extend(visitor: Visitor, invite: Invite) -> Invite:
    assert visitor.post(f"/account/invites/{invite.public_id}/extend/").status_code == 302
    return Invite.objects.get(pk=invite.pk)


def test_an_invite_gets_another_week_under_the_same_link(member: Visitor, alice: Person):
    invite = services.issue(issuer=alice.user, lifetime=timedelta(days=1))
    extended = extend(member, invite)

    assert extended.link == invite.link
    week = timezone.now() + timedelta(days=7)
    assert extended.expires_at == pytest.approx(week, abs=timedelta(seconds=20))


def test_a_member_extends_twenty_times_a_day(still_clock, member: Visitor, alice: Person):
    """Each is an event, and nobody is to fill a history."""
    invite = services.issue(issuer=alice.user, lifetime=timedelta(days=1))
    for _ in range(20):
        extend(member, invite)
    assert member.post(f"/account/invites/{invite.public_id}/extend/").status_code == 429
    assert Event.objects.filter(kind="invite.extended").count() == 20


def test_extending_never_shortens(member: Visitor, alice: Person):
    invite = services.issue(issuer=alice.user, lifetime=timedelta(days=20))
    assert extend(member, invite).expires_at == invite.expires_at


def test_an_expired_invite_opens_again_if_there_is_room_for_it(alice: Person, settings):
    invite = services.issue(issuer=alice.user, lifetime=timedelta(days=1), uses=3)
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        visitor = Visitor()
        log_in(visitor, alice)
        assert Visitor().get(path_of(invite)).status_code == 410
        other = services.issue(issuer=alice.user, uses=3)

        extend(visitor, invite)
        assert (
            "You can invite 2 more people now" in visitor.get("/account/invites/").content.decode()
        )
        assert Visitor().get(path_of(invite)).status_code == 410

        services.revoke(other)
        extend(visitor, invite)
        assert Visitor().get(path_of(invite)).status_code == 200


def test_what_is_over_for_good_is_not_extended(member: Visitor, alice: Person):
    revoked = services.issue(issuer=alice.user)
    services.revoke(revoked)
    used = services.issue(issuer=alice.user)
    sign_up(Visitor(), used, CAROL)
    for invite in (revoked, used):
        assert extend(member, invite).expires_at == invite.expires_at
        assert Visitor().get(path_of(invite)).status_code == 410
