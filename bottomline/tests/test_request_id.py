"""One number for each request: in its log lines, its headers, and on the page of a failure."""

import io
import json
import logging
import re
from typing import Any

import pytest
from celery import shared_task
from django.contrib.auth.decorators import login_not_required
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse
from django.urls import path as route_to

from bottomline import request_id
from bottomline.errors import Unavailable
from bottomline.logs import JSONFormatter
from bottomline.tests import environment
from bottomline.tests.test_session_gate import ask, cookies
from bottomline.wsgi import application
from conftest import Visitor

__all__ = ["cookies"]

OURS = re.compile(r"[0-9a-f]{32}")
THEIRS = "0123456789abcdef0123456789abcdef"

log = logging.getLogger("bottomline.tests")


@login_not_required
def fault(request: HttpRequest) -> HttpResponse:
    log.info("noted")
    raise ZeroDivisionError


@login_not_required
def away(request: HttpRequest) -> HttpResponse:
    raise Unavailable("somebody_away")


urlpatterns = [route_to("fault/", fault), route_to("away/", away)]
handler500 = "bottomline.views.fault"


@pytest.fixture
def lines():
    """What is logged meanwhile, as our handler writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def behind_a_proxy(settings):
    settings.TRUSTED_PROXY_COUNT = 1


@pytest.fixture
def failing(db: None, settings: Any) -> Visitor:
    settings.ROOT_URLCONF = __name__
    visitor = Visitor()
    visitor.raise_request_exception = False
    return visitor


def test_every_request_has_a_number_of_its_own(db, client: Visitor):
    paths = ("/", "/login/", "/nothing/here/", "/account/", "/robots.txt", "/session/")
    numbers = [client.get(path)["X-Request-ID"] for path in paths for _ in range(2)]

    assert len(set(numbers)) == len(numbers)
    assert all(OURS.fullmatch(number) for number in numbers)


def test_the_gate_numbers_its_answers_too(cookies: str):
    numbers = {ask(application, HTTP_COOKIE=cookies)[1]["X-Request-ID"] for _ in range(3)}

    assert len(numbers) == 3
    assert all(OURS.fullmatch(number) for number in numbers)


def test_what_the_gate_hands_on_keeps_its_number(db, behind_a_proxy):
    _, headers, _ = ask(application, path="/login/", HTTP_X_REQUEST_ID=THEIRS)

    assert headers["X-Request-ID"] == THEIRS


def test_a_file_that_caches_keep_has_no_number(client: Visitor):
    response = client.get(staticfiles_storage.url("css/base.css"))

    assert response.status_code == 200
    assert "X-Request-ID" not in response.headers


@pytest.mark.asvs("4.1.3")
@pytest.mark.parametrize("claimed", [THEIRS, "01234567-89ab-cdef-0123-456789abcdef"])
def test_a_number_is_taken_from_a_proxy_of_ours_and_from_nobody_else(
    db, client: Visitor, settings, claimed
):
    settings.TRUSTED_PROXY_COUNT = 0
    alone = client.get("/login/", headers={"x-request-id": claimed})["X-Request-ID"]
    settings.TRUSTED_PROXY_COUNT = 1
    behind = client.get("/login/", headers={"x-request-id": claimed})["X-Request-ID"]

    assert OURS.fullmatch(alone)
    assert alone != claimed
    assert behind == claimed


@pytest.mark.parametrize(
    "claimed",
    [
        "",
        "1",
        THEIRS[:-1],
        THEIRS + "0",
        THEIRS + "\n",
        THEIRS.replace("0", "g"),
        f"{THEIRS}, {THEIRS}",
        "<script>alert(1)</script>0000000",
        "alice@example.org",
        "٠" * 32,
        "x" * 5000,
    ],
)
def test_a_number_that_is_none_is_made_anew(db, behind_a_proxy, claimed):
    for path in ("/login/", "/session/"):
        _, headers, body = ask(application, path=path, HTTP_X_REQUEST_ID=claimed)

        assert OURS.fullmatch(headers["X-Request-ID"])
        assert headers["X-Request-ID"] != claimed
        assert not claimed or claimed.encode() not in body or claimed == "1"


@pytest.mark.asvs("16.2.1")
def test_every_line_of_a_request_has_its_number_and_no_line_after_it(failing: Visitor, lines):
    response = failing.get("/fault/")
    request_id.end()
    log.info("later")
    *during, later = lines()

    assert during[0]["event"] == "noted"
    assert len(during) >= 2, "the fault itself is logged"
    assert {line["request"] for line in during} == {response["X-Request-ID"]}
    assert "request" not in later


def test_the_number_ends_with_the_request(db):
    ask(application, path="/login/")
    assert request_id.current() == ""
    ask(application)
    assert request_id.current() == ""


@pytest.mark.asvs("16.5.1")
@pytest.mark.parametrize(("path", "status"), [("/fault/", 500), ("/away/", 503)])
def test_the_page_of_a_failure_shows_the_number_to_tell_support(failing: Visitor, path, status):
    page = failing.get(path)

    assert page.status_code == status
    assert f"<code>{page['X-Request-ID']}</code>" in page.content.decode()
    assert "mailto:help@example.org" in page.content.decode()


def test_without_redis_too(client: Visitor, cookies: str):
    environment.redis.kill()
    try:
        page = client.get("/account/")
    finally:
        environment.redis.start()

    assert page.status_code == 503
    assert f"<code>{page['X-Request-ID']}</code>" in page.content.decode()


def test_other_pages_do_not_show_it(db, client: Visitor):
    page = client.get("/nothing/here/")
    assert page["X-Request-ID"] not in page.content.decode()


def test_a_machine_that_meets_a_fault_is_told_in_json(failing: Visitor):
    answer = failing.get("/fault/", headers={"accept": "application/json"})

    assert answer.status_code == 500
    assert set(json.loads(answer.content)) == {"error"}


@shared_task
def note() -> None:
    log.info("in a task")


def test_the_lines_of_a_task_have_its_id(lines):
    done = note.apply()
    log.info("later")
    inside, later = (line for line in lines() if line["logger"] == "bottomline.tests")

    assert inside["request"] == done.id
    assert "request" not in later
