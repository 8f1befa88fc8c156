"""Logging in: proving who you are, and the one way to finish."""

from contextlib import suppress
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.hashers import (
    UNUSABLE_PASSWORD_PREFIX,
    make_password,
    verify_password,
)

from accounts import limits
from accounts.addresses import InvalidAddress, canonical_email
from accounts.errors import AccountBlocked, BadCredentials
from accounts.events import record
from accounts.models import User
from accounts.services import devices
from bottomline.caller import Caller
from bottomline.limits import spend
from bottomline.sessions.record import Meta

if TYPE_CHECKING:
    from bottomline.sessions.request import Request

# Matches nothing, and costs the hash that every password costs.
NO_PASSWORD = UNUSABLE_PASSWORD_PREFIX

BACKEND = settings.AUTHENTICATION_BACKENDS[0]


def authenticate(email: str, password: str, *, caller: Caller) -> User:
    """Whose email and password these are. Raises BadCredentials or TooManyAttempts.

    An address without an account costs the same hash and counts against the same limits.
    """
    with suppress(InvalidAddress):  # nobody has it; it counts and costs as it was typed
        email = canonical_email(email)
    _spend(email, caller)
    user = User.objects.filter(email=email).first()
    is_correct, is_outdated = verify_password(password, user.password if user else NO_PASSWORD)
    if user is None or not is_correct:
        record("login.refused", caller=caller, user=user and user.pk, reason=BadCredentials.reason)
        raise BadCredentials
    if is_outdated:
        _rehash(user, password)
    return user


def complete(
    request: "Request", user: User, *, method: str, caller: Caller, remember: bool = False
) -> None:
    """Log the user in: every way of proving who you are ends here, and nothing else logs in.

    Raises AccountBlocked to somebody who has proved who they are. The id of the session is new,
    whoever it belonged to before (ASVS 7.2.4).
    """
    if not user.is_confirmed:
        record("login.refused", caller=caller, user=user.pk, reason="unconfirmed")
        raise BadCredentials
    if user.blocked_until and user.is_blocked:
        record("login.refused", caller=caller, user=user.pk, reason=AccountBlocked.reason)
        raise AccountBlocked(user.blocked_until)
    if request.session.snapshot is not None:
        request.session.flush()
    auth.login(request, user, backend=BACKEND)
    meta = _new_meta(user, method=method, caller=caller, remember=remember)
    # As if read long ago: what changed while the password was being checked (a reset, a block) must
    # show on the very next request, and the services that change it saw no session to end.
    request.session.begin(user.snapshot() | {"read_at": 0}, meta)
    record("login.completed", caller=caller, user=user.pk, method=method)


def _spend(email: str, caller: Caller) -> None:
    device = devices.known_device(caller.device_cookie, email)
    if device:
        spend((limits.LOGIN_BY_DEVICE, f"{device} {email}"))
    else:
        spend((limits.LOGIN_BY_ACCOUNT, email), (limits.LOGIN_BY_NETWORK, caller.network))


def _rehash(user: User, password: str) -> None:
    """Keep the password under today's parameters, unless it was changed meanwhile."""
    outdated, user.password = user.password, make_password(password)
    User.objects.filter(pk=user.pk, password=outdated).update(password=user.password)


def _new_meta(user: User, *, method: str, caller: Caller, remember: bool) -> Meta:
    if user.is_staff:
        lifetime, idle = settings.SESSION_STAFF_LIFETIME, settings.SESSION_STAFF_IDLE
    elif remember:
        lifetime, idle = settings.SESSION_REMEMBERED_LIFETIME, settings.SESSION_REMEMBERED_IDLE
    else:
        lifetime, idle = settings.SESSION_LIFETIME, settings.SESSION_IDLE
    meta = Meta.begin(
        lifetime=lifetime,
        idle=idle,
        ip=caller.ip,
        user_agent=caller.user_agent,
        method=method,
        remembered=remember and not user.is_staff,
    )
    meta.proved = meta.created
    return meta
