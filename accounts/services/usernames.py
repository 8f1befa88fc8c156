"""Whether a user name is free, and holding one while a sign-up is under way."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256

from django.core.cache import cache

from accounts import limits
from accounts.addresses import require_username, username_key
from accounts.errors import UsernameTaken
from accounts.models import User
from bottomline.caller import Caller
from bottomline.limits import spend

# Longer than any request lives; it ends a reservation whose process was killed.
HOLD = 30


def is_free(username: str, *, caller: Caller) -> bool:
    """Whether somebody could have that name now. Raises InvalidUsername, TooManyAttempts."""
    spend((limits.USERNAME_CHECK_BY_NETWORK, caller.network))
    key = username_key(require_username(username))
    return not cache.get(_reservation(key)) and not _exists(key)


@contextmanager
def reserved(username: str) -> Iterator[None]:
    """Hold a name for the length of a request. Raises UsernameTaken if another has or holds it."""
    key = username_key(username)
    if not cache.add(_reservation(key), 1, HOLD):
        raise UsernameTaken
    try:
        yield
    finally:
        cache.delete(_reservation(key))


def hold(username: str, lifetime: timedelta) -> None:
    """Keep a name from everybody for a time."""
    cache.set(_reservation(username_key(username)), 1, int(lifetime.total_seconds()))


def require_free(username: str) -> None:
    """Raise UsernameTaken where an account has that name, or one that looks like it."""
    if _exists(username_key(username)):
        raise UsernameTaken


def _exists(key: str) -> bool:
    return User.objects.filter(username_key=key).exists()


def _reservation(key: str) -> str:
    return "username:" + sha256(key.encode()).hexdigest()
