"""What an inviter hears of those who come in by them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.services import members
from bottomline.outbox.models import OutboxMessage
from conftest import Inbox, Person, Visitor, confirm, sign_up
from invites import services

CAROL = Person("carol@example.org", "carol")


def test_an_inviter_is_told_who_joined_and_on_which_invite_but_not_the_address(
    alice: Person, inbox: Inbox
):
    invite = services.issue(issuer=alice.user, email=CAROL.email, label="Carol from chess")
    sign_up(Visitor(), invite, CAROL)
    before = len(inbox.mails_to(alice.email))
    confirm(Visitor(), inbox.link_to(CAROL.email))

    told = inbox.mails_to(alice.email)[before:]
    assert [mail.subject for mail in told] == ["Somebody joined on your invite"]
    assert "carol joined The Bottom Line on your invite “Carol from chess”" in told[0].body
    assert "https://door.example.org/people/carol/" in told[0].body
    assert CAROL.email not in str(told[0].message())


def test_a_sign_up_that_is_not_confirmed_tells_nobody(alice: Person, inbox: Inbox):
    before = len(inbox.mails_to(alice.email))
    sign_up(Visitor(), services.issue(issuer=alice.user), CAROL)
    assert len(inbox.mails_to(alice.email)) == before


def test_an_inviter_is_told_once(alice: Person, inbox: Inbox):
    visitor = Visitor()
    sign_up(visitor, services.issue(issuer=alice.user), CAROL)
    link = inbox.link_to(CAROL.email)
    token = visitor.get(link).context["token"]
    for _ in range(3):
        visitor.post("/confirm_account/", {"confirmation": token})
    assert OutboxMessage.objects.filter(kind="guest_joined").count() == 1


def test_the_inviter_of_the_sign_up_that_was_confirmed_is_told(
    alice: Person, bob: Person, inbox: Inbox
):
    sign_up(Visitor(), services.issue(issuer=alice.user), CAROL)
    sign_up(Visitor(), services.issue(issuer=bob.user), Person(CAROL.email, "caroline"))
    confirm(Visitor(), inbox.link_to(CAROL.email))
    subjects = {p.username: [m.subject for m in inbox.mails_to(p.email)] for p in (alice, bob)}
    assert "Somebody joined on your invite" in subjects["bob"]
    assert "Somebody joined on your invite" not in subjects["alice"]


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_nothing_is_sent_when_either_was_blocked_meanwhile(alice: Person, inbox: Inbox, who: str):
    sign_up(Visitor(), services.issue(issuer=alice.user), CAROL)
    visitor, link = Visitor(), inbox.link_to(CAROL.email)
    confirm(visitor, link)
    members.block(
        User.objects.get(username=who), until=timezone.now() + timedelta(days=1), reason="spam"
    )
    told = [mail.subject for mail in inbox.mails_to(alice.email)]
    assert "Somebody joined on your invite" not in told
    assert OutboxMessage.objects.get(kind="guest_joined").status == "moot"


def test_whoever_came_in_on_an_invite_of_ours_is_announced_to_nobody(alice: Person):
    assert not OutboxMessage.objects.filter(kind="guest_joined").exists()


def test_the_mail_speaks_the_inviters_language(alice: Person, inbox: Inbox):
    User.objects.filter(pk=alice.user.pk).update(language="de")
    sign_up(Visitor(), services.issue(issuer=alice.user), CAROL)
    confirm(Visitor(), inbox.link_to(CAROL.email))
    assert inbox.mails_to(alice.email)[-1].subject == "Jemand ist mit deiner Einladung beigetreten"
