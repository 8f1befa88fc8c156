"""Nobody learns whether an address has an account: not from the answer, nor from its time.

Each door is asked the same thing for addresses of every kind, in turn, two hundred times. The
answers must be equal to the byte, and of the times the Mann-Whitney test must not tell which kind
is which. What an attacker in the same room can measure is far less than what is measured here,
where nothing lies between.
"""

import math
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count, cycle
from random import Random
from time import perf_counter
from typing import Any

import pytest
import time_machine
from django.core.cache import caches
from django.http import HttpResponse
from django.utils import timezone

from accounts.models import EmailChange, User
from accounts.services import closing, members
from bottomline.caller import Caller
from conftest import PASSWORD, Inbox, Person, Visitor, confirm, path_of, sign_up
from invites import services as invites

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.asvs("6.3.8"),
]

SAMPLES = 200
# By chance alone one comparison in a million falls below, and there are some forty.
P_VALUE = 1e-6

Ask = Callable[[Visitor, str], HttpResponse]
FRESH = re.compile(rb'(?<=name="csrfmiddlewaretoken" value=")[^"]+')
CHALLENGE = re.compile(rb'(?:(?<=data-challenge=")|(?<=data-passkey="))[^"]+')
WAIT = re.compile(rb"a moment|(about )?\d+ (seconds|minutes|hours)")
number = count(1)


@pytest.fixture
def kinds(inbox: Inbox) -> dict[str, str]:
    """An address of each kind there is."""
    named = ("known", "blocked", "closing")
    people = {kind: Person(f"{kind}@example.org", f"the.{kind}") for kind in named}
    waiting = Person("unconfirmed@example.org", "the.unconfirmed")
    for person in (*people.values(), waiting):
        visitor = Visitor()
        assert sign_up(visitor, invites.issue(), person).status_code == 200
        if person is not waiting:
            assert confirm(visitor, inbox.link_to(person.email)).status_code == 302
    members.block(people["blocked"].user, until=timezone.now() + timedelta(days=1), reason="spam")
    at_the_door = Caller(ip="192.0.2.1", proved_at=timezone.now())
    closing.close(people["closing"].user, people["closing"].username, caller=at_the_door)
    return {
        "unknown": "unknown@example.org",
        "known": people["known"].email,
        "unconfirmed": waiting.email,
        "blocked": people["blocked"].email,
        "closing": people["closing"].email,
        "left": _left_by(people["known"].user),
    }


def _left_by(user: User) -> str:
    """An address that an account has moved away from, and may yet come back to."""
    left = "left@example.org"
    EmailChange.objects.create(
        user=user, old_email=left, new_email=user.email, confirmed_at=timezone.now()
    )
    return left


def log_in(visitor: Visitor, email: str) -> Any:
    fields = {"email": email, "password": "not the password at all"}
    return visitor.post("/login/", fields, follow=True)


def log_in_without_work(visitor: Visitor, email: str) -> Any:
    fields = {"email": email, "password": "not the password at all", "altcha": ""}
    return visitor.post("/login/", fields, follow=True)


def forgot(visitor: Visitor, email: str) -> Any:
    return visitor.post("/password/forgot/", {"email": email}, follow=True)


def by_mail(visitor: Visitor, email: str) -> Any:
    return visitor.post("/login/link/", {"email": email}, follow=True)


def wrong_code(visitor: Visitor, email: str) -> Any:
    visitor.post("/login/link/", {"email": email})
    return visitor.post("/login/code/", {"code": "0000 0000"}, follow=True)


def resend(visitor: Visitor, email: str) -> Any:
    return visitor.post("/confirmation/resend/", {"email": email}, follow=True)


def sign_up_by() -> Ask:
    # A few at each: counting who came in by one that let in hundreds would be half of the time.
    doors = cycle([path_of(invites.issue(uses=20)) for _ in range(SAMPLES * 6 // 20)])

    def ask(visitor: Visitor, email: str) -> Any:
        if email.startswith("unknown"):  # after the first time it would be known
            email = email.replace("unknown", f"unknown{next(number)}")
        username = f"somebody{next(number)}x"
        fields = {"email": email, "username": username, "password": PASSWORD}
        return visitor.post(next(doors), fields, follow=True)

    return ask


def samples(ask: Ask, kinds: dict[str, str]) -> dict[str, list[float]]:
    """How long each kind took, asked in turn so that whatever else goes on hits all alike."""
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    visitor, order = Visitor(), Random(1)
    for _ in range(SAMPLES):
        for kind, email in order.sample(list(kinds.items()), len(kinds)):
            caches["default"].clear()
            begun = perf_counter()
            ask(visitor, email)
            taken[kind].append(perf_counter() - begun)
    return taken


def pairs(taken: dict[str, list[float]]) -> Iterator[tuple[str, str]]:
    names = list(taken)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            yield one, other


def mann_whitney(ours: list[float], theirs: list[float]) -> float:
    """The two-sided p-value, by the normal approximation (Mann and Whitney, 1947)."""
    ranked = sorted([(value, True) for value in ours] + [(value, False) for value in theirs])
    rank_sum = sum(rank for rank, (_, is_ours) in enumerate(ranked, 1) if is_ours)
    m, n = len(ours), len(theirs)
    u = rank_sum - m * (m + 1) / 2
    z = (u - m * n / 2) / math.sqrt(m * n * (m + n + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


def test_the_statistics_see_a_difference_where_there_is_one():
    same = [math.sin(number) for number in range(SAMPLES)]
    assert mann_whitney(same, [value + 1e-9 for value in same]) > 0.9
    assert mann_whitney(same, [value + 0.7 for value in same]) < P_VALUE


def told_apart(taken: dict[str, list[float]]) -> dict[tuple[str, str], float]:
    """The pairs of kinds whose times differ, and how sure that is."""
    values = {(one, other): mann_whitney(taken[one], taken[other]) for one, other in pairs(taken)}
    return {pair: p for pair, p in values.items() if p < P_VALUE}


def plain(response: Any, email: str) -> tuple[Any, ...]:
    """An answer without what differs each time, and without what was typed.

    When a limit's window ends follows from the address itself, of whatever kind it is.
    """
    changing = {"Date", "Retry-After", "X-Request-ID"}
    headers = {n: "" if n in changing else value for n, value in response.headers.items()}
    body = FRESH.sub(b"", response.content).replace(email.encode(), b"")
    body = CHALLENGE.sub(b"", WAIT.sub(b"", body))
    headers["Content-Length"] = str(len(body))
    cookies = {
        name: {key: value for key, value in morsel.items() if key != "expires"}
        for name, morsel in response.cookies.items()
    }
    return response.status_code, headers, cookies, body, response.redirect_chain


@pytest.mark.parametrize("ask", [log_in, forgot, by_mail, resend])
def test_a_door_takes_as_long_for_every_kind_of_address(kinds: dict[str, str], ask: Ask):
    assert told_apart(samples(ask, kinds)) == {}


@pytest.mark.long
def test_signing_up_takes_as_long_for_every_kind_of_address(kinds: dict[str, str]):
    assert told_apart(samples(sign_up_by(), kinds)) == {}


@pytest.mark.parametrize("ask", [log_in, log_in_without_work, forgot, by_mail, wrong_code, resend])
@pytest.mark.parametrize("times", [1, 4, 12])
def test_a_door_answers_every_kind_of_address_alike(kinds: dict[str, str], ask: Ask, times: int):
    """The first time, when the browser has to work, and when the limits are used up."""
    answers, noon = [], timezone.now()
    for email in kinds.values():
        caches["default"].clear()
        visitor = Visitor()
        with time_machine.travel(noon, tick=False):  # or one would have a second less to wait
            for _ in range(times):
                answer = plain(ask(visitor, email), email)
        answers.append(answer)
    for answer in answers:
        assert answer == answers[0]


def test_signing_up_answers_every_kind_of_address_alike(kinds: dict[str, str]):
    answers = []
    for email in kinds.values():
        ask, visitor = sign_up_by(), Visitor()
        response = ask(visitor, email)
        assert response.status_code == 200
        typed = response.context["email"]
        answers.append(plain(response, typed))
    for answer in answers:
        assert answer == answers[0]
