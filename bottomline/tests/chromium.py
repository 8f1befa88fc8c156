"""A real browser at the door of a running stack, and somebody else's site for it to come from."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from functools import cached_property, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)
from pyotp import TOTP
from redis import Redis

from bottomline.tests.environment import HEADLESS, need
from bottomline.tests.provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider
from bottomline.tests.servers import serving, text_of, wait_until
from bottomline.tests.stack import Stack

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 20_000  # milliseconds; a busy machine is slow, and a broken page never comes
PASSWORD = "plum orbit kettle nine sand"

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


class Neighbour:
    """Somebody else's site. We are at localhost, they at 127.0.0.1, so to a browser strangers."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.referers: dict[str, str] = {}
        neighbour = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                neighbour.referers[self.path] = self.headers.get("Referer", "")
                body = neighbour.pages.get(self.path, "<!DOCTYPE html><title>Elsewhere</title>")
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args: Any) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @contextmanager
    def up(self) -> Iterator["Neighbour"]:
        with serving(self.server):
            yield self

    def shows(self, html: str) -> str:
        """The address of a page of theirs that says this."""
        path = f"/{len(self.pages)}/"
        self.pages[path] = html
        return self.url + path


class Person:
    """Somebody with an account. Named after a number, so that no two tests meet."""

    def __init__(self, username: str) -> None:
        self.username = username
        self.email = f"{username}@example.org"
        self.password = PASSWORD
        self.next_code: Callable[[], str] | None = None  # of their app, where they need one


class Door:
    """The running stack, and what a test does to it from behind the scenes."""

    def __init__(self, stack: Stack, neighbour: Neighbour, provider: IdentityProvider) -> None:
        self.stack, self.neighbour, self.url = stack, neighbour, stack.url
        self.provider = provider
        self.numbers = itertools.count(1)
        self.regulars: dict[str, Person] = {}
        self.cache = Redis(unix_socket_path=str(stack.redis.socket), db=1)
        self.invite = stack.issue_invite("--uses", "1000", "--note", "So glad you are coming.")

    @cached_property
    def staff_invite(self) -> str:
        return self.stack.issue_invite("--uses", "1000", "--staff")

    def stranger(self, name: str = "ada") -> Person:
        """Somebody who is not a member yet."""
        return Person(f"{name}{next(self.numbers)}x")

    def member(self, name: str = "ada", *, staff: bool = False) -> Person:
        """Somebody who came in through the front door: invite, sign-up, mail, button."""
        person, visitor = self.stranger(name), self.stack.visitor()
        link = self.staff_invite if staff else self.invite
        page = visitor.sign_up(link, person.email, person.username, person.password)
        assert page.status == 200, page.text
        page = visitor.confirm(link_in(self.mail_to(person)))
        assert page.status == 302, page.text
        if staff:
            visitor.log_in(person.email, person.password)
            person.next_code = partial(self._next_code, visitor.set_up_factor())
        return person

    def _next_code(self, app: TOTP) -> str:
        """As if it were later: each code counts once, and nobody waits half a minute here."""
        self.stack.python("from accounts.models import Totp; Totp.objects.update(last_step=0)")
        return app.now()

    def regular(self, *, staff: bool = False) -> Person:
        """A member for tests that only look: always the same one."""
        name = "olivia" if staff else "grace"
        if name not in self.regulars:
            self.regulars[name] = self.member(name, staff=staff)
        return self.regulars[name]

    def mail_to(self, person: Person, words: str = "") -> EmailMessage:
        """The last mail (that says this) the mail server took for somebody, once there is one."""

        def mails() -> list[EmailMessage]:
            theirs = self.stack.mail.mails_to(person.email)
            return [mail for mail in theirs if words in mail["Subject"] + text_of(mail)]

        return wait_until(mails, seconds=40, what=f"a mail to {person.email} {words}")[-1]

    def mail_about_a_login(self, person: Person) -> EmailMessage:
        """The mail after somebody has logged in there on a device that is not the member's."""
        for _ in range(2):  # the first login of all is not told
            self.stack.visitor().log_in(person.email, person.password)
        return self.mail_to(person, "A new login")

    def forget_limits(self) -> None:
        """All tests come from one address, which would soon have used up what it may do."""
        self.cache.flushdb()

    def let_proofs_grow_old(self, person: Person) -> None:
        """As if whoever is logged in to that account had been for a while."""
        self.stack.python(
            f"""
from datetime import timedelta
from accounts.models import User
from bottomline.sessions.index import list_live
from bottomline.sessions.redis import client, session_key
for one in list_live(User.objects.get(email="{person.email}").pk):
    one.meta.proved = one.meta.created - timedelta(hours=1)
    client().hset(session_key(one.digest), "meta", one.meta.dumps())
"""
        )

    @contextmanager
    def slow(self) -> Iterator[None]:
        """The web server takes its time: nothing is answered before this ends."""
        self.stack.web.freeze()
        try:
            yield
        finally:
            self.stack.web.thaw()


class Watch:
    """Writes down what a browser complains of: errors, refusals by the CSP, failed requests."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.complaints: list[str] = []
        self.is_on = True

    def over(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.note(f"error in a script: {error}"))
        page.on("console", self._console)
        page.on("requestfailed", self._failed)
        page.on("response", self._response)
        page.on("request", self._request)

    def note(self, complaint: str) -> None:
        if self.is_on:
            self.complaints.append(complaint)

    @contextmanager
    def off(self) -> Iterator[None]:
        """While a test does what a browser must refuse."""
        self.is_on = False
        try:
            yield
        finally:
            self.is_on = True

    def _console(self, message: ConsoleMessage) -> None:
        # A page answered with 422 or 410 is one of these too; subresources are seen below.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.note(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        # Aborted is what the page itself gave up: a question about half a name, or a second click.
        if request.failure != "net::ERR_ABORTED":
            self.note(f"failed: {request.url} {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            self.note(f"answered {response.status}: {response.url}")

    def _request(self, request: Request) -> None:
        ours = (self.door.url + "/", self.door.neighbour.url + "/", self.door.provider.issuer + "/")
        if not request.url.startswith(ours):
            self.note(f"asked a third party: {request.url}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a module; each test has windows of its own in it."""
    need("Chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=HEADLESS, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def running_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    need("Chromium")
    with Neighbour().up() as neighbour, IdentityProvider().up() as provider:
        stack = Stack(Path(tmp_path_factory.mktemp("stack")))
        # Help is on another site, so what leaves a page with the visitor can be seen there.
        stack.environment["SUPPORT_URL"] = f"{neighbour.url}/help/"
        # What takes a visitor's browser a moment takes ours, on a busy machine, all its patience.
        stack.environment["PROOF_OF_WORK_BITS"] = "14"
        # A provider on another site, as the neighbour is.
        stack.environment["GOOGLE_CLIENT_ID"] = CLIENT_ID
        stack.environment["GOOGLE_CLIENT_SECRET"] = CLIENT_SECRET
        stack.environment["GOOGLE_DISCOVERY_URL"] = provider.discovery_url
        with stack.up():
            yield Door(stack, neighbour, provider)


@pytest.fixture
def door(running_door: Door) -> Door:
    running_door.forget_limits()
    return running_door


@pytest.fixture
def watch(door: Door) -> Iterator[Watch]:
    """Fails the test at its end if a browser had anything to complain of."""
    watch = Watch(door)
    yield watch
    assert not watch.complaints, "\n".join(watch.complaints)


@pytest.fixture
def browse(chromium: Browser, door: Door, watch: Watch) -> Iterator[Callable[..., Page]]:
    """Opens a window: cookies of its own, nothing cached, nobody logged in."""
    windows: list[BrowserContext] = []

    def open_window(**options: Any) -> Page:
        options.setdefault("viewport", DESK)
        options.setdefault("timezone_id", "Europe/Lisbon")
        context = chromium.new_context(base_url=door.url, locale="en-GB", **options)
        context.set_default_timeout(PATIENCE)
        context.on("page", watch.over)
        windows.append(context)
        return context.new_page()

    yield open_window
    for window in windows:
        window.close()


@pytest.fixture
def page(browse: Callable[..., Page]) -> Page:
    return browse()


def log_in(page: Page, person: Person) -> None:
    """Log in on the real page, and see that it worked."""
    page.goto("/login/")
    page.get_by_label("Email address").fill(person.email)
    page.get_by_label("Password", exact=True).fill(person.password)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {person.username}")


def enter(page: Page, person: Person) -> None:
    """Log in without looking at it, for tests of what lies behind."""
    form = page.request.get("/login/")
    [token] = [each["value"] for each in page.context.cookies() if each["name"] == "csrf"]
    fields = {"email": person.email, "password": person.password, "csrfmiddlewaretoken": token}
    headers = {"Origin": form.url.removesuffix("/login/")}
    answer = page.request.post("/login/", form=fields, headers=headers, max_redirects=0)
    assert answer.status == 302, answer.text()
    if person.next_code:
        fields = {"code": person.next_code(), "csrfmiddlewaretoken": token}
        answer = page.request.post("/login/verify/", form=fields, headers=headers, max_redirects=0)
        assert answer.status == 302, answer.text()
    assert is_logged_in(page)


def is_logged_in(page: Page) -> bool:
    """Whether this window still has a session, whatever the page in it shows."""
    return page.request.get("/session/").status == 200


def link_in(mail: EmailMessage) -> str:
    """The first address in the text of a mail."""
    body = mail.get_body(("plain",))
    assert body
    return next(word for word in body.get_content().split() if word.startswith("http"))


def html_of(mail: EmailMessage) -> str:
    """The mail as a webmail shows it."""
    body = mail.get_body(("html",))
    assert body
    return body.get_content()


class VirtualDevice:
    """Chromium's own authenticator, as a phone or laptop has it; unlocked by whoever is there."""

    def __init__(self, page: Page, **options: bool) -> None:
        self.cdp = page.context.new_cdp_session(page)
        self.cdp.send("WebAuthn.enable")
        fixed = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
        unlocked = {"hasUserVerification": True, "isUserVerified": True}
        asked = {"options": fixed | unlocked | {"automaticPresenceSimulation": True} | options}
        self.id = self.cdp.send("WebAuthn.addVirtualAuthenticator", asked)["authenticatorId"]

    @property
    def passkeys(self) -> list[dict[str, Any]]:
        found = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        kept: list[dict[str, Any]] = found["credentials"]
        return kept

    def wait(self) -> None:
        """From now on nobody unlocks it."""
        self._there(False)

    def unlock(self) -> None:
        """Whatever it is asked from now on."""
        self._there(True)

    def _there(self, enabled: bool) -> None:
        what = {"authenticatorId": self.id, "enabled": enabled}
        self.cdp.send("WebAuthn.setAutomaticPresenceSimulation", what)

    def refuse(self) -> None:
        """It knows nobody from now on: a wrong finger."""
        what = {"authenticatorId": self.id, "isUserVerified": False}
        self.cdp.send("WebAuthn.setUserVerified", what)

    def forget(self) -> None:
        self.cdp.send("WebAuthn.clearCredentials", {"authenticatorId": self.id})


def add_passkey(page: Page, name: str = "This laptop") -> None:
    """Add one on the pages, logged in."""
    page.goto("/account/security/passkeys/")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("status").first).to_contain_text("Your passkey is added.")
