"""Who invited whom, and stopping a branch of it."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.template import Context, Template
from django.utils import timezone

from accounts.models import Event, User
from accounts.services import members
from conftest import Inbox, Person, Visitor, confirm, log_in, make_staff, path_of, sign_up
from invites import freezing, lineage, services
from invites.errors import InvitingPaused
from invites.models import Freeze, Invite, Redemption


def bring_in(inviter: Person, name: str, inbox: Inbox) -> Person:
    person, visitor = Person(f"{name}@example.org", name), Visitor()
    invite = services.issue(issuer=inviter.user)
    assert sign_up(visitor, invite, person).status_code == 200
    confirm(visitor, inbox.link_to(person.email))
    return person


def bring_in_many(inviter: User, how_many: int) -> list[User]:
    """As though so many had come in; through the front door it would take a minute."""
    invite = Invite.objects.create(
        issuer=inviter, max_uses=how_many, expires_at=timezone.now() + timedelta(days=1)
    )
    people = [
        User(
            email=f"{name}@example.org",
            username=name,
            username_key=name,
            email_confirmed_at=timezone.now(),
        )
        for name in (f"{inviter.username[:10]}-{invite.pk}-{number}" for number in range(how_many))
    ]
    User.objects.bulk_create(people)
    Redemption.objects.bulk_create(Redemption(invite=invite, user=person) for person in people)
    return people


@pytest.fixture
def carol(alice: Person, inbox: Inbox) -> Person:
    """Came in by Alice."""
    return bring_in(alice, "carol", inbox)


@pytest.fixture
def dora(carol: Person, inbox: Inbox) -> Person:
    """Came in by Carol, who came in by Alice."""
    return bring_in(carol, "dora", inbox)


def freeze(root: Person, by: Person, reason: str = "Spam from here") -> bool:
    return freezing.freeze(root.user, reason=reason, by=by.user)


def names(users) -> list[str]:
    return [user.username for user in users]


# --- The tree ---


def test_the_tree_is_known_up_and_down(alice: Person, bob: Person, carol: Person, dora: Person):
    assert names(lineage.above(dora.user)) == ["alice", "carol"]
    assert names(lineage.above(alice.user)) == []
    assert names(lineage.branch(alice.user)) == ["carol", "dora"]
    assert names(lineage.branch(bob.user)) == []


def test_the_tree_shows_levels_and_says_where_it_is_cut(alice: Person):
    line = [alice.user]
    for _ in range(lineage.SHOWN_LEVELS + 1):
        line += bring_in_many(line[-1], 1)

    node = lineage.tree(alice.user)
    for person in line[1:-1]:
        assert not node.is_cut
        [node] = node.below
        assert node.member == person
    assert node.is_cut
    assert node.below == []


def test_the_tree_shows_the_first_of_a_large_branch(staff: Visitor, alice: Person):
    most = lineage.SHOWN_MEMBERS
    people = bring_in_many(alice.user, most + 1)
    shown = lineage.tree(alice.user).below
    assert len(shown) == most
    assert {node.member for node in shown} < set(people)
    page = staff.get(branch_of(alice)).content.decode()
    assert f"{most + 1} people below" in page
    assert f"The first {most} are shown." in page


def test_a_ring_in_the_rows_ends(alice: Person, carol: Person):
    """There is no way to make one; should a hand have, nothing hangs."""
    invite = Invite.objects.create(issuer=carol.user, expires_at=timezone.now() + timedelta(days=1))
    Redemption.objects.filter(user=alice.user).update(invite=invite)
    assert names(lineage.branch(alice.user)) == ["carol"]
    assert names(lineage.above(alice.user)) == ["carol"]
    assert not Freeze.objects.over(alice.user).exists()


def test_the_tree_outlives_a_blocked_member(
    alice: Person, carol: Person, dora: Person, olivia: Person
):
    members.block(carol.user, until=timezone.now() + timedelta(days=1), reason="spam")
    assert names(lineage.above(dora.user)) == ["alice", "carol"]
    freeze(alice, olivia)
    assert Freeze.objects.over(dora.user).exists()


# --- The profile ---


def shown(person: Person) -> str:
    template = Template("{% load lineage %}{% lineage person %}")
    return template.render(Context({"person": person.user}))


def test_a_profile_says_who_invited_and_whom_they_brought(
    alice: Person, carol: Person, dora: Person
):
    page = shown(carol)
    assert 'Invited by <a href="/people/alice/">alice</a>.' in page
    assert "Brought in 1 person" in page
    assert '<a href="/people/dora/">dora</a>' in page
    assert "Let in by The Bottom Line itself." in shown(alice)
    assert "Brought in" not in shown(dora)


def test_a_profile_shows_neither_the_blocked_nor_those_who_never_confirmed(
    alice: Person, carol: Person, dora: Person
):
    sign_up(Visitor(), services.issue(issuer=alice.user), Person("eve@example.org", "evelyn"))
    members.block(carol.user, until=timezone.now() + timedelta(days=1), reason="spam")
    assert "Brought in" not in shown(alice)
    assert "Invited by carol." in shown(dora)


def test_a_profile_costs_the_same_however_many_came(alice: Person, django_assert_num_queries):
    member = alice.user
    for _ in range(2):
        bring_in_many(member, 5)
        with django_assert_num_queries(2):
            found = lineage.of(member)
    assert found.guest_count == 10
    bring_in_many(member, lineage.SHOWN_GUESTS)
    with django_assert_num_queries(3):
        page = shown_of(member)
    assert f"Brought in {lineage.SHOWN_GUESTS + 10} people" in page
    assert f"These are the first {lineage.SHOWN_GUESTS}." in page


def shown_of(member: User) -> str:
    return Template("{% load lineage %}{% lineage person %}").render(Context({"person": member}))


# --- Freezing ---


def test_nobody_in_a_frozen_branch_invites(
    alice: Person, bob: Person, carol: Person, dora: Person, olivia: Person
):
    freeze(carol, olivia)
    for person in (carol, dora):
        with pytest.raises(InvitingPaused):
            services.issue(issuer=person.user)
    for person in (alice, bob):
        services.issue(issuer=person.user)


def test_the_open_invites_of_a_frozen_branch_do_not_open_until_it_is_thawed(
    alice: Person, carol: Person, dora: Person, olivia: Person
):
    frozen, free = (services.issue(issuer=person.user) for person in (dora, alice))
    freeze(carol, olivia)
    eve = Person("eve@example.org", "evelyn")

    assert Visitor().get(path_of(frozen)).status_code == 410
    assert sign_up(Visitor(), frozen, eve).status_code == 410
    assert Visitor().get(path_of(free)).status_code == 200

    freezing.thaw(carol.user)
    assert sign_up(Visitor(), frozen, eve).status_code == 200


def test_thawing_one_branch_leaves_the_freeze_above_it(
    alice: Person, carol: Person, olivia: Person
):
    freeze(alice, olivia)
    freeze(carol, olivia)
    freezing.thaw(carol.user)
    with pytest.raises(InvitingPaused):
        services.issue(issuer=carol.user)


def test_a_branch_is_frozen_once_at_a_time(alice: Person, olivia: Person):
    assert freeze(alice, olivia)
    assert not freeze(alice, olivia, "again")
    assert Freeze.objects.get().reason == "Spam from here"
    assert freezing.thaw(alice.user)
    assert not freezing.thaw(alice.user)
    assert freeze(alice, olivia)


def test_a_frozen_member_is_told_to_contact_support(
    client: Visitor, alice: Person, olivia: Person, inbox: Inbox
):
    bound = services.issue(issuer=alice.user, email="eve@example.org", lifetime=timedelta(days=1))
    freeze(alice, olivia)
    log_in(client, alice)
    page = client.get("/account/invites/").content.decode()
    assert "Inviting is paused for you." in page
    assert "Write to us" in page
    assert "Paused" in page
    assert "<form class" not in page
    assert "Spam from here" not in page

    fields = {"uses": "1", "days": "7", "label": "typed with care"}
    refused = client.post("/account/invites/", fields)
    assert refused.status_code == 422
    assert "Inviting is paused for you. Write to us." in refused.content.decode()
    assert "typed with care" in refused.content.decode()

    for act in ("mail", "extend"):
        client.post(f"/account/invites/{bound.public_id}/{act}/")
        assert "Inviting is paused for you." in client.get("/account/invites/").content.decode()
    assert Invite.objects.get(pk=bound.pk).expires_at == bound.expires_at
    assert not inbox.mails_to("eve@example.org")
    # Whoever wants to take an invite back may.
    client.post(f"/account/invites/{bound.public_id}/revoke/")
    assert Invite.objects.get(pk=bound.pk).revoked_at


@pytest.mark.asvs("8.3.3")
def test_a_mail_promised_before_the_freeze_is_not_sent(alice: Person, olivia: Person, inbox: Inbox):
    services.issue(issuer=alice.user, email="eve@example.org", mail=True)
    freeze(alice, olivia)
    assert not inbox.mails_to("eve@example.org")


# --- In the admin ---


@pytest.fixture
def staff(olivia: Person) -> Visitor:
    visitor = Visitor()
    log_in(visitor, olivia)
    return visitor


def branch_of(person: Person) -> str:
    return f"/admin/invites/freeze/of/{person.user.pk}/"


def test_staff_reach_the_tree_from_the_member_and_see_it(
    staff: Visitor, alice: Person, carol: Person, dora: Person
):
    page = staff.get(f"/admin/accounts/user/{carol.user.pk}/change/").content.decode()
    assert branch_of(carol) in page

    page = staff.get(branch_of(carol)).content.decode()
    assert branch_of(alice) in page
    assert branch_of(dora) in page
    assert "1 person below" in page


def test_staff_freeze_and_thaw_with_a_reason_and_it_is_logged(
    staff: Visitor, olivia: Person, alice: Person, carol: Person
):
    assert staff.post(branch_of(alice), {"reason": ""}).status_code == 422
    assert not Freeze.objects.exists()
    assert staff.post(branch_of(alice), {"reason": "Spam ring"}).status_code == 302

    page = staff.get(branch_of(carol)).content.decode()
    assert "Inviting is frozen here" in page
    assert "Spam ring" in page
    with pytest.raises(InvitingPaused):
        services.issue(issuer=carol.user)
    listed = staff.get("/admin/invites/freeze/").content.decode()
    assert branch_of(alice) in listed

    assert staff.post(branch_of(alice), {"thaw": "1"}).status_code == 302
    services.issue(issuer=carol.user)
    logged = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert ["Froze the branch: Spam ring" in logged[0], "Thawed" in logged[1]] == [True, True]
    events = Event.objects.filter(user_id=alice.user.pk, kind__startswith="invites.")
    assert sorted(events.values_list("kind", flat=True)) == ["invites.frozen", "invites.thawed"]
    assert {event.ip for event in events} <= {"", None}, "where staff were is not for a member"


def test_staff_look_through_the_open_invites_of_a_branch_and_revoke_those_chosen(
    staff: Visitor, alice: Person, bob: Person, carol: Person, dora: Person
):
    _, by_dora, by_bob = (
        services.issue(issuer=person.user, label=person.username) for person in (alice, dora, bob)
    )
    path = branch_of(alice) + "revoke/"
    page = staff.get(path)
    text = page.content.decode()
    assert page.context["count"] == 2
    assert str(by_bob.public_id) not in text
    assert by_dora.link not in text

    chosen = [by_dora.public_id, by_bob.public_id, "nonsense"]
    assert staff.post(path, {"invite": chosen}).status_code == 302
    states = {invite.label: bool(invite.revoked_at) for invite in Invite.objects.exclude(label="")}
    assert states == {"alice": False, "dora": True, "bob": False}, "only what is of the branch"
    assert (
        LogEntry.objects.filter(change_message__contains=f"branch of {alice.user.pk}").count() == 1
    )
    assert staff.get(path).context["count"] == 1


def test_looking_at_the_review_revokes_nothing(staff: Visitor, alice: Person):
    invite = services.issue(issuer=alice.user)
    staff.get(branch_of(alice) + "revoke/")
    assert Visitor().get(path_of(invite)).status_code == 200


@pytest.mark.asvs("8.2.1")
def test_staff_need_the_permission_for_each_act(alice: Person, bob: Person):
    make_staff(bob)
    visitor = Visitor()
    log_in(visitor, bob)
    invite = services.issue(issuer=alice.user)

    def statuses() -> list[int]:
        return [
            visitor.get(branch_of(alice)).status_code,
            visitor.post(branch_of(alice), {"reason": "x"}).status_code,
            visitor.post(branch_of(alice), {"thaw": "1"}).status_code,
            visitor.get(branch_of(alice) + "revoke/").status_code,
            visitor.post(branch_of(alice) + "revoke/", {"invite": [invite.public_id]}).status_code,
        ]

    assert statuses() == [403] * 5
    bob.user.user_permissions.add(Permission.objects.get(codename="view_freeze"))
    assert statuses() == [200] + [403] * 4
    assert "Freeze the branch" not in visitor.get(branch_of(alice)).content.decode()
    assert not Freeze.objects.exists()


@pytest.mark.asvs("8.2.1")
@pytest.mark.parametrize("path", ["", "revoke/"])
def test_a_member_sees_no_branch(client: Visitor, alice: Person, path: str):
    log_in(client, alice)
    assert client.get(branch_of(alice) + path).status_code in {302, 403}


def test_a_member_of_staff_whose_branch_is_frozen_issues_nothing(staff: Visitor, olivia: Person):
    freeze(olivia, olivia)
    assert staff.get("/admin/invites/invite/add/").status_code == 403


def test_a_branch_page_costs_the_same_however_large_the_branch(
    staff: Visitor, alice: Person, django_assert_max_num_queries
):
    for guest in bring_in_many(alice.user, 6):
        bring_in_many(guest, 1)
    with django_assert_max_num_queries(10):
        staff.get(branch_of(alice))
    with django_assert_max_num_queries(5):
        staff.get(branch_of(alice) + "revoke/")


def test_a_freeze_holds_whatever_day_it_is(alice: Person, olivia: Person):
    freeze(alice, olivia)
    with (
        time_machine.travel(timezone.now() + timedelta(days=400)),
        pytest.raises(InvitingPaused),
    ):
        services.issue(issuer=alice.user)
