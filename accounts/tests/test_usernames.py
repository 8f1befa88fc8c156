"""Changing one's username, and what happens to the old one."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from accounts import limits
from accounts.errors import Refusal
from accounts.models import Event, FormerUsername
from accounts.services import members, usernames
from bottomline import cleaning
from bottomline.caller import Caller
from conftest import Person, Visitor, commits, join, log_in, sign_up
from invites import services as invites

HERE = Caller(ip="192.0.2.1")
DAY = timedelta(days=1)


@contextmanager
def later(days: int) -> Iterator[None]:
    """So many days on, for Redis too, whose clock does not move along."""
    with time_machine.travel(timezone.now() + days * DAY):
        cache.clear()
        yield


def rename(visitor: Visitor, username: str):
    return visitor.post("/account/profile/username/", {"username": username})


def change(person: Person, username: str) -> None:
    with commits():
        usernames.change(person.user, username, caller=HERE)
    person.username = username


def is_free(username: str, visitor: Visitor | None = None) -> bool:
    return (visitor or Visitor()).get("/signup/username/", {"u": username}).json()["free"]


@pytest.fixture
def member(client: Visitor, alice: Person) -> Visitor:
    log_in(client, alice)
    return client


def test_a_member_takes_another_name(member: Visitor, alice: Person):
    other = Visitor()
    log_in(other, alice)
    assert rename(member, "countess")["Location"] == "/account/profile/"

    assert (alice.user.username, alice.user.username_key) == ("countess", "countess")
    for browser in (other, member):
        assert browser.get("/session/").json()["user"]["username"] == "countess"
    assert "You have a new username." in member.get("/account/profile/").content.decode()
    event = Event.objects.get(kind="username.changed")
    assert (event.user_id, event.details) == (alice.user.pk, {})
    log_in(Visitor(), Person(alice.email, "countess"))


def test_the_old_name_leads_to_the_new_one_for_a_year(member: Visitor, alice: Person, bob: Person):
    rename(member, "countess")
    for old in ("alice", "ALICE"):
        response = member.get(f"/people/{old}/")
        assert (response.status_code, response["Location"]) == (302, "/people/countess/")
        assert "no-store" in response["Cache-Control"]
    for days, status in ((364, 302), (366, 404)):
        with later(days):
            browser = Visitor()
            log_in(browser, bob)
            assert browser.get("/people/alice/").status_code == status


@pytest.mark.parametrize("wanted", ["alice", "Alice", "a.lice", "a1ice", "al1ce"])
def test_nobody_else_can_have_the_old_name_or_one_like_it(
    member: Visitor, bob: Person, wanted: str
):
    rename(member, "countess")

    assert not is_free(wanted)
    refused = sign_up(Visitor(), invites.issue(), Person("eve@example.org", wanted))
    assert refused.status_code == 422
    assert "Somebody has that name" in refused.content.decode()
    other = Visitor()
    log_in(other, bob)
    response = rename(other, wanted)
    assert response.status_code == 422
    assert "Somebody has that name" in response.content.decode()
    assert bob.user.username == "bob"


def test_after_a_year_it_is_free_even_before_it_is_pruned(member: Visitor, bob: Person):
    rename(member, "countess")
    with later(366):
        assert is_free("alice")
        change(bob, "alice")
        assert bob.user.username == "alice"
        assert set(FormerUsername.objects.values_list("username", flat=True)) == {"bob"}


def test_pruning_forgets_what_was_kept_long_enough(member: Visitor, alice: Person, bob: Person):
    change(bob, "robert")
    with later(100):
        change(alice, "countess")
    with later(366):
        assert cleaning.run("usernames held long enough") == 1
        assert list(FormerUsername.objects.values_list("username", flat=True)) == ["alice"]


def test_its_owner_can_take_the_old_name_back(member: Visitor, alice: Person):
    rename(member, "countess")
    with later(31):
        browser = Visitor()
        log_in(browser, Person(alice.email, "countess"))
        assert is_free("alice", browser)
        assert not is_free("alice")
        assert rename(browser, "alice").status_code == 302
        assert alice.user.username == "alice"
        assert browser.get("/people/countess/")["Location"] == "/people/alice/"
        assert browser.get("/people/alice/").status_code == 200
        assert not is_free("countess")


def test_another_spelling_of_the_same_name_is_a_change_too(member: Visitor, alice: Person):
    assert is_free("A.lice", member)
    assert rename(member, "A.lice").status_code == 302
    assert member.get("/people/a.lice/")["Location"] == "/people/A.lice/"
    assert member.get("/people/alice/")["Location"] == "/people/A.lice/"
    assert rename(member, "alice").status_code == 422
    with later(31):
        change(alice, "alice")
        assert alice.user.username == "alice"
        change_again = FormerUsername.objects.get()
        assert change_again.username == "A.lice"


def test_once_in_thirty_days(member: Visitor, alice: Person):
    page = member.get("/account/profile/username/").content.decode()
    assert "once in 30 days" in page
    rename(member, "countess")

    response = rename(member, "duchess")
    assert response.status_code == 422
    assert "Not yet" in response.content.decode()
    assert alice.user.username == "countess"
    for days, allowed in ((29, False), (31, True)):
        with later(days):
            browser = Visitor()
            log_in(browser, Person(alice.email, "countess"))
            page = browser.get("/account/profile/username/").content.decode()
            assert ("Not yet" not in page) is allowed


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("", "Choose a username."),
        ("ab", "Choose a name of 3 to 30 characters."),
        ("no such name", "Use the letters a to z"),
        ("ad\u202ea", "Use the letters a to z"),
        ("admin", "kept for the site itself"),
        ("bob", "Somebody has that name"),
        ("b0b", "Somebody has that name"),
        ("alice", "That is your username already."),
    ],
)
def test_what_is_no_name_to_take_is_refused_with_a_sentence(
    member: Visitor, alice: Person, bob: Person, wanted: str, sentence: str
):
    response = rename(member, wanted)

    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert alice.user.username == "alice"
    assert not FormerUsername.objects.exists()


@pytest.mark.usefixtures("still_clock")
def test_nobody_asks_without_end_whose_a_name_is(member: Visitor, alice: Person, bob: Person):
    for _ in range(limits.PROFILE_BY_MEMBER.count):
        assert rename(member, "bob").status_code == 422
    assert rename(member, "countess").status_code == 429
    assert alice.user.username == "alice"


def test_with_the_account_its_old_names_are_free(member: Visitor, alice: Person):
    rename(member, "countess")
    with commits():
        alice.user.delete()
    with later(8):
        assert is_free("alice")


@pytest.mark.asvs("8.2.3")
def test_nobody_changes_another_members_name(member: Visitor, alice: Person, bob: Person):
    sent = {"username": "mallory", "user": str(bob.user.pk), "id": str(bob.user.pk)}
    member.post("/account/profile/username/", sent)
    assert (alice.user.username, bob.user.username) == ("mallory", "bob")


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_of_many_who_want_one_name_one_gets_it(inbox):
    people = [join(inbox, f"p{n}@example.org", f"person{'abcd'[n]}") for n in range(4)]
    gate = threading.Barrier(len(people))

    def take(person: Person, name: str) -> bool:
        user = person.user
        try:
            gate.wait(30)
            usernames.change(user, name, caller=HERE)
        except Refusal:
            return False
        finally:
            connection.close()
        return True

    wanted = ["Wanted-x", "wantedX", "wanted_x", "WANTED.X"]  # to the eye the same
    with ThreadPoolExecutor(len(people)) as browsers:
        outcomes = list(browsers.map(take, people, wanted))
    assert sum(outcomes) == 1
    assert FormerUsername.objects.count() == 1


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_of_many_changes_at_once_one_member_makes_one(inbox):
    alice = join(inbox, "alice@example.org", "alice")
    user, gate = alice.user, threading.Barrier(4)

    def take(name: str) -> bool:
        try:
            gate.wait(30)
            usernames.change(user, name, caller=HERE)
        except Refusal:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as browsers:
        outcomes = list(browsers.map(take, ["countess", "duchess", "baroness", "princess"]))
    assert sum(outcomes) == 1
    assert FormerUsername.objects.get().username == "alice"


def test_an_account_that_nobody_confirms_gives_its_name_back(inbox, bob: Person):
    sign_up(Visitor(), invites.issue(), Person("eve@example.org", "eve-new"))
    assert not is_free("eve-new")
    with later(8):
        sum(members.prune_unconfirmed())
        change(bob, "eve-new")
        assert bob.user.username == "eve-new"
