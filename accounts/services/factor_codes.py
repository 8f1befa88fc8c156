"""Taking a code of a second factor: one of the app, or a recovery code."""

import logging

from django.db import transaction

from accounts import emails, limits
from accounts.errors import WrongCode
from accounts.events import record
from accounts.models import RecoveryCode, Totp, TrustedBrowser, User
from accounts.services import factor_reset
from bottomline.caller import Caller
from bottomline.limits import spend

log = logging.getLogger("accounts")

TOTP, RECOVERY = "totp", "recovery"


def spend_code(user: User, code: str, *, caller: Caller) -> str:
    """Take a code, each of which is good once; returns of which kind it was.

    Every try counts, for the account and wherever it comes from, the right ones as well. Whoever
    has one has not lost the second factor, and calls off what was asked for in that case. Raises
    WrongCode, TooManyAttempts.
    """
    kind = _take(user, code, caller=caller)
    factor_reset.call_off(user, caller=caller)
    return kind


def _take(user: User, code: str, *, caller: Caller) -> str:
    spend((limits.FACTOR_BY_ACCOUNT, str(user.pk)))
    totp = Totp.objects.select_related("user").filter(user=user).exclude(confirmed_at=None).first()
    if totp and not totp.is_readable:
        # Nobody gets past for that (ASVS 11.2.5). Recovery codes still work.
        log.error("second_factor.unreadable", extra={"user": str(user.pk)})
    elif totp and totp.spend(code):
        return TOTP
    with transaction.atomic():
        if totp and RecoveryCode.objects.spend(user, code):
            TrustedBrowser.objects.filter(user=user).delete()
            left = RecoveryCode.objects.unused(user).count()
            emails.recovery_code_used(
                record("recovery_code.used", caller=caller, user=user, left=left)
            )
            return RECOVERY
    raise WrongCode
