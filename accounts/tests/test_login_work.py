"""Whoever keeps failing to log in has their browser work for each further try."""

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.core.cache import caches

from accounts.limits import LOGIN_BY_NETWORK
from accounts.models import Event
from bottomline.captcha.challenges import LIFE, new_challenge
from conftest import Person, Visitor, log_in, solve

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("still_clock")]

HERE, THERE = "127.0.0.1", "198.51.100.1"
WRONG = "not the password at all"
CHALLENGE = re.compile(r'data-challenge="([^"]+)"')


def attempt(
    email: str, password: str = WRONG, *, by: Visitor | None = None, solution: str = "", **more: Any
) -> Any:
    """Without the work, unless a solution is given."""
    fields = {"email": email, "password": password, "altcha": solution}
    return (by or Visitor()).post("/login/", fields, **more)


def fail_three_times(email: str, **more: Any) -> Any:
    answers = [attempt(email, **more) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [422] * 3
    return answers[-1]


def solved(door: str = "login", network: str = HERE) -> str:
    return solve(new_challenge(door, network))


def solution_to(page: Any) -> str:
    found = CHALLENGE.search(page.text)
    assert found
    return solve(json.loads(unescape(found[1])))


def is_asked_for_work(answer: Any) -> bool:
    return answer.status_code == 429 and "the small computation" in answer.text


# --- from the third failure on ---


@pytest.mark.asvs("6.3.1")
def test_the_form_has_a_challenge_from_the_third_failure_on(alice: Person):
    answers = [attempt(alice.email) for _ in range(3)]
    assert [bool(CHALLENGE.search(answer.text)) for answer in answers] == [False, False, True]
    assert ["/js/captcha." in answer.text for answer in answers] == [False, False, True]
    assert not CHALLENGE.search(Visitor().get("/login/").text), "who comes anew cannot be known"


@pytest.mark.asvs("6.3.1")
@pytest.mark.asvs("2.4.1")
def test_the_fourth_try_without_the_work_says_what_to_do(alice: Person):
    fail_three_times(alice.email)
    answer = attempt(alice.email, alice.password)
    assert is_asked_for_work(answer)
    assert 0 < int(answer["Retry-After"]) <= 15 * 60
    assert "Without JavaScript, wait" in answer.text
    assert f'value="{alice.email}"' in answer.text, "what was typed is there"
    assert alice.password not in answer.text, "a password is not"
    assert CHALLENGE.search(answer.text)
    assert Visitor().get("/session/").status_code == 401


def test_with_the_work_of_the_page_it_logs_in(alice: Person):
    page = fail_three_times(alice.email)
    answer = attempt(alice.email, alice.password, solution=solution_to(page))
    assert (answer.status_code, answer["Location"]) == (302, "/account/")


def test_who_was_asked_for_the_work_goes_on_to_where_they_were_going(alice: Person):
    fail_three_times(alice.email)
    visitor = Visitor()
    fields = {"email": alice.email, "password": alice.password, "next": "/account/invites/"}
    page = visitor.post("/login/", fields | {"altcha": ""})
    assert is_asked_for_work(page)
    assert 'name="next" value="/account/invites/"' in page.text
    answer = visitor.post("/login/", fields | {"altcha": solution_to(page)})
    assert answer["Location"] == "/account/invites/"


@pytest.mark.asvs("6.3.8")
def test_without_the_work_a_right_password_is_answered_as_a_wrong_one(alice: Person):
    def answer(email: str, password: str) -> Any:
        page = attempt(email, password)
        text = re.sub(r"wait (about )?\w+ \w+", "", CHALLENGE.sub("", page.text))
        text = re.sub(r'csrfmiddlewaretoken" value="\w+"|data-passkey="[^"]+"', "", text)
        text = text.replace(email, "")
        return page.status_code, text, sorted(page.headers)

    for email in (alice.email, "nobody@example.org", "not an address"):
        for number in range(3):
            attempt(email, REMOTE_ADDR=f"198.51.100.{number}")
    before = Event.objects.count()
    answers = [
        answer(alice.email, alice.password),
        answer(alice.email, WRONG),
        answer("nobody@example.org", WRONG),
        answer("not an address", WRONG),
    ]
    assert answers == [answers[0]] * 4
    assert answers[0][0] == 429
    assert Event.objects.count() == before, "and nobody's history is filled with it"


def test_a_good_login_between_the_bad_ones_does_not_begin_anew(alice: Person, bob: Person):
    attempt(alice.email)
    attempt(alice.email)
    assert attempt(alice.email, alice.password).status_code == 302
    assert attempt(bob.email, bob.password).status_code == 302
    assert is_asked_for_work(attempt(alice.email))


def test_when_the_window_ends_it_costs_nothing_again(
    alice: Person, still_clock: time_machine.Traveller
):
    fail_three_times(alice.email)
    wait = int(attempt(alice.email)["Retry-After"])
    # From elsewhere, for the tries of a network are counted by windows of their own.
    still_clock.shift(wait - 1)
    assert is_asked_for_work(attempt(alice.email, REMOTE_ADDR=THERE))
    still_clock.shift(1)
    assert attempt(alice.email, alice.password, REMOTE_ADDR=THERE).status_code == 302


def test_a_mistake_in_a_field_leaves_the_challenge_where_it_was(alice: Person):
    solution = solution_to(fail_three_times(alice.email))
    page = attempt(alice.email, "", solution=solution)
    assert page.status_code == 422
    assert CHALLENGE.search(page.text)
    assert attempt(alice.email, alice.password, solution=solution).status_code == 302


# --- what is no solution ---


def test_a_solution_is_good_for_one_try(alice: Person):
    fail_three_times(alice.email)
    solution = solved()
    assert attempt(alice.email, solution=solution).status_code == 422
    assert is_asked_for_work(attempt(alice.email, alice.password, solution=solution))
    assert attempt(alice.email, alice.password, solution=solved()).status_code == 302


def test_a_solution_that_was_not_needed_is_not_spent(alice: Person):
    solution = solved()
    for _ in range(4):
        assert attempt(alice.email, solution=solution).status_code == 422
    assert is_asked_for_work(attempt(alice.email, solution=solution))


@pytest.mark.parametrize(
    "solution",
    [
        lambda: solved("forgot"),
        lambda: solved(network=THERE),
        lambda: solved()[:-8],
        lambda: "nonsense",
    ],
    ids=["another form's", "another network's", "truncated", "nonsense"],
)
def test_what_is_no_solution_of_this_form_is_as_none(alice: Person, solution: Any):
    fail_three_times(alice.email)
    assert is_asked_for_work(attempt(alice.email, alice.password, solution=solution()))


def test_a_solution_that_is_too_old_is_as_none(alice: Person, still_clock: time_machine.Traveller):
    solution = solved()
    still_clock.shift(LIFE + timedelta(seconds=1))
    fail_three_times(alice.email)
    assert is_asked_for_work(attempt(alice.email, alice.password, solution=solution))


# --- who works ---


@pytest.mark.asvs("6.3.1")
def test_a_network_that_tries_many_addresses_works_though_it_fails_once_at_each(alice: Person):
    free = LOGIN_BY_NETWORK.without_work
    assert free
    answers = [attempt(f"somebody{number}@example.org") for number in range(free)]
    assert [answer.status_code for answer in answers] == [422] * free
    assert [bool(CHALLENGE.search(answer.text)) for answer in answers] == [False] * (free - 1) + [
        True
    ]
    assert is_asked_for_work(attempt(alice.email, alice.password))
    assert attempt(alice.email, alice.password, solution=solved()).status_code == 302
    assert attempt(alice.email, alice.password, REMOTE_ADDR=THERE).status_code == 302


def test_from_wherever_strangers_fail_the_next_one_works(alice: Person):
    for number in range(3):
        attempt(alice.email, REMOTE_ADDR=f"198.51.100.{number}")
    assert is_asked_for_work(attempt(alice.email, alice.password))


def test_a_known_device_does_not_work_for_what_strangers_do(client: Visitor, alice: Person):
    log_in(client, alice)
    client.post("/logout/")
    for number in range(12):
        attempt(f"somebody{number}@example.org")
        attempt(alice.email)
    assert attempt(alice.email, alice.password, by=client).status_code == 302


@pytest.mark.asvs("6.3.1")
def test_a_known_device_works_for_its_own_failures_and_for_nobody_elses(
    client: Visitor, alice: Person
):
    log_in(client, alice)
    client.post("/logout/")
    page = fail_three_times(alice.email, by=client)
    assert is_asked_for_work(attempt(alice.email, alice.password, by=client))
    assert attempt("bob@example.org", by=client).status_code == 422
    answer = attempt(alice.email, alice.password, by=client, solution=solution_to(page))
    assert answer.status_code == 302


def test_the_door_of_the_admin_is_the_same(olivia: Person):
    caches["default"].clear()  # what was counted while her second factor was set up
    page = fail_three_times(olivia.email)
    visitor = Visitor()
    fields = {"email": olivia.email, "password": olivia.password, "next": "/admin/"}
    assert is_asked_for_work(visitor.post("/login/", fields | {"altcha": ""}))
    answer = visitor.post("/login/", fields | {"altcha": solution_to(page)})
    assert answer["Location"] == "/login/verify/?next=%2Fadmin%2F"
