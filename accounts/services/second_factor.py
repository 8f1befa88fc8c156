"""A second factor: setting up an authenticator app, asking for its codes, and turning it off."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts import emails, limits
from accounts.errors import NotApplicable, WrongCode
from accounts.events import record
from accounts.models import RecoveryCode, Totp, TrustedBrowser, User
from accounts.models.second_factor import TRUSTED_FOR
from accounts.services import devices, reauth, sessions
from accounts.services.factor_codes import TOTP, spend_code
from bottomline.browsers import Browser, browser_of
from bottomline.caller import Caller
from bottomline.limits import spend, spend_quietly
from bottomline.sessions.record import is_two_factors
from bottomline.sessions.store import SessionStore

TRUSTED = "trusted"  # as it stands behind the first factor, where no code was asked for

FEW = 3  # recovery codes, from which on their owner is told


@dataclass(frozen=True)
class Trusted:
    """A browser in which no code is asked for, as its owner may know it."""

    id: int
    browser: Browser
    since: datetime
    until: datetime


@dataclass(frozen=True)
class State:
    """What the member has: since when, how many recovery codes are left, and whom it trusts."""

    since: datetime
    codes_left: int
    are_codes_saved: bool
    trusted: list[Trusted]

    @property
    def are_codes_few(self) -> bool:
        return self.codes_left <= FEW


def find_state(user: User) -> State | None:
    """How things stand with the member's second factor; None where there is none."""
    row = Totp.objects.filter(user=user).exclude(confirmed_at=None).first()
    if row is None or row.confirmed_at is None:
        return None
    browsers = TrustedBrowser.objects.trusted().filter(user=user).order_by("-trusted_at")
    return State(
        since=row.confirmed_at,
        codes_left=count_codes(user),
        are_codes_saved=row.codes_saved_at is not None,
        trusted=[
            Trusted(
                one.pk, browser_of(one.user_agent), one.trusted_at, one.trusted_at + TRUSTED_FOR
            )
            for one in browsers
        ],
    )


def count_codes(user: User) -> int:
    """How many recovery codes the member has left."""
    return RecoveryCode.objects.unused(user).count()


# --- setting up ---


@transaction.atomic
def start(user: User, *, caller: Caller) -> None:
    """Make a secret for an app. Nothing is asked for by it until `confirm`. Raises ProofTooOld.

    A new one replaces what was not finished, and never one that is in use.
    """
    reauth.require(caller)
    row = reauth.hold(user)
    if row.second_factor_at is None:
        Totp.objects.begin(row)


def find_pending(user: User) -> Totp | None:
    """What the member is about to set up."""
    row = Totp.objects.pending().select_related("user").filter(user=user).first()
    return row if row and row.is_readable else None


def confirm(user: User, code: str, session: SessionStore, *, caller: Caller) -> list[str]:
    """Ask for a code of this app from now on; returns the recovery codes, which we then forget.

    Every other session ends, for none has proved it, and this one goes on under a new id. Raises
    ProofTooOld, WrongCode, TooManyAttempts, and NotApplicable where nothing waits to be confirmed.
    """
    reauth.require(caller)
    spend((limits.FACTOR_BY_ACCOUNT, str(user.pk)))
    with transaction.atomic():
        # The user before what they have, as everything does that takes both.
        row = reauth.hold(user)
        totp = find_pending(row)
        if totp is None:
            raise NotApplicable("That took too long. Begin again; the secret is a new one.")
        if not totp.spend(code):
            raise WrongCode("That is not the code of this moment. Wait for the next one.")
        row.second_factor_at = timezone.now()
        row.save(update_fields=["second_factor_at"])
        Totp.objects.filter(pk=totp.pk).update(confirmed_at=row.second_factor_at)
        codes = RecoveryCode.objects.replace(row)
        _prove(row, session, caller=caller)
        emails.second_factor_on(record("second_factor.enabled", caller=caller, user=row))
    return codes


def note_saved(user: User) -> None:
    """The member says that they have kept their recovery codes."""
    Totp.objects.filter(user=user).exclude(confirmed_at=None).update(codes_saved_at=timezone.now())


# --- asking for it ---


def is_due(user: User, method: str, caller: Caller) -> bool:
    """Whether somebody who proved that much is still to prove a second factor."""
    if user.second_factor_at is None or is_two_factors(method):
        return False
    return not is_trusted(user, caller)


def is_trusted(user: User, caller: Caller) -> bool:
    """Whether the member is asked for no code in this browser. Staff always are."""
    digest = devices.digest_of(caller.device_cookie, user)
    if user.is_staff or digest is None:
        return False
    return TrustedBrowser.objects.trusted().filter(user=user, digest=digest).exists()


def prove(user: User, code: str, *, caller: Caller) -> str:
    """Take a code at the login; says which kind it was. Raises WrongCode, TooManyAttempts.

    Of a wrong one in a browser that is not known its owner hears, once a day: whoever it is has got
    as far as here (ASVS 6.3.5).
    """
    try:
        return spend_code(user, code, caller=caller)
    except WrongCode:
        is_strange = not devices.is_known(caller.device_cookie, user)
        is_news = is_strange and spend_quietly((limits.FACTOR_MAIL_BY_ACCOUNT, str(user.pk)))
        with transaction.atomic():
            event = record("login.refused", caller=caller, user=user, reason=WrongCode.reason)
            if is_news:
                emails.second_factor_refused(event)
        raise


def _prove_again(user: User, code: str, *, caller: Caller) -> None:
    """Take a code before a change. Raises ProofTooOld, WrongCode, TooManyAttempts."""
    reauth.require(caller)
    reauth.require_code(user, code, caller=caller)


# --- trusting a browser ---


def trust(user: User, device_cookie: str, *, caller: Caller) -> None:
    """Ask for no code in this browser for thirty days, or until something changes. Never staff."""
    digest = devices.digest_of(device_cookie, user)
    if user.is_staff or digest is None:
        return
    with transaction.atomic():
        TrustedBrowser.objects.create(
            user=user,
            digest=digest,
            user_agent=caller.user_agent,
            # Of the account as it was when the code was typed: what has ended since, ends this too.
            session_epoch=user.session_epoch,
        )
        record("browser.trusted", caller=caller, user=user)


@transaction.atomic
def distrust(user: User, browser_id: int, *, caller: Caller) -> bool:
    """Ask for codes in that browser again; False where it is not one of theirs."""
    deleted, _ = TrustedBrowser.objects.filter(user=user, pk=browser_id).delete()
    if deleted:
        record("browser.distrusted", caller=caller, user=user)
    return bool(deleted)


# --- changing it ---


def renew_codes(user: User, code: str, *, caller: Caller) -> list[str]:
    """New recovery codes; the old ones and every trusted browser end.

    Raises ProofTooOld, WrongCode, TooManyAttempts.
    """
    _prove_again(user, code, caller=caller)
    with transaction.atomic():
        row = reauth.hold(user)
        if row.second_factor_at is None:
            raise WrongCode
        codes = RecoveryCode.objects.replace(row)
        Totp.objects.filter(user=row).update(codes_saved_at=None)
        TrustedBrowser.objects.filter(user=row).delete()
        emails.new_recovery_codes(record("recovery_codes.renewed", caller=caller, user=row))
    return codes


def disable(user: User, code: str, session: SessionStore, *, caller: Caller) -> None:
    """Ask for no second factor any more; every other session ends.

    Raises ProofTooOld, WrongCode, TooManyAttempts.
    """
    _prove_again(user, code, caller=caller)
    with transaction.atomic():
        row = reauth.hold(user)
        forget(row)
        sessions.end_others(row, session)
        assert session.meta
        session.meta.method = _first_of(session.meta.method)  # staff are not in the admin any more
        emails.second_factor_off(record("second_factor.disabled", caller=caller, user=row))


def forget(user: User) -> None:
    """Delete all there is of a member's second factor, in the caller's transaction."""
    user.second_factor_at = None
    user.save(update_fields=["second_factor_at"])
    Totp.objects.filter(user=user).delete()
    for kept in (user.recovery_codes, user.trusted_browsers):
        kept.all().delete()


def _prove(user: User, session: SessionStore, *, caller: Caller) -> None:
    """This session has proved both factors; no other has."""
    sessions.end_others(user, session)
    assert session.meta
    session.meta.prove(caller.where)
    session.meta.method = f"{_first_of(session.meta.method)}+{TOTP}"


def _first_of(method: str) -> str:
    return method.partition("+")[0]
