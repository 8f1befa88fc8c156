"""What reaches a log, whoever logs it: events with fields, and none of our secrets."""

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from logging.config import dictConfig
from typing import Any

import pytest
from django.conf import settings as django_settings
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from accounts.services import devices
from bottomline import tokens
from bottomline.logs import HideSecrets, JSONFormatter, LineFormatter
from bottomline.sessions import cookie
from conftest import Inbox, Person, Visitor, join, log_in, path_of, sign_up
from invites import services as invites

TOKEN = tokens.make("invite", tokens.new_public_id())
COOKIE = cookie.sign(cookie.new_sid())
DEVICE = devices.new_cookie(User(), "")
ADDRESS = "alice@example.org"
SECRETS = {"token": TOKEN, "cookie": COOKIE, "device cookie": DEVICE, "address": ADDRESS}

each_secret = pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
each_formatter = pytest.mark.parametrize("formatter", [JSONFormatter, LineFormatter])


def logged(formatter: type[logging.Formatter], event: str, *args: object, **more: Any) -> str:
    """What our handler writes for a call of a logger."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter())
    handler.addFilter(HideSecrets())
    logger = logging.Logger("somebody", logging.DEBUG)
    logger.addHandler(handler)
    logger.warning(event, *args, **more)
    return stream.getvalue()


def raised(message: str) -> BaseException:
    """An exception as it is caught, with another behind it."""
    try:
        try:
            raise KeyError(message)
        except KeyError as error:
            raise ValueError(f"while reading {message}") from error
    except ValueError as error:
        return error


# --- secrets ---


@pytest.mark.asvs("16.2.5")
@each_secret
@each_formatter
def test_no_secret_in_a_message_is_written(formatter, secret):
    line = logged(formatter, f"opened /invite/{secret}/ for {secret}, {secret!r} and ({secret})")
    assert secret not in line
    assert "opened /invite/[" in line


@pytest.mark.asvs("16.2.5")
@each_secret
@each_formatter
def test_no_secret_in_an_argument_is_written(formatter, secret):
    line = logged(formatter, "read %s from %r", secret, {"key": [secret, secret.encode()]})
    assert secret not in line


@pytest.mark.asvs("16.2.5")
@each_secret
@each_formatter
def test_no_secret_given_as_extra_is_written(formatter, secret):
    line = logged(formatter, "event", extra={"path": f"/x?t={secret}&u=1", "many": [{1: secret}]})
    assert secret not in line
    assert "path" in line


@pytest.mark.asvs("16.2.5")
@each_secret
@each_formatter
def test_no_secret_in_an_exception_is_written(formatter, secret):
    line = logged(formatter, "failed", exc_info=raised(secret))
    assert secret not in line
    assert "ValueError" in line
    assert "KeyError" in line


@pytest.mark.asvs("16.2.5")
@each_formatter
@pytest.mark.parametrize(
    "text",
    [
        "to=<alice@example.org>, bcc: bob@example.org",
        "Alice.Liddell+tag@mail.example.org!",
        "mailto:alice@example.org?subject=x",
        "/login/?email=alice%40example.org&x=1",
        "Key (email)=(alice@example.org) already exists.",
        "päivi@exämple.org",
    ],
)
def test_addresses_are_found_however_they_are_written(formatter, text):
    line = logged(formatter, text)

    assert "example.org" not in line
    assert "ex\\u00e4mple" not in line
    assert "[address]" in line


@each_formatter
def test_what_is_no_secret_is_written_as_it_is(formatter):
    event = "mail.sent id=1b339118-83aa-f40d-b78d-5358f557378e in 12.5 ms, 3/4 of /account/invites/"
    line = logged(formatter, event, extra={"ip": "203.0.113.7"})

    assert event in line
    assert "203.0.113.7" in line


@each_formatter
def test_neither_the_request_nor_its_headers_are_written(formatter, rf):
    request = rf.get("/", HTTP_COOKIE=f"x={DEVICE}", HTTP_AUTHORIZATION="Basic c2VjcmV0")
    line = logged(formatter, "Bad Request: %s", "/", extra={"request": request, "status_code": 400})

    assert "Authorization" not in line
    assert "WSGIRequest" not in line


# --- one event, one line ---

NASTY = [
    'x\n{"event": "login.completed", "user": "root"}',
    "x\r\nINFO login.completed user=root",
    "x\rINFO login.completed user=root",
    "x\x85y\u2028z\u2029\x0b\x0c\x1c\x1d\x1e",
    "\x1b[2J\x1b[31mcleared your screen\x07\x08\x7f\x9b",
    '"}, "user": "root"',
    "\ud800 alone",
    "\0",
]


@pytest.mark.asvs("16.4.1")
@pytest.mark.asvs("16.2.4")
@pytest.mark.parametrize("text", NASTY)
def test_a_json_line_is_one_line_that_can_be_read_back(text):
    line = logged(JSONFormatter, "login.refused %s", text, extra={"agent": text})
    read = json.loads(line)

    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert (read["level"], read["logger"]) == ("warning", "somebody")
    assert read["agent"] == text
    assert read["event"] == f"login.refused {text}"
    assert "user" not in read


def test_a_json_line_holds_the_whole_exception():
    line = logged(JSONFormatter, "failed", exc_info=raised("x"))

    assert len(line.splitlines()) == 1
    assert "Traceback" in json.loads(line)["exception"]


@pytest.mark.asvs("16.2.2")
def test_a_json_line_says_when_in_utc():
    at = json.loads(logged(JSONFormatter, "event"))["at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", at)


@pytest.mark.asvs("16.4.1")
@pytest.mark.parametrize("text", NASTY)
def test_whoever_is_logged_cannot_write_a_line_of_their_own(text):
    line = logged(LineFormatter, "login.refused %s", text, extra={"agent": text})

    assert len(line.splitlines()) == 1
    assert line.removesuffix("\n").isprintable()


@each_formatter
@given(text=st.text(max_size=200))
def test_whatever_is_logged_is_written(formatter, text):
    line = logged(formatter, text, extra={"field": text})

    assert len(line.splitlines()) == 1


@each_formatter
def test_a_message_whose_arguments_do_not_fit_is_written_and_ends_nothing(formatter):
    line = logged(formatter, "%s and %s", "one", extra={"field": "kept"})
    assert "%s and %s ('one',)" in line
    assert "kept" in line


# --- what the whole site writes ---


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the configured handler writes meanwhile."""
    stream = io.StringIO()
    handlers = {"stdout": {**django_settings.LOGGING["handlers"]["stdout"], "stream": stream}}
    dictConfig({**django_settings.LOGGING, "handlers": handlers})
    yield stream
    dictConfig(django_settings.LOGGING)


@pytest.mark.asvs("16.2.3")
def test_production_writes_json_to_standard_output():
    [handler] = [h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler]

    assert isinstance(handler.formatter, JSONFormatter)
    assert any(isinstance(one, HideSecrets) for one in handler.filters)
    assert django_settings.LOGGING["handlers"]["stdout"]["stream"] == "ext://sys.stdout"
    assert sys.stdout


@pytest.mark.asvs("16.2.5")
@pytest.mark.asvs("16.3.3")
def test_a_whole_journey_writes_no_secret(written: io.StringIO, inbox: Inbox):
    invite = invites.issue()
    person = Person("carol@example.org", "carol")
    visitor = Visitor()
    sign_up(visitor, invite, person)
    link = inbox.link_to(person.email)
    token = visitor.get(link).context["token"]
    visitor.post("/confirm_account/", {"confirmation": token})
    visitor.post("/login/", {"email": person.email, "password": "not the password at all"})
    log_in(visitor, person)
    in_the_open = {django_settings.WAY_IN_COOKIE_NAME}  # a word of ours
    kept = {name: morsel.value for name, morsel in visitor.cookies.items() if morsel.value}
    cookies = [kept[name] for name in kept.keys() - in_the_open]
    # Faults and refusals, which others log with what was asked.
    visitor.get(f"/nothing/{token}/", {"email": person.email})
    visitor.get("/account/", headers={"host": f"{token}.evil.test"})
    Visitor(enforce_csrf_checks=True).post(
        "/login/", {"email": person.email}, HTTP_REFERER=f"https://evil.test/{token}/"
    )
    lines = written.getvalue().splitlines()
    events = {json.loads(line)["event"] for line in lines}
    known = [person.email, person.password, token, path_of(invite), *cookies]

    assert {"signup.done", "mail.sent", "email_confirmation.done", "login.completed"} <= events
    assert {"login.refused", "csrf.refused"} <= events
    assert not [secret for secret in known if secret in written.getvalue()]


@pytest.mark.asvs("16.2.1")
def test_a_login_is_logged_with_who_and_from_where(written: io.StringIO, inbox: Inbox):
    dora = join(inbox, "dora@example.org", "dora")
    log_in(Visitor(), dora)
    [event] = [
        line
        for line in map(json.loads, written.getvalue().splitlines())
        if line["event"] == "login.completed"
    ]

    assert event["user"] == str(dora.user.pk)
    assert event["ip"] == "127.0.0.1"
    assert event["method"] == "password"
