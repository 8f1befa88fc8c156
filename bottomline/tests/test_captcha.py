"""Forms that could be used by the thousand cost a browser work, and whoever has no scripts time."""

import json
import logging
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse
from django_redis import get_redis_connection

from accounts.models import User
from bottomline.caller import Caller
from bottomline.captcha import challenges
from bottomline.captcha.challenges import LIFE, new_challenge
from bottomline.captcha.views import CHALLENGES_BY_NETWORK
from bottomline.errors import CaptchaMissing
from bottomline.limits import Limit
from bottomline.outbox.models import OutboxMessage
from conftest import PASSWORD, Visitor, path_of, solve
from invites.models import Invite

HERE, THERE = "192.0.2.1", "198.51.100.1"
NOTHING = Limit("test:without-work", 0, timedelta(minutes=15))
CHALLENGE = re.compile(r'data-challenge="([^"]+)"')

Send = Callable[..., HttpResponse]


def require(solution: str, *, door: str = "forgot", ip: str = HERE) -> None:
    challenges.require(solution, door=door, caller=Caller(ip=ip), otherwise=NOTHING)


def is_taken(solution: str, **at: str) -> bool:
    try:
        require(solution, **at)
    except CaptchaMissing:
        return False
    return True


def solved(door: str = "forgot", network: str = HERE) -> str:
    return solve(new_challenge(door, network))


def changed(solution: str, **fields: Any) -> str:
    """The same solution, with something else said in it."""
    claimed = json.loads(b64decode(solution)) | fields
    return b64encode(json.dumps(claimed).encode()).decode()


# --- a solution ---


@pytest.mark.asvs("2.4.1")
def test_a_solution_is_taken_once():
    solution = solved()
    assert is_taken(solution)
    assert not is_taken(solution)
    assert is_taken(solved()), "another one is"


def test_a_solution_spelled_otherwise_is_spent_as_well():
    solution = solved()
    assert is_taken(solution)
    said = json.loads(b64decode(solution))
    assert not is_taken(changed(solution, signature=said["signature"][:32]))
    assert not is_taken(changed(solution, signature=said["signature"].upper()))
    assert not is_taken(changed(solution, number=str(said["number"])))


@pytest.mark.asvs("15.4.1")
def test_of_many_who_send_one_solution_at_once_one_has_it_taken():
    solution = solved()
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: is_taken(solution), range(64)))
    assert taken.count(True) == 1


@pytest.mark.usefixtures("still_clock")
def test_a_solution_is_good_for_two_minutes(still_clock: time_machine.Traveller):
    first, second = solved(), solved()
    still_clock.shift(LIFE - timedelta(seconds=2))
    assert is_taken(first)
    still_clock.shift(timedelta(seconds=3))
    assert not is_taken(second)


def test_a_spent_solution_is_remembered_for_longer_than_it_is_good_and_not_for_ever():
    require(solved())
    redis = get_redis_connection("default")
    [key] = redis.keys("*captcha:*")
    assert LIFE.total_seconds() < redis.ttl(key) <= 2 * LIFE.total_seconds()


def test_a_solution_is_good_for_the_form_and_the_network_it_was_made_for():
    assert not is_taken(solved("forgot"), door="resend")
    assert not is_taken(solved("forgot"), ip=THERE)
    assert is_taken(solved("forgot", "2001:db8:1:2::"), ip="2001:db8:1:2::ffff")
    assert not is_taken(solved("forgot", "2001:db8:1:2::"), ip="2001:db8:1:3::ffff")


def test_a_challenge_is_good_under_a_retired_key_and_no_other(settings):
    before, also_before = solved(), solved()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the key after that, which is as long as it has to be"
    assert is_taken(before)
    settings.SECRET_KEY_FALLBACKS = []
    assert not is_taken(also_before)


def other_number(solution: str) -> str:
    return changed(solution, number=json.loads(b64decode(solution))["number"] + 1)


def easier(solution: str) -> str:
    """A challenge of one's own: the hash of a number already known, and none of ours."""
    salt = json.loads(b64decode(solution))["salt"]
    return changed(solution, number=-1, challenge=challenges._hash(salt, -1))


def later(solution: str) -> str:
    salt = json.loads(b64decode(solution))["salt"]
    salt = re.sub(r"expires=\d+", "expires=99999999999", salt)
    return changed(solution, number=0, salt=salt, challenge=challenges._hash(salt, 0))


def spliced(solution: str) -> str:
    """The salt's end taken for the number's beginning, so that the hash stays what it was."""
    said = json.loads(b64decode(solution))
    return changed(solution, salt=said["salt"][:-1], number=f"&{said['number']}")


def shortened(solution: str) -> str:
    return changed(solution, signature=json.loads(b64decode(solution))["signature"][:30])


@pytest.mark.parametrize("mangle", [other_number, easier, later, spliced, shortened])
def test_a_solution_to_another_challenge_is_none(mangle: Callable[[str], str]):
    assert not is_taken(mangle(solved()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é" * 8,
        "=" * 8,
        "A" * 100_000,
        *(
            b64encode(text.encode()).decode()
            for text in (
                "",
                "[]",
                "{}",
                "null",
                "7",
                "[" * 700,
                '{"challenge": 1, "salt": 2, "number": 3, "signature": "00"}',
                '{"challenge": "", "salt": "", "number": null, "signature": null}',
                '{"challenge": "\\ud800", "salt": "x", "number": 1, "signature": "'
                + "0" * 64
                + '"}',
                '{"challenge": "", "salt": "", "number": ' + "9" * 600 + ', "signature": "00"}',
            )
        ),
    ],
)
def test_nonsense_is_no_solution_and_no_fault(text):
    assert not is_taken(text)


def test_the_setting_says_how_much_work_it_is(settings):
    settings.PROOF_OF_WORK_BITS = 10
    assert new_challenge("forgot", HERE)["maxnumber"] == 1024
    numbers = {json.loads(b64decode(solved()))["number"] for _ in range(40)}
    assert 100 < max(numbers) < 1024
    assert len(numbers) > 30


def test_a_challenge_tells_neither_the_network_nor_the_number():
    made = new_challenge("forgot", HERE)
    assert set(made) == {"algorithm", "challenge", "maxnumber", "salt", "signature"}
    assert HERE not in json.dumps(made)
    assert re.fullmatch(r"[0-9a-f]{32}\?expires=\d+&form=forgot&", made["salt"]), "128 bits"


# --- the forms ---


@pytest.fixture
def doors(invite: Invite) -> dict[str, tuple[str, dict[str, str]]]:
    """Each form that always wants the work: where it is, and what it takes."""
    email = {"email": "somebody@example.org"}
    return {
        "forgot": ("/password/forgot/", email),
        "resend": ("/confirmation/resend/", email),
        "signup": (path_of(invite), email | {"username": "somebody", "password": PASSWORD}),
    }


FORMS = ["forgot", "resend", "signup"]


@pytest.mark.parametrize("door", FORMS)
def test_the_solution_to_the_challenge_on_the_page_is_taken(client: Visitor, doors, door):
    path, fields = doors[door]
    found = CHALLENGE.search(client.get(path).text)
    assert found
    solution = solve(json.loads(unescape(found[1])))
    for _ in range(3):
        client.post(path, fields | {"altcha": "", "username": "x"})  # mistakes in it, or the budget
    assert client.post(path, fields | {"altcha": solution}).status_code in {200, 302}


@pytest.mark.asvs("3.7.5")
@pytest.mark.asvs("2.4.1")
@pytest.mark.usefixtures("still_clock")
@pytest.mark.parametrize("door", FORMS)
def test_without_the_work_a_form_takes_three_and_then_says_what_to_do(
    client: Visitor, doors, door, caplog
):
    path, fields = doors[door]
    if door == "signup":  # each is refused by the service, which has come as far as that
        fields = fields | {"password": "somebody somebody somebody"}
    with caplog.at_level(logging.WARNING):
        answers = [client.post(path, fields | {"altcha": ""}) for _ in range(5)]
    assert [answer.status_code for answer in answers[:3]] == [422 if door == "signup" else 302] * 3
    for answer in answers[3:]:
        assert answer.status_code == 429
        assert 0 < int(answer["Retry-After"]) <= 15 * 60 + 1
        assert "Turn on JavaScript" in answer.text
        assert 'value="somebody@example.org"' in answer.text, "what was typed is there"
        assert "somebody somebody" not in answer.text, "a password is not"
        assert CHALLENGE.search(answer.text)
    refused = [record for record in caplog.records if record.msg == "captcha.missing"]
    assert [record.form for record in refused] == [door] * 2

    assert client.post(path, fields).status_code != 429, "with it, nothing has changed"
    elsewhere = client.post(path, fields | {"altcha": ""}, REMOTE_ADDR=THERE)
    assert elsewhere.status_code != 429, "another network has a budget of its own"


def test_who_is_refused_for_want_of_the_work_changed_nothing(client: Visitor, doors):
    path, fields = doors["signup"]
    used_up = fields | {"password": "somebody somebody somebody", "altcha": ""}
    for _ in range(3):
        client.post(path, used_up)
    assert client.post(path, fields | {"altcha": ""}).status_code == 429
    assert not User.objects.exists()
    assert not OutboxMessage.objects.exists()


def test_a_mistake_costs_neither_the_solution_nor_the_budget(client: Visitor, db):
    solution = client.solution("forgot")
    wrong = {"email": "ada at example"}
    for _ in range(5):
        assert client.post("/password/forgot/", wrong | {"altcha": ""}).status_code == 422
        assert client.post("/password/forgot/", wrong | {"altcha": solution}).status_code == 422
    right = {"email": "ada@example.org"}
    assert client.post("/password/forgot/", right | {"altcha": solution}).status_code == 302
    statuses = [
        client.post("/password/forgot/", right | {"altcha": solution}).status_code for _ in range(4)
    ]
    assert statuses == [302, 302, 302, 429], "spent, it is as none"


# --- another challenge ---


@pytest.mark.parametrize("door", FORMS)
def test_a_page_open_for_long_is_given_another_challenge(client: Visitor, db, door):
    answer = client.get(f"/challenge/{door}/")
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store, private"
    assert not answer.cookies
    assert is_taken(solve(answer.json()), door=door, ip="127.0.0.1")


@pytest.mark.usefixtures("still_clock")
def test_one_network_is_given_so_many_challenges(client: Visitor, db):
    for _ in range(CHALLENGES_BY_NETWORK.count):
        assert client.get("/challenge/forgot/").status_code == 200
    over = client.get("/challenge/forgot/")
    assert over.status_code == 429
    assert int(over["Retry-After"]) > 0
    assert client.get("/challenge/forgot/", REMOTE_ADDR=THERE).status_code == 200
