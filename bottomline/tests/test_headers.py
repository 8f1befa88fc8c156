"""Every kind of answer of the running product, asked over https, with all of its headers."""

import io
import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from PIL import Image
from redis import Redis

from bottomline import request_id
from bottomline.tests.browser import Page, Visitor
from bottomline.tests.servers import wait_until
from bottomline.tests.stack import Member, Stack

pytestmark = pytest.mark.stack

SITE = "https://door.example.org"
DEAD = "A" * 43

# security-requirements.md, section 0, to the letter, but for what SECURITY.md says of scripts.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; "
    "report-to csp; report-uri /csp-report/"
)
SEALED = (
    "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "object-src 'none'; sandbox; report-to csp; report-uri /csp-report/"
)
EVERY = {
    "content-security-policy": POLICY,
    "reporting-endpoints": 'csp="/csp-report/"',
    "strict-transport-security": "max-age=63072000; includeSubDomains; preload",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), "
    "publickey-credentials-create=(self), publickey-credentials-get=(self)",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
    "cache-control": "no-store, private",
}
KEPT = {"cache-control": "max-age=315360000, public, immutable"}
LINK = {"referrer-policy": "strict-origin"}
PICTURE = {"content-security-policy": SEALED}

# What an answer says of itself; all others are rules, and none but those above is meant.
OF_ITSELF = {
    "accept-ranges",
    "allow",
    "connection",
    "content-disposition",
    "content-language",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "location",
    "retry-after",
    "server",
    "set-cookie",
    "transfer-encoding",
    "vary",
    "www-authenticate",
    "x-auth-user",
    "x-auth-username",
}
HTML, JSON = "text/html; charset=utf-8", "application/json"
TEXT, CSS = "text/plain; charset=utf-8", 'text/css; charset="utf-8"'


@dataclass
class House:
    """The running product and who is in it."""

    stack: Stack
    ada: Member
    olivia: Member
    sessions: Redis
    file: str
    picture: str
    export: str

    def paths(self) -> dict[str, str]:
        return {"file": self.file, "picture": self.picture, "export": self.export}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("headers")
    with Stack(folder, SITE_URL=SITE, ALLOWED_HOSTS="door.example.org").up() as stack:
        ada = stack.member("ada")
        olivia = stack.member("olivia", stack.issue_invite("--staff"))
        olivia.browser.set_up_factor()
        yield House(
            stack,
            ada,
            olivia,
            sessions=Redis(unix_socket_path=str(stack.redis.socket), db=0),
            file=_found(r'/static/css/[^"]+', stack.visitor().get("/login/")),
            picture=_upload(ada),
            export=_export(ada),
        )


def _upload(member: Member) -> str:
    """Send a picture, and find its address on the member's page."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    fields = f"""--b\r
Content-Disposition: form-data; name="csrfmiddlewaretoken"\r
\r
{member.browser.csrf_token}\r
--b\r
Content-Disposition: form-data; name="picture"; filename="me.png"\r
Content-Type: image/png\r
\r
""".encode()
    page = member.browser.request(
        "POST",
        "/account/profile/picture/",
        body=fields + file.getvalue() + b"\r\n--b--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert page.status == 302, page
    return _found(r'/pictures/[^"]+', member.browser.get(f"/people/{member.username}/"))


def _export(member: Member) -> str:
    """Ask for a copy of everything, and wait until the worker has made it."""
    assert member.browser.post("/account/export/").status == 302
    link = re.compile(r"/account/export/[0-9a-f-]{36}/")
    return wait_until(lambda: link.search(member.browser.get("/account/export/").text), seconds=60)[
        0
    ]


def _found(pattern: str, page: Page) -> str:
    found = re.search(pattern, page.text)
    assert found, page.text
    return found[0]


def rules_of(page: Page) -> dict[str, str]:
    """The headers that are rules; one that is sent twice is two lines in one."""
    names = {name.lower() for name in page.headers} - OF_ITSELF
    if kept_by_caches(page):
        assert "x-request-id" not in names
    else:
        assert request_id.WELL_FORMED.fullmatch(page.headers["X-Request-ID"])
        names.remove("x-request-id")
    return {name: "\n".join(page.headers.get_all(name) or []) for name in names}


def kept_by_caches(page: Page) -> bool:
    return page.headers["Cache-Control"] == KEPT["cache-control"]


def browser_of(house: House, who: str) -> Visitor:
    people = {MEMBER: house.ada, STAFF: house.olivia}
    return people[who].browser if who in people else house.stack.visitor()


# Who asks, how, where; then the status, the type and where the rules differ.
VISITOR, MEMBER, STAFF = "stranger", "ada", "olivia"
REPORT = {"Content-Type": "application/csp-report"}
VIOLATION = '{"csp-report": {"effective-directive": "img-src", "blocked-uri": "data"}}'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ANSWERS: list[tuple[str, str, str, dict[str, Any], int, str, dict[str, str]]] = [
    (VISITOR, "GET", "/", {}, 200, HTML, {}),
    (VISITOR, "GET", "/login/", {}, 200, HTML, {}),
    (VISITOR, "HEAD", "/login/", {}, 200, HTML, {}),
    (VISITOR, "GET", "/robots.txt", {}, 200, TEXT, {}),
    (VISITOR, "GET", "/.well-known/security.txt", {}, 200, TEXT, {}),
    (VISITOR, "GET", "/health/live", {}, 200, JSON, {}),
    (VISITOR, "GET", "/health/ready", {}, 200, JSON, {}),
    (VISITOR, "GET", "/session/", {}, 401, JSON, {}),
    (VISITOR, "GET", "/session/", {"headers": {"Cookie": "__Host-session=x"}}, 401, JSON, {}),
    (VISITOR, "GET", "/login", {}, 301, HTML, {}),
    (VISITOR, "GET", "/account/", {}, 302, HTML, {}),
    (VISITOR, "GET", "/admin/", {}, 302, HTML, {}),
    (VISITOR, "GET", "/admin/login/", {}, 302, HTML, {}),
    (VISITOR, "GET", "{picture}", {}, 302, HTML, {}),
    (VISITOR, "GET", "/", {"headers": {"Host": "evil.test"}}, 400, HTML, {}),
    (VISITOR, "POST", "/login/", {"body": "email=a", "headers": FORM}, 403, HTML, {}),
    (VISITOR, "GET", "/nothing/", {}, 404, HTML, {}),
    (VISITOR, "GET", "/nothing/", {"headers": {"Accept": JSON}}, 404, JSON, {}),
    (VISITOR, "GET", "/confirm_account/", {}, 405, HTML, {}),
    (VISITOR, "TRACE", "/login/", {}, 405, HTML, {}),
    (VISITOR, "OPTIONS", "/login/", {"headers": {"Origin": "https://evil.test"}}, 405, HTML, {}),
    (VISITOR, "GET", f"/password/reset/{DEAD}/", {}, 410, HTML, LINK),
    (VISITOR, "GET", f"/invite/{DEAD}/", {}, 410, HTML, LINK),
    (VISITOR, "POST", "/login/", {"body": "x" * 65_537, "headers": FORM}, 413, HTML, {}),
    (VISITOR, "GET", "/login/?next=" + "x" * 4085, {}, 414, HTML, {}),
    (VISITOR, "POST", "/csp-report/", {"body": VIOLATION, "headers": REPORT}, 204, HTML, {}),
    (VISITOR, "POST", "/csp-report/", {"body": "{", "headers": REPORT}, 400, HTML, {}),
    (VISITOR, "POST", "/csp-report/", {"body": "x" * 16_385, "headers": REPORT}, 413, HTML, {}),
    (VISITOR, "POST", "/csp-report/", {"body": "a=b", "headers": FORM}, 415, HTML, {}),
    (VISITOR, "GET", "{file}", {}, 200, CSS, KEPT),
    (VISITOR, "HEAD", "{file}", {}, 200, CSS, KEPT),
    (VISITOR, "GET", "{file}", {"headers": {"Range": "bytes=0-3"}}, 206, CSS, KEPT),
    (VISITOR, "GET", "{file}", {"headers": {"Range": "bytes=999999-"}}, 416, "", {}),
    (VISITOR, "POST", "{file}", {}, 405, "", {}),
    (VISITOR, "GET", "/static/css/base.css", {}, 200, CSS, {}),
    (VISITOR, "GET", "/static/css/nothing.css", {}, 404, HTML, {}),
    (VISITOR, "GET", "/static/../manage.py", {}, 404, HTML, {}),
    (MEMBER, "GET", "/", {}, 302, HTML, {}),
    (MEMBER, "GET", "/session/", {}, 200, JSON, {}),
    (MEMBER, "GET", "/account/", {}, 200, HTML, {}),
    (MEMBER, "GET", "/account/invites/", {}, 200, HTML, {}),
    (MEMBER, "GET", "/people/ada/", {}, 200, HTML, {}),
    (MEMBER, "GET", "/people/nobody/", {}, 404, HTML, {}),
    (MEMBER, "GET", "{picture}", {}, 200, "image/webp", PICTURE),
    (MEMBER, "GET", "{export}", {}, 200, "application/zip", {}),
    (MEMBER, "GET", "/admin/", {}, 302, HTML, {}),
    (STAFF, "GET", "{export}", {}, 404, HTML, {}),
    (STAFF, "GET", "/admin/", {}, 200, HTML, {}),
    (STAFF, "GET", "/admin/accounts/user/", {}, 200, HTML, {}),
    (STAFF, "GET", "/admin/jsi18n/", {}, 200, 'text/javascript; charset="utf-8"', {}),
    (STAFF, "GET", "/admin/accounts/user/999999/change/", {}, 302, HTML, {}),
    (STAFF, "GET", "/admin/nothing/", {}, 404, HTML, {}),
]


@pytest.mark.asvs("3.4.1")
@pytest.mark.asvs("3.4.2")
@pytest.mark.asvs("3.4.4")
@pytest.mark.asvs("4.1.1")
@pytest.mark.asvs("14.3.2")
@pytest.mark.parametrize(
    ("who", "method", "path", "sent", "status", "kind", "otherwise"),
    ANSWERS,
    ids=[f"{row[0]} {row[1]} {row[2][:30]} {row[4]} {n}" for n, row in enumerate(ANSWERS)],
)
def test_every_answer_has_exactly_the_headers_it_should(
    house: House, who, method, path, sent, status, kind, otherwise
):
    path = path.format(**house.paths())
    page = browser_of(house, who).request(method, path, **sent)

    assert page.status == status, page
    assert rules_of(page) == EVERY | otherwise
    assert page.headers.get("Content-Type", "") == kind
    assert page.headers["Server"] == "granian"  # and no version


def test_a_form_with_mistakes_has_them(house: House):
    page = house.stack.visitor().post("/login/", {"email": "a@example.org", "password": "x"})
    assert page.status == 422
    assert rules_of(page) == EVERY


def test_leaving_has_them_and_empties_the_browser(house: House):
    page = house.stack.visitor().post("/logout/")
    assert page.status == 302
    assert rules_of(page) == EVERY | {"clear-site-data": '"cache", "storage"'}


def test_over_a_limit_the_answer_has_them(house: House):
    visitor = house.stack.visitor()
    tries = (
        visitor.post("/login/", {"email": "x@example.org", "password": "x"}) for _ in range(40)
    )
    page = next(page for page in tries if page.status == 429)
    assert rules_of(page) == EVERY
    assert int(page.headers["Retry-After"]) > 0


@pytest.mark.asvs("16.5.1")
@pytest.mark.parametrize("path", ["/account/", "/session/", "/admin/"])
def test_a_fault_of_ours_has_them(house: House, path):
    """Whoever writes nonsense into Redis breaks the sessions; not the answers' headers."""
    broken = house.stack.member(f"broken{path.replace('/', '')}").browser
    key = max(house.sessions.scan_iter("session:*"), key=partial(_created, house.sessions))
    house.sessions.hset(key, "user", '{"read_at": "never"}')

    page = broken.get(path)
    assert page.status == 500
    assert "<h1" in page.text
    assert page.headers["Content-Type"] == HTML
    assert rules_of(page) == EVERY


def _created(sessions: Redis, key: bytes) -> float:
    return json.loads(sessions.hget(key, "meta"))["created"]


def test_while_redis_is_away_the_answer_has_them(house: House):
    with house.stack.redis.frozen():
        pages = [
            house.ada.browser.get("/account/"),
            house.ada.browser.get("/session/"),
            house.olivia.browser.get("/admin/"),
            house.stack.visitor().post("/login/", {"email": "a@example.org", "password": "x"}),
            house.stack.visitor().get("/health/ready"),
        ]
    for page in pages:
        assert page.status == 503
        assert rules_of(page) == EVERY
        assert int(page.headers["Retry-After"]) > 0


# --- cookies ---

COOKIES = {
    "__Host-session": "HttpOnly; Path=/; SameSite=Strict; Secure",
    "__Host-device": "HttpOnly; Path=/; SameSite=Lax; Secure",
    "__Host-login": "HttpOnly; Path=/; SameSite=Lax; Secure",
    "__Host-way": "HttpOnly; Path=/; SameSite=Lax; Secure",
    "__Host-csrf": "HttpOnly; Path=/; SameSite=Lax; Secure",
    "__Host-messages": "HttpOnly; Path=/; SameSite=Strict; Secure",
}


@pytest.mark.asvs("3.3.1")
@pytest.mark.asvs("3.3.2")
@pytest.mark.asvs("3.3.3")
@pytest.mark.asvs("3.3.4")
def test_every_cookie_is_bound_to_this_host_and_closed_to_scripts(house: House):
    visitor = house.stack.visitor()
    login = {"email": house.ada.email, "password": house.ada.password}
    pages = [
        visitor.get("/login/"),
        visitor.post("/login/link/", {"email": house.ada.email}),
        visitor.log_in(**login),
        visitor.log_in(**login, remember="on"),
        visitor.post("/account/profile/", {"name": "Ada", "bio": ""}),
        visitor.get("/account/profile/"),
        visitor.post("/logout/"),
    ]
    lines = [line for page in pages for line in page.headers.get_all("Set-Cookie") or []]
    seen = set()
    for line in lines:
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        lasting = ("expires", "max-age")
        fixed = sorted(one for one in attributes if not one.lower().startswith(lasting))
        # Taking a cookie away needs no HttpOnly, and Django leaves it out.
        meant = COOKIES[name] if value != '""' else COOKIES[name].removeprefix("HttpOnly; ")
        assert "; ".join(fixed) == meant, line
        assert len(pair) <= 4096
        seen.add(name)
    assert seen == COOKIES.keys()


# --- what is too much ---

HEAD = "GET /login/ HTTP/1.1\r\nHost: door.example.org\r\nX-Forwarded-Proto: https\r\n"


def send(house: House, raw: str, *, patience: float = 10) -> bytes:
    """Bytes as they are; the answer's start, or nothing where the server has hung up."""
    with socket.create_connection(("127.0.0.1", house.stack.port), timeout=patience) as connection:
        connection.sendall(raw.encode())
        return connection.recv(65536)


@pytest.mark.asvs("5.2.1")
@pytest.mark.parametrize(
    ("size", "status"), [(15 * 1024, b"200"), (16 * 1024, b"431"), (1024 * 1024, b"431")]
)
def test_sixteen_kibibytes_of_headers_are_too_many(house: House, size, status):
    answer = send(house, f"{HEAD}Connection: close\r\nX-Long: {'x' * size}\r\n\r\n")
    assert answer.split()[1] == status


def test_an_address_of_four_kibibytes_is_not_too_long(house: House):
    assert house.stack.visitor().get("/login/?next=" + "x" * 4083).status == 200


def test_whoever_is_slow_with_the_headers_is_hung_up_on_within_ten_seconds(house: House):
    began = time.monotonic()
    assert send(house, HEAD, patience=20) == b""
    assert time.monotonic() - began < 10


@pytest.mark.asvs("5.2.1")
@pytest.mark.parametrize(("fields", "status"), [(99, 422), (100, 400)])
def test_a_form_has_a_hundred_fields(house: House, fields, status):
    """The token is one of them."""
    page = house.stack.visitor().post("/login/", {f"field{n}": "" for n in range(fields)})
    assert page.status == status
    assert rules_of(page) == EVERY


@pytest.mark.asvs("5.2.1")
def test_a_form_has_one_file(house: House):
    browser = house.ada.browser
    file = '--b\r\nContent-Disposition: form-data; name="picture"; filename="x"\r\n\r\nx\r\n'
    for files, status in ((1, 422), (2, 400)):
        token = '--b\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n'
        page = browser.request(
            "POST",
            "/account/profile/picture/",
            body=f"{token}{browser.csrf_token}\r\n{file * files}--b--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
        assert page.status == status
        assert rules_of(page) == EVERY
