"""The cast, and what every test may use."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html import unescape
from threading import Barrier, Thread
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.cache import caches
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.db.models import F, QuerySet
from django.http import HttpResponse
from django.test import Client, RequestFactory, TestCase, override_settings
from django.test.client import ClientHandler
from django.utils import timezone
from pyotp import TOTP

from accounts.hashers import BoundedArgon2Hasher
from accounts.models import Totp, User
from accounts.models.second_factor import STEP
from bottomline.caller import caller_of
from bottomline.captcha.challenges import new_challenge
from bottomline.outbox import services as outbox
from bottomline.tests import environment
from bottomline.tests.provider import CLIENT_ID, CLIENT_SECRET, Account, IdentityProvider
from invites import services as invites
from invites.models import Invite

PASSWORD = "plum orbit kettle nine sand"
LINK = re.compile(r"https://door\.example\.org(/\S+)")


# The forms that want a browser to work, and what they are called there.
DOORS = {
    r"/password/forgot/": "forgot",
    r"/confirmation/resend/": "resend",
    r"/invite/[\w-]{43}/": "signup",
    r"/login/link/": "login-mail",
    r"/invite/[\w-]{43}/mail/": "login-mail",
    r"/login/": "login",  # after a few tries
}


class Visitor(Client):
    """A browser over https whose requests commit: what waits for a commit happens.

    It works where a form wants it to; who does not posts an empty `altcha`.
    """

    handlers: ClassVar[dict[bool, ClientHandler]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, headers={"host": "door.example.org"})
        # The middleware takes 50 ms to load, for it lists the static files: once will do for all.
        self.handler = self.handlers.setdefault(self.handler.enforce_csrf_checks, self.handler)

    def post(self, path: str, data: Any = None, *args: Any, **more: Any) -> Any:
        door = next((DOORS[at] for at in DOORS if re.fullmatch(at, path)), "")
        if door and isinstance(data, dict):
            data = {"altcha": self.solution(door, **more)} | data
        return super().post(path, data, *args, **more)

    def solution(self, door: str, **more: Any) -> str:
        extra = {name: value for name, value in more.items() if name.isupper()}
        asked = RequestFactory(**self.defaults).get("/", headers=more.get("headers"), **extra)
        return solve(new_challenge(door, caller_of(asked).network))

    @property
    def is_in(self) -> bool:
        """Whether others are told that somebody is logged in here."""
        return self.get("/session/").status_code == 200

    def request(self, **request: Any) -> Any:
        request["wsgi.url_scheme"] = "https"
        with commits():
            return super().request(**request)


@dataclass
class Person:
    """Somebody with an account, and what they know of it."""

    email: str
    username: str
    password: str = PASSWORD

    @property
    def user(self) -> User:
        return User.objects.get(email=self.email)


@dataclass
class Inbox:
    """What has been delivered. Looking delivers whatever waits, so no worker is needed."""

    seen: list[Any] = field(default_factory=list)

    def mails_to(self, email: str) -> list[EmailMultiAlternatives]:
        outbox.sweep()
        return [message for message in mail.outbox if message.to == [email]]

    def link_to(self, email: str) -> str:
        """The path of the link in the last mail to somebody."""
        found = LINK.search(str(self.mails_to(email)[-1].body))
        assert found
        return found[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests first, or all but one process would wait for them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """SQLite in a file, as `make run` has it: in memory it locks whole tables and never waits."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(environment.folder / "tests.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Dropping a database may wait for a checkpoint, longer than any statement of ours may take."""
    yield
    if connection.vendor == "postgresql":
        connection.settings_dict["OPTIONS"]["options"] = ""


@pytest.fixture(autouse=True)
def _clean_redis() -> None:
    """Every test begins with nothing counted and nobody logged in."""
    for name in ("default", "sessions"):
        caches[name].clear()


class CheapHasher(BoundedArgon2Hasher):
    """Argon2 that takes no time: half of the suite's otherwise, and nothing hides behind it."""

    time_cost = 1
    memory_cost = 64


@pytest.fixture(autouse=True, scope="session")
def _cheap_hashes() -> Iterator[None]:
    """The hasher's own tests, and whatever runs as processes, keep those of production."""
    with override_settings(PASSWORD_HASHERS=["conftest.CheapHasher"]):
        yield


@pytest.fixture
def still_clock() -> Iterator[time_machine.Traveller]:
    """The present moment, until told otherwise, so that no window of a limit ends while counting.

    A window's edge is wherever the digest of what is counted says, so there is no safe hour.
    """
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


@pytest.fixture
def client() -> Visitor:
    return Visitor()


@pytest.fixture
def inbox(db: None) -> Inbox:
    return Inbox()


@pytest.fixture
def invite(db: None) -> Invite:
    """An open invite for one person, from nobody in particular."""
    return invites.issue()


@pytest.fixture
def alice(inbox: Inbox) -> Person:
    """A plain member, confirmed, not logged in."""
    return join(inbox, "alice@example.org", "alice")


@pytest.fixture
def bob(inbox: Inbox) -> Person:
    """Another plain member."""
    return join(inbox, "bob@example.org", "bob")


@pytest.fixture
def olivia(inbox: Inbox) -> Person:
    """The owner: staff with every permission."""
    return join(inbox, "olivia@example.org", "olivia", staff=True)


@pytest.fixture
def provider(settings: Any) -> Iterator[IdentityProvider]:
    """A provider of OpenID Connect on another host, by which one can log in here."""
    with IdentityProvider().up() as provider:
        settings.GOOGLE_CLIENT_ID, settings.GOOGLE_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
        settings.GOOGLE_DISCOVERY_URL = provider.discovery_url
        yield provider


def solve(challenge: dict[str, Any]) -> str:
    """What a browser sends back: found by trying, as there."""
    number = next(
        number
        for number in range(challenge["maxnumber"])
        if sha256(f"{challenge['salt']}{number}".encode()).hexdigest() == challenge["challenge"]
    )
    return b64encode(json.dumps(challenge | {"number": number}).encode()).decode()


def commits() -> Any:
    """A block at whose end the transaction commits, so what waits for that happens."""
    return TestCase.captureOnCommitCallbacks(execute=True)


def at_once(acts: Sequence[Callable[[], object]]) -> None:
    """Do all of these at the same moment, each in a thread; for tests with `transaction=True`."""
    barrier = Barrier(len(acts))

    def do(act: Callable[[], object]) -> None:
        barrier.wait()
        try:
            act()
        finally:
            connection.close()

    threads = [Thread(target=do, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def join(inbox: Inbox, email: str, username: str, *, staff: bool = False) -> Person:
    """Become a member by the front door: invite, sign-up, mail, button; staff with two factors."""
    visitor = Visitor()
    person = Person(email, username)
    assert sign_up(visitor, invites.issue(staff=staff), person).status_code == 200
    confirmed = confirm(visitor, inbox.link_to(email))
    assert confirmed.status_code == 302, confirmed.content
    if staff:
        set_up_factor(person)
    return person


def make_staff(person: Person, permissions: QuerySet[Permission] | None = None) -> None:
    """Staff, with a second factor, who are no owners and may do no more than that."""
    set_up_factor(person)
    User.objects.filter(pk=person.user.pk).update(is_staff=True)
    person.user.user_permissions.set(permissions or [])


def sign_up(visitor: Client, invite: Invite, person: Person) -> HttpResponse:
    return visitor.post(path_of(invite), vars(person))


def confirm(visitor: Client, link: str) -> HttpResponse:
    page = visitor.get(link)
    assert page.status_code == 200, page.content
    return visitor.post("/confirm_account/", {"confirmation": page.context["token"]})


def log_in(visitor: Client, person: Person, **more: str) -> HttpResponse:
    """Log in on the real page, with a second factor where there is one, and see that it worked."""
    response = visitor.post("/login/", {"email": person.email, "password": person.password, **more})
    assert response.status_code == 302, response.content
    if urlsplit(response["Location"]).path == "/login/verify/":
        # As if it were later: each code counts once, and a test may log in many times.
        Totp.objects.filter(user=person.user).update(last_step=0)
        response = visitor.post("/login/verify/", {"code": app_code(person), **more})
        assert response.status_code == 302, response.content
    assert visitor.get("/session/").json()["user"]["username"] == person.username
    return response


def set_up_factor(person: Person, visitor: Client | None = None) -> list[str]:
    """Set a second factor up on the pages, logged in there; returns the recovery codes."""
    if visitor is None:
        log_in(visitor := Visitor(), person)
    page = "/account/security/factor/"
    assert visitor.post(f"{page}start/")["Location"] == f"{page}confirm/"
    to_scan = visitor.get(f"{page}confirm/").content.decode()
    secret = re.search(r'id="secret">([A-Z2-7 ]+)<', to_scan)
    assert secret
    code = TOTP(secret[1].replace(" ", "")).at(int(timezone.now().timestamp()))
    shown = visitor.post(f"{page}confirm/", {"code": code})
    assert shown.status_code == 200, shown.content
    # As if it had been that of the step before: the code of this one is still good for a login.
    Totp.objects.filter(user=person.user).update(last_step=F("last_step") - 1)
    assert person.user.second_factor_at
    return re.findall(r'class="secret">([A-Z2-7 ]+)<', shown.content.decode())


def app_code(person: Person, *, steps: int = 0) -> str:
    """What the app of somebody shows now, or some steps from now."""
    app = TOTP(Totp.objects.get(user=person.user).secret)
    return app.at(int(timezone.now().timestamp()) + steps * STEP)


def place_in(page: Any) -> str:
    """Where the page before the provider leads."""
    assert page.status_code == 200, page.content
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page.text)
    assert found, page.text
    return unescape(found[1])


def come_back(visitor: Visitor, provider: IdentityProvider, page: Any, account: Account) -> Any:
    """Say yes at the provider, to which that page leads, and come back."""
    return go_on(visitor, provider.approve(place_in(page), account))


def go_on(visitor: Visitor, back: str) -> Any:
    """Come back from the provider to that address, and press the button there."""
    page = visitor.get(back.removeprefix("https://door.example.org"))
    assert page.status_code == 200, page.content
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
    return visitor.post("/login/google/callback/", {k: unescape(v) for k, v in fields.items()})


def link_google(visitor: Visitor, provider: IdentityProvider, account: Account) -> None:
    """Link an account there to that of the member who is logged in here."""
    page = visitor.post("/account/security/google/link/")
    assert come_back(visitor, provider, page, account)["Location"] == "/account/security/google/"
    assert account.email in visitor.get("/account/security/google/").text


def path_of(invite: Invite) -> str:
    return invite.link.removeprefix("https://door.example.org")
