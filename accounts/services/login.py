"""Logging in: proving who you are, and the one way to finish."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import auth
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from accounts import emails, limits
from accounts.addresses import InvalidAddress, canonical_email
from accounts.errors import AccountBlocked, BadCredentials, SecondFactorNeeded, WorkMissing
from accounts.events import log_only, record
from accounts.models import Event, User
from accounts.services import closing, devices, passwords, reauth, second_factor, unlocking
from bottomline.browsers import browser_of
from bottomline.caller import Caller
from bottomline.captcha import challenges
from bottomline.errors import TooManyAttempts
from bottomline.limits import Use, spend
from bottomline.sessions.record import Meta, is_two_factors

if TYPE_CHECKING:
    from bottomline.sessions.request import Request

BACKEND = settings.AUTHENTICATION_BACKENDS[0]

DOOR = "login"  # what the challenges of the login form are good for

LAST_LOGIN = "last_login"  # in the session: the login before this one, for its owner to compare

# What makes a login unusual even on a known device.
LONG_AWAY = 90  # days
MANY_FAILURES = 5  # within an hour


@dataclass(frozen=True)
class Attempt:
    """A try to log in that was counted, so that its password may be looked at."""

    email: str
    caller: Caller
    next_costs_work: bool


def begin(email: str, *, caller: Caller, solution: str = "") -> Attempt:
    """Count a try to log in, whoever the address belongs to, and before its password is known.

    Raises TooManyAttempts; and WorkMissing where there were several tries before and this one
    brings no solution of a challenge.
    """
    with suppress(InvalidAddress):  # nobody has it; it counts and costs as it was typed
        email = canonical_email(email)
    uses = count_attempt(email, caller)
    waits = [use.time_left for use in uses if use.costs_work]
    if waits and not challenges.spend_solution(solution, door=DOOR, caller=caller):
        log_only("login.refused", caller=caller, reason=WorkMissing.reason)
        raise WorkMissing(max(waits))
    return Attempt(email, caller, any(use.next_costs_work for use in uses))


def authenticate(attempt: Attempt, password: str) -> User:
    """Whose email and password these are, or BadCredentials.

    An address without an account costs the same hash.
    """
    user = User.objects.filter(email=attempt.email).first()
    if not passwords.is_right(user, password) or user is None:
        record("login.refused", caller=attempt.caller, user=user, reason=BadCredentials.reason)
        raise BadCredentials
    return user


def complete(
    request: "Request", user: User, *, method: str, caller: Caller, remember: bool = False
) -> None:
    """Log the user in: every way of proving who you are ends here, and nothing else logs in.

    A method with a plus has proved two factors, as in "password+totp", and so has a passkey. Raises
    AccountBlocked to somebody who has proved who they are; and SecondFactorNeeded, before anything
    has changed, where they have a second factor and proved only one in a browser they do not trust.
    Who had closed their account is back with that. The id of the session is new, whoever it
    belonged to before (ASVS 7.2.4). An unusual login is told to its owner by mail, every time: a
    limit on that would be an intruder's to use up.
    """
    if not user.is_confirmed:
        record("login.refused", caller=caller, user=user, reason="unconfirmed")
        raise BadCredentials
    if user.blocked_until and user.is_blocked:
        record("login.refused", caller=caller, user=user, reason=AccountBlocked.reason)
        raise AccountBlocked(user.blocked_until)
    if user.is_closed and not User.objects.reachable().filter(pk=user.pk).exists():
        record("login.refused", caller=caller, user=user, reason="closed")
        raise BadCredentials
    if second_factor.is_due(user, method, caller):
        raise SecondFactorNeeded
    if user.second_factor_at and not is_two_factors(method):
        method = f"{method}+{second_factor.TRUSTED}"
    if user.is_closed or user.is_erased:
        try:
            closing.come_back(user, caller=caller)
        except BadCredentials:
            record("login.refused", caller=caller, user=user, reason="closed")
            raise
    if request.session.snapshot is not None:
        request.session.flush()
    before = _login_before(user)
    unusual = _unusual(user, before, caller) if user.last_login else {}
    auth.login(request, user, backend=BACKEND)
    meta = _new_meta(user, method=method, caller=caller, remember=remember)
    # As if read long ago: what changed while the password was being checked (a reset, a block) must
    # show on the very next request, and the services that change it saw no session to end.
    request.session.begin(user.snapshot() | {"read_at": 0}, meta)
    if before:
        request.session[LAST_LOGIN] = {
            "at": before.at.timestamp(),
            "browser": str(browser_of(before.user_agent)) if before.user_agent else "",
        }
    with transaction.atomic():
        event = record("login.completed", caller=caller, user=user, method=method, **unusual)
        if unusual:
            emails.new_login(event)


def _login_before(user: User) -> Event | None:
    """The login before this one; and with it when the fifth of the latest failures since it was."""
    failures = Event.objects.filter(
        user_id=user.pk, kind="login.refused", pk__gt=OuterRef("pk")
    ).order_by("-pk")
    fifth = Subquery(failures.values("at")[MANY_FAILURES - 1 : MANY_FAILURES])
    logins = Event.objects.filter(user_id=user.pk, kind="login.completed")
    return logins.annotate(fifth_failure_at=fifth).order_by("-pk").first()


def _unusual(user: User, before: Event | None, caller: Caller) -> dict[str, int]:
    """What about this login its owner should be told by mail (ASVS 6.3.5).

    Not asked of the first login of all: it follows on the mail whose link confirmed the address.
    """
    now = timezone.now()
    assert user.last_login
    away = (now - user.last_login).days
    failed_at = getattr(before, "fifth_failure_at", None)
    found = {
        "strange": int(not devices.is_known(caller.device_cookie, user)),
        "away": away if away >= LONG_AWAY else 0,
        "failures": MANY_FAILURES if failed_at and now - failed_at <= timedelta(hours=1) else 0,
    }
    return {name: value for name, value in found.items() if value}


def count_attempt(email: str, caller: Caller) -> list[Use]:
    """Count one guess at the password of that address. Raises TooManyAttempts.

    Right ones count as well, so that nobody buys more guesses with an account of their own. Where
    strangers have used up what strangers have, the owner is mailed a way in for a new browser.
    """
    device = devices.find_known(caller.device_cookie, email)
    if device:
        return spend(*((limit, device) for limit in limits.LOGIN_BY_DEVICE))
    # The network first and alone: one that may try no more uses up nothing of anybody's.
    by_network = spend((limits.LOGIN_BY_NETWORK, caller.network))
    try:
        return by_network + spend(*((limit, email) for limit in limits.LOGIN_BY_ACCOUNT))
    except TooManyAttempts:
        unlocking.request(email, caller=caller)
        raise


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
    if is_two_factors(method) or not reauth.wants_passkey(user):
        meta.prove(caller.where)
    return meta
