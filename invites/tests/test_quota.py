"""How many people a member may invite, and what gives an invite back."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from accounts.services import members
from conftest import Inbox, Person, Visitor, confirm, log_in, sign_up
from invites import quota, services
from invites.errors import QuotaSpent
from invites.models import Invite


def left(person: Person) -> int:
    counted = quota.of(person.user)
    assert counted
    return counted.left


def create(visitor: Visitor, **fields: str):
    return visitor.post("/account/invites/", {"uses": "1", "days": "7", **fields})


def bring_in(inbox: Inbox, inviter: Person, name: str, email: str = "") -> Person:
    person = Person(email or f"{name}@example.org", name)
    visitor = Visitor()
    assert sign_up(visitor, services.issue(issuer=inviter.user), person).status_code == 200
    confirm(visitor, inbox.link_to(person.email))
    return person


def test_a_member_begins_with_five_and_sees_how_many_are_left(client: Visitor, alice: Person):
    log_in(client, alice)
    assert "You can invite <strong>5 more people</strong>" in page_of(client)
    create(client, uses="4")
    assert "You can invite <strong>1 more person</strong>" in page_of(client)
    create(client)
    assert "You have no invites left" in page_of(client)
    assert "<form class" not in page_of(client)


@pytest.mark.asvs("2.3.2")
def test_one_more_than_allowed_is_refused_and_nothing_typed_is_lost(client: Visitor, alice: Person):
    log_in(client, alice)
    create(client, uses="3")
    page = create(client, uses="3", label="The reading group", note="Bring a book")

    assert page.status_code == 422
    text = page.content.decode()
    assert "You can invite 2 more people now: set this to 2 or fewer." in text
    assert "The reading group" in text
    assert "Bring a book" in text
    assert Invite.objects.filter(issuer=alice.user).count() == 1


@pytest.mark.asvs("2.3.2")
def test_with_none_left_the_answer_says_how_one_comes_back(client: Visitor, alice: Person):
    log_in(client, alice)
    create(client, uses="5")
    page = create(client, label="One too many")

    assert page.status_code == 422
    assert "You have no invites left." in page.content.decode()
    assert "One too many" in page.content.decode()


def test_an_invite_that_is_revoked_or_runs_out_comes_back(client: Visitor, alice: Person):
    services.issue(issuer=alice.user, uses=3)
    short = services.issue(issuer=alice.user, uses=2, lifetime=timedelta(hours=1))
    assert left(alice) == 0

    services.revoke(short)
    assert left(alice) == 2
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert left(alice) == 5


def test_what_was_used_of_an_invite_stays_used(alice: Person, inbox: Inbox):
    invite = services.issue(issuer=alice.user, uses=3)
    sign_up(Visitor(), invite, Person("carol@example.org", "carol"))
    services.revoke(invite)
    assert left(alice) == 4


def test_a_sign_up_that_nobody_confirms_comes_back(alice: Person):
    invite = services.issue(issuer=alice.user)
    sign_up(Visitor(), invite, Person("carol@example.org", "carol"))
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert left(alice) == 4
        sum(members.prune_unconfirmed())
        assert left(alice) == 5


def test_a_guest_who_stays_earns_their_inviter_another(alice: Person, inbox: Inbox):
    bring_in(inbox, alice, "carol")
    assert left(alice) == 4
    with time_machine.travel(timezone.now() + timedelta(days=29)):
        assert left(alice) == 4
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        assert left(alice) == 5


def test_what_is_earned_is_a_setting(alice: Person, inbox: Inbox, settings):
    bring_in(inbox, alice, "carol")
    settings.INVITE_ALLOWANCE, settings.INVITE_EARNED = 2, 3
    settings.INVITE_EARNED_AFTER_DAYS = 10
    assert left(alice) == 1
    with time_machine.travel(timezone.now() + timedelta(days=11)):
        assert left(alice) == 4
        settings.INVITE_EARNED = 0
        assert left(alice) == 1


def test_a_guest_who_was_blocked_earns_nobody_anything(alice: Person, inbox: Inbox):
    carol = bring_in(inbox, alice, "carol")
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        members.block(carol.user, until=timezone.now() + timedelta(days=1), reason="spam")
        assert left(alice) == 4
        members.unblock(carol.user)
        assert left(alice) == 5


@pytest.mark.asvs("2.4.1")
def test_ones_own_other_addresses_earn_nothing(alice: Person, inbox: Inbox):
    """And several of one mailbox earn as much as one."""
    bring_in(inbox, alice, "alicia", "alice+two@example.org")
    bring_in(inbox, alice, "carol", "carol@example.org")
    bring_in(inbox, alice, "caroline", "carol+again@example.org")
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        assert left(alice) == 5 - 3 + 1


@pytest.mark.parametrize("email", ["alice@example.org", "Alice+me@Example.org"])
def test_nobody_invites_themselves(client: Visitor, alice: Person, email: str):
    log_in(client, alice)
    page = create(client, email=email)
    assert page.status_code == 422
    assert "That is your own address." in page.content.decode()
    assert left(alice) == 5


def test_staff_are_not_limited(olivia: Person):
    services.issue(issuer=olivia.user, uses=1000)
    services.issue(issuer=olivia.user, uses=1000)
    assert quota.of(olivia.user) is None


def test_the_quota_of_another_is_their_own(alice: Person, bob: Person):
    services.issue(issuer=alice.user, uses=5)
    assert left(bob) == 5


@pytest.mark.asvs("2.3.4")
@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_of_several_at_once_no_more_are_made_than_allowed(alice: Person):
    member = alice.user
    outcomes: list[str] = []
    gate = threading.Barrier(8)

    def issue() -> None:
        gate.wait()
        try:
            services.issue(issuer=member)
            outcomes.append("issued")
        except QuotaSpent:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=issue) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["issued"] * 5 + ["refused"] * 3


def page_of(visitor: Visitor) -> str:
    return visitor.get("/account/invites/").content.decode()
