"""The ways to log in that there are: how strong each is, who has it, and where it is changed.

The security page and the login page show them, and nobody gives the last one up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Max

from accounts import provider
from accounts.errors import LastWayIn
from accounts.models import Event, User


@dataclass(frozen=True)
class Way:
    """One way in. Methods are those that `login.complete` is told, without a second factor."""

    name: str
    methods: frozenset[str]
    title: str
    strength: str  # a sentence
    door: str  # where somebody logs in by it
    invitation: str  # what leads there, on the login page
    page: str  # where a member changes it
    has: Callable[[User], bool]
    adding: str = ""  # what a member does to have it; of the mail nothing
    is_offered: Callable[[], bool] = lambda: True  # by this installation


@dataclass(frozen=True)
class OwnWay:
    """A way in, as one member has it or could have it."""

    way: Way
    is_there: bool
    is_only: bool
    last_used: datetime | None


_ways: dict[str, Way] = {}


def register(way: Way) -> Way:
    """Add a way in; the order in which they are added is that of the pages."""
    _ways[way.name] = way
    return way


def find(name: str) -> Way | None:
    """The way of that name, if there is one here."""
    return next((way for way in _offered() if way.name == name), None)


def find_by_method(method: str) -> Way | None:
    """The way that a login went: of "password+totp" the password."""
    first = method.partition("+")[0]
    return next((way for way in _ways.values() if first in way.methods), None)


def list_own(user: User) -> list[OwnWay]:
    """Every way in there is, and how it stands with this member.

    One query, and one for each way that keeps rows of its own.
    """
    used = _last_uses(user)
    offered = _offered()
    there = {way.name for way in offered if way.has(user)}
    return [
        OwnWay(
            way=way,
            is_there=way.name in there,
            is_only=there == {way.name},
            last_used=used.get(way.name),
        )
        for way in offered
    ]


def require_another(user: User, without: str) -> None:
    """Raise LastWayIn where the member could not log in any more without the way of that name.

    In the transaction that takes it away, with the member held: of two who give up one each the
    second finds the first gone.
    """
    if not any(way.has(user) for way in _offered() if way.name != without):
        raise LastWayIn


def _offered() -> list[Way]:
    return [way for way in _ways.values() if way.is_offered()]


def _last_uses(user: User) -> dict[str, datetime]:
    logins = Event.objects.filter(user_id=user.pk, kind="login.completed").order_by()
    used: dict[str, datetime] = {}
    for method, at in logins.values_list("details__method").annotate(at=Max("at")):
        way = find_by_method(method or "")
        if way:
            used[way.name] = max(at, used.get(way.name, at))
    return used


PASSWORD = register(
    Way(
        name="password",
        methods=frozenset({"password"}),
        title="Password",
        strength="Strong, as long as it is long and used nowhere else.",
        door="/login/",
        invitation="Log in with the password",
        page="/password/change/",
        has=lambda user: user.has_usable_password(),
        adding="Set a password",
    )
)
PASSKEY = register(
    Way(
        name="passkey",
        methods=frozenset({"passkey"}),
        title="Passkeys",
        strength="Strongest: your device proves it, and nobody can talk you out of it.",
        door="/login/passkey/",
        invitation="Log in with a passkey",
        page="/account/security/passkeys/",
        has=lambda user: user.passkeys.exists(),
        adding="Add a passkey",
        is_offered=lambda: settings.HAS_PASSKEYS,
    )
)
MAIL = register(
    Way(
        name="mail",
        methods=frozenset({"link", "code"}),
        title="Link or code by mail",
        strength="As strong as your mailbox: whoever reads it gets in, if they ask for the link.",
        door="/login/link/",
        invitation="Log in by mail",
        page="/email/change/",
        has=lambda user: not user.is_staff,
    )
)
GOOGLE = register(
    Way(
        name="google",
        methods=frozenset({"google"}),
        title=settings.GOOGLE_NAME,
        strength="As strong as your account there: whoever is logged in there gets in here.",
        door="/login/google/",
        invitation=f"Continue with {settings.GOOGLE_NAME}",
        page="/account/security/google/",
        has=lambda user: user.identities.filter(issuer=provider.issuer()).exists(),
        adding=f"Link {settings.GOOGLE_NAME}",
        is_offered=provider.is_offered,
    )
)
