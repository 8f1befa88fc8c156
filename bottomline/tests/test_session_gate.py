"""`GET /session/` has two answerers, in front of Django and in it. Nobody can tell which it was."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.conf import settings as django_settings
from django.core.signals import request_started
from django.db import close_old_connections
from django.utils import timezone

from accounts.models import User
from bottomline.sessions import cookie
from bottomline.sessions.gate import Gate
from bottomline.sessions.redis import client as redis
from bottomline.wsgi import application, django_application
from conftest import Person, Visitor, log_in

NAME = django_settings.SESSION_COOKIE_NAME
Answer = tuple[str, dict[str, str], bytes]


class Passed(Exception):
    """The gate handed the request on."""


def pass_on(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    raise Passed


def ask(app: Any, *, method: str = "GET", path: str = "/session/", **headers: str) -> Answer:
    """Call it as a server does; the status, the headers and the body."""
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "door.example.org",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "door.example.org",
        "HTTP_X_REQUEST_ID": "0123456789abcdef0123456789abcdef",
        "REMOTE_ADDR": "203.0.113.7",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **headers,
    }
    began: list[Any] = []
    # As Django's own test client does, or a moved clock would close the test's transaction.
    request_started.disconnect(close_old_connections)
    try:
        body = b"".join(app(environ, lambda status, headers, *_: began.append((status, headers))))
    finally:
        request_started.connect(close_old_connections)
    [(status, sent)] = began
    names = [name for name, _ in sent]
    assert len(names) == len(set(names))
    return status, dict(sent), body


@pytest.fixture(autouse=True)
def _numbered_by_a_proxy(settings: Any) -> None:
    """Both then answer with the same number, and can be compared to the last header."""
    settings.TRUSTED_PROXY_COUNT = 1


@pytest.fixture
def cookies(client: Visitor, alice: Person) -> str:
    """The Cookie header of somebody logged in."""
    log_in(client, alice)
    return f"theme=dark; {NAME}={client.cookies[NAME].value}; other=1"


ALONE = Gate(pass_on)


def test_a_member_gets_the_same_from_both(cookies: str):
    gate = ask(ALONE, HTTP_COOKIE=cookies)
    django = ask(django_application, HTTP_COOKIE=cookies)

    assert gate == django
    assert gate[0] == "200 OK"


def test_nobody_gets_the_same_from_both(db):
    gate, django = ask(ALONE), ask(django_application)

    assert gate == django
    assert gate[0] == "401 Unauthorized"
    assert gate[1]["WWW-Authenticate"]


def test_somebody_with_other_cookies_only_is_nobody_to_both(db):
    gate = ask(ALONE, HTTP_COOKIE="theme=dark; session=x")
    django = ask(django_application, HTTP_COOKIE="theme=dark; session=x")

    assert gate == django
    assert gate[0] == "401 Unauthorized"


@pytest.mark.parametrize("logged_in", [True, False])
def test_head_has_the_headers_of_get_and_no_body(request, db, logged_in):
    header = {"HTTP_COOKIE": request.getfixturevalue("cookies")} if logged_in else {}
    status, headers, body = ask(ALONE, method="HEAD", **header)

    assert (status, headers) == ask(django_application, method="HEAD", **header)[:2]
    assert (status, headers) == ask(ALONE, method="GET", **header)[:2]
    assert body == b""


def test_the_answer_says_who_it_is_and_until_when(cookies: str, alice: Person):
    _, headers, body = ask(application, HTTP_COOKIE=cookies)
    answer = json.loads(body)

    assert answer["user"] == {"id": str(alice.user.pk), "username": "alice"}
    assert set(answer) == {"user", "expires_at"}
    assert headers["X-Auth-User"] == str(alice.user.pk)
    assert headers["X-Auth-Username"] == "alice"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Cache-Control"] == "no-store, private"
    assert headers["Vary"] == "Cookie"


def test_the_same_cookie_twice_is_read_alike_by_both(cookies: str):
    for header in (f"{cookies}; {NAME}=x", f"{NAME}=x; {cookies}"):
        assert ask(application, HTTP_COOKIE=header) == ask(django_application, HTTP_COOKIE=header)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "FOO"])
def test_other_methods_are_djangos_to_refuse(method):
    with pytest.raises(Passed):
        ask(ALONE, method=method)


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "TRACE", "FOO"])
def test_asking_is_all_one_can_do(client: Visitor, db, method):
    page = client.generic(method, "/session/")

    assert page.status_code == 405
    assert page["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/session", "/session//", "/session/x", "/Session/", "/", ""])
def test_other_addresses_are_djangos(path):
    with pytest.raises(Passed):
        ask(ALONE, path=path)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        cookie.sign("s" * 43),
        cookie.sign("s" * 43)[:-1],
        "\xff\xfe",
        '"' + cookie.sign("s" * 43) + '"',
    ],
    ids=["empty", "short", "of a session that is gone", "truncated", "not UTF-8", "quoted"],
)
def test_a_dead_cookie_is_cleared_and_nobodys(db, value):
    header = f"{NAME}={value}"
    status, headers, _ = ask(application, HTTP_COOKIE=header)

    assert (status, headers) == ask(django_application, HTTP_COOKIE=header)[:2]
    assert status == "401 Unauthorized"
    assert f'{NAME}=""; expires=Thu, 01 Jan 1970 00:00:00 GMT' in headers["Set-Cookie"]


def test_what_is_cookie_shaped_nonsense_is_nobody(db):
    for header in ("", ";", "=", NAME, f"{NAME};", "\xff" * 100, "x" * 9000):
        assert ask(application, HTTP_COOKIE=header)[0] == "401 Unauthorized"


def test_a_session_to_be_touched_or_read_again_is_djangos(cookies: str):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        clock.shift(60)
        with pytest.raises(Passed):
            ask(ALONE, HTTP_COOKIE=cookies)
        assert ask(application, HTTP_COOKIE=cookies)[0] == "200 OK"  # which Django has now done
        assert ask(ALONE, HTTP_COOKIE=cookies)[0] == "200 OK"


@pytest.mark.asvs("7.3.1")
def test_an_idle_session_ends_at_the_gate_too(cookies: str):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        clock.shift(3601)
        assert ask(application, HTTP_COOKIE=cookies)[0] == "401 Unauthorized"


@pytest.mark.asvs("7.4.1")
def test_a_revoked_session_ends_at_the_gate_on_the_next_request(cookies: str):
    redis().flushdb()

    status, headers, _ = ask(application, HTTP_COOKIE=cookies)
    assert status == "401 Unauthorized"
    assert "Set-Cookie" in headers


def test_a_changed_user_shows_at_the_gate_within_a_minute(cookies: str, alice: Person):
    User.objects.filter(email=alice.email).update(username="alicia")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        clock.shift(61)
        assert ask(application, HTTP_COOKIE=cookies)[1]["X-Auth-Username"] == "alicia"


@pytest.mark.parametrize("field", ["data", "user", "meta"])
@pytest.mark.parametrize("garbage", [b"", b"\xff", b"[]", b'"x"', b"7", b"{"])
def test_what_somebody_else_wrote_into_redis_is_never_a_fault(cookies: str, field, garbage):
    [key] = redis().keys("session:*")
    redis().hset(key, field, garbage)

    gate = ask(application, HTTP_COOKIE=cookies)
    assert gate[0] == ask(django_application, HTTP_COOKIE=cookies)[0] == "401 Unauthorized"


def test_everything_else_goes_on_to_django(db):
    status, headers, body = ask(application, path="/login/")

    assert status == "200 OK"
    assert headers["Content-Type"].startswith("text/html")
    assert b"<form" in body
