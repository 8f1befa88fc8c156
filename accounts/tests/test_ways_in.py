"""Every way in, for every state an account can be in: one outcome, whichever way it is.

A new way adds a function to WAYS, which takes a visitor as far as that way goes by itself.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from accounts import limits
from accounts.models import MailedLogin, User
from accounts.services import erasure
from accounts.tests.authenticator import Authenticator, log_in_with, passkey_of
from accounts.tests.test_second_factor import VERIFY
from bottomline.outbox import services as outbox
from bottomline.tests.documents import table
from bottomline.tests.provider import Account, IdentityProvider
from conftest import Person, Visitor, come_back, link_google, log_in, set_up_factor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("still_clock")]

# What may come of it.
IN = "logged in"
CODE = "asked for a code, and not logged in"
BLOCKED = "told that the account is blocked, and until when"
PAUSED = "told to wait, or to let the browser in by the link that was mailed"
REFUSED = "refused, as for an account that does not exist"


def by_password(visitor: Visitor, person: Person) -> Any:
    return visitor.post("/login/", {"email": person.email, "password": person.password})


def asked_by_mail(visitor: Visitor, person: Person) -> MailedLogin:
    """What a mail would say, had one been sent: to some of them none is."""
    visitor.post("/login/link/", {"email": person.email})
    return MailedLogin.objects.get(sent_to=person.email)


def by_link(visitor: Visitor, person: Person) -> Any:
    return visitor.post(f"/login/link/{asked_by_mail(visitor, person).link_token}/")


def by_code(visitor: Visitor, person: Person) -> Any:
    return visitor.post("/login/code/", {"code": asked_by_mail(visitor, person).code})


def by_passkey(visitor: Visitor, person: Person) -> Any:
    """With the one that they had added before anything happened to the account."""
    return log_in_with(devices[person.email], visitor)


devices: dict[str, Authenticator] = {}


def by_google(visitor: Visitor, person: Person) -> Any:
    provider, account = GOOGLE[person.username]
    return come_back(visitor, provider, visitor.post("/login/google/"), account)


GOOGLE: dict[str, tuple[IdentityProvider, Account]] = {}  # where they have accounts as well


@pytest.fixture
def at_google(alice: Person, provider: IdentityProvider) -> Iterator[None]:
    """Alice has linked an account there, before anything became of the one here."""
    GOOGLE[alice.username] = provider, Account("1081", alice.email)
    visitor = Visitor()
    log_in(visitor, alice)
    link_google(visitor, *GOOGLE[alice.username])
    yield
    GOOGLE.clear()


WAYS: dict[str, Callable[[Visitor, Person], Any]] = {
    "password": by_password,
    "link": by_link,
    "code": by_code,
    "passkey": by_passkey,
    "google": by_google,
}


def plain(person: Person) -> None:
    pass


def unconfirmed(person: Person) -> None:
    User.objects.filter(email=person.email).update(email_confirmed_at=None)


def blocked(person: Person) -> None:
    until = timezone.now() + timedelta(days=1)
    User.objects.filter(email=person.email).update(blocked_until=until)


def closing(person: Person) -> None:
    User.objects.filter(email=person.email).update(closed_at=timezone.now())


def lapsed(person: Person) -> None:
    User.objects.filter(email=person.email).update(closed_at=timezone.now() - timedelta(days=15))


def erased(person: Person) -> None:
    lapsed(person)
    erasure.say_goodbyes()
    outbox.sweep()
    assert erasure.erase_all() == 1


def with_factor(person: Person) -> None:
    set_up_factor(person)


def with_factor_and_blocked(person: Person) -> None:
    with_factor(person)
    blocked(person)


def with_factor_and_closing(person: Person) -> None:
    with_factor(person)
    closing(person)


def with_factor_and_lapsed(person: Person) -> None:
    with_factor(person)
    lapsed(person)


def staff_without_factor(person: Person) -> None:
    """Logged in, and the admin stays shut: see test_second_factor."""
    User.objects.filter(email=person.email).update(is_staff=True)


def staff_with_factor(person: Person) -> None:
    with_factor(person)
    User.objects.filter(email=person.email).update(is_staff=True)


def locked(person: Person) -> None:
    """Somebody elsewhere has used up what strangers may try."""
    stranger = Visitor(REMOTE_ADDR="203.0.113.9")
    tries = {"email": person.email, "password": "not the password at all"}
    most = limits.LOGIN_BY_ACCOUNT[0].count
    answers = [stranger.post("/login/", tries).status_code for _ in range(most + 1)]
    assert answers[-1] == 429


STATES: dict[str, tuple[Callable[[Person], None], str]] = {
    "a member": (plain, IN),
    "unconfirmed": (unconfirmed, REFUSED),
    "blocked": (blocked, BLOCKED),
    "locked for strangers": (locked, IN),
    "closing": (closing, IN),
    "closed for good": (lapsed, REFUSED),
    "erased": (erased, REFUSED),
    "with a second factor": (with_factor, CODE),
    "with a second factor, blocked": (with_factor_and_blocked, BLOCKED),
    "with a second factor, closing": (with_factor_and_closing, CODE),
    "with a second factor, closed for good": (with_factor_and_lapsed, REFUSED),
    "staff without a second factor": (staff_without_factor, IN),
    "staff with a second factor": (staff_with_factor, CODE),
}
# Where a way ends otherwise: staff get in by no mail, guesses count for the password alone, and a
# passkey is two factors by itself.
EXCEPT = {
    (state, way): REFUSED
    for state in ("staff without a second factor", "staff with a second factor")
    for way in ("link", "code")
} | {
    ("locked for strangers", "password"): PAUSED,
    **{(state, "passkey"): IN for state, (_, usual) in STATES.items() if usual == CODE},
}


def outcome(response: Any, visitor: Visitor) -> str:
    """What came of it, as the visitor sees it."""
    if visitor.get("/session/").status_code == 200:
        return IN
    if response.status_code == 302 and urlsplit(response["Location"]).path == VERIFY:
        return CODE
    # 410 is how a link says it, which asks for nothing that could be mended.
    said = {403: REFUSED, 410: REFUSED, 422: REFUSED, 423: BLOCKED, 429: PAUSED}
    return said[response.status_code]


def expected(state: str, way: str) -> str:
    _, usual = STATES[state]
    return EXCEPT.get((state, way), usual)


def test_the_table_says_what_comes_of_it():
    said = {row.pop("the account"): row for row in table("../SECURITY.md", "the account", *WAYS)}
    assert said == {state: {way: expected(state, way) for way in WAYS} for state in STATES}


@pytest.mark.asvs("6.3.4")
@pytest.mark.asvs("6.1.3")
@pytest.mark.usefixtures("at_google")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", STATES)
def test_every_way_in_ends_alike(alice: Person, way: str, state: str):
    put, _ = STATES[state]
    if way == "passkey":
        devices[alice.email] = passkey_of(alice)
    put(alice)
    visitor = Visitor()
    assert outcome(WAYS[way](visitor, alice), visitor) == expected(state, way)
    if expected(state, way) == CODE:
        # Nothing has happened to the account for half a login.
        assert alice.user.is_closed == ("closing" in state)
