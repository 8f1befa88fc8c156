"""The page of a member, for other members."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.services import members, profile
from bottomline.caller import Caller
from conftest import Person, Visitor, log_in, sign_up
from invites import services as invites


@pytest.fixture
def member(client: Visitor, alice: Person) -> Visitor:
    log_in(client, alice)
    return client


def test_members_see_each_other(member: Visitor, bob: Person):
    profile.update(
        bob.user,
        display_name="Bob the Builder",
        bio="Yes,\nwe can.",
        language="en",
        time_zone="UTC",
        caller=Caller(ip="192.0.2.1"),
    )
    page = member.get("/people/bob/").content.decode()

    assert "Bob the Builder" in page
    assert "Yes,<br>we can." in page
    assert f"{bob.user.created_at:%B %Y}" in page
    assert '/account/profile/">Change your profile' not in page


@pytest.mark.asvs("15.3.1")
def test_a_page_says_nothing_that_is_not_for_others(member: Visitor, bob: Person):
    page = member.get("/people/bob/").content.decode()
    for private in (bob.email, str(bob.user.pk), "last_login", f"{bob.user.created_at:%H:%M}"):
        assert private not in page


@pytest.mark.asvs("8.2.1")
def test_visitors_see_nobody(alice: Person):
    for name in ("alice", "nobody-here"):
        response = Visitor().get(f"/people/{name}/")
        assert response["Location"] == f"/login/?next=/people/{name}/"


def test_one_name_has_one_address(member: Visitor, bob: Person):
    response = member.get("/people/BoB/")
    assert (response.status_code, response["Location"]) == (302, "/people/bob/")
    assert member.get("/people/bob").status_code == 301


@pytest.mark.parametrize(
    "name",
    [
        "b0b",
        "b.o.b",
        "nobody-here",
        "admin",
        "x",
        "x" * 31,
        "x" * 3000,
        "%00bob",
        "b%C3%B6b",
        "%ff",
    ],
)
def test_a_name_that_is_not_theirs_leads_to_nobody(member: Visitor, bob: Person, name: str):
    assert member.get(f"/people/{name}/").status_code == 404


def test_who_is_blocked_or_not_confirmed_has_no_page(member: Visitor, bob: Person):
    sign_up(Visitor(), invites.issue(), Person("eve@example.org", "eve"))
    assert member.get("/people/eve/").status_code == 404

    members.block(bob.user, until=timezone.now() + timedelta(days=1), reason="spam")
    assert member.get("/people/bob/").status_code == 404
    members.unblock(bob.user)
    assert member.get("/people/bob/").status_code == 200


def test_ones_own_page_leads_to_changing_it(member: Visitor):
    page = member.get("/people/alice/").content.decode()
    assert "You have not said anything about yourself yet." in page
    assert "Change your profile" in page


def test_a_page_costs_the_database_a_row_and_two_of_lineage(
    member: Visitor, bob: Person, django_assert_num_queries
):
    with django_assert_num_queries(3):
        member.get("/people/bob/")
