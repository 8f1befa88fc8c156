"""Between the first factor and the second: a signed cookie that is no session and opens nothing."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from hmac import compare_digest
from uuid import UUID

from django.core.signing import BadSignature, TimestampSigner

from accounts import limits
from accounts.models import User
from bottomline import keys
from bottomline.limits import spend_quietly

LASTS = timedelta(minutes=5)
PURPOSE = "half-login"

signer = TimestampSigner(salt="half-login")


@dataclass(frozen=True)
class HalfLogin:
    """Somebody who has proved one factor, and how."""

    user: User
    method: str
    remember: bool
    nonce: str

    def spend_try(self) -> bool:
        """Count a code that is typed; False when that was too often, and they begin again."""
        return spend_quietly((limits.FACTOR_BY_LOGIN, self.nonce))


def new_cookie(user: User, *, method: str, remember: bool) -> str:
    """What says for five minutes that this much is proved, and no longer than that is true."""
    return signer.sign_object(
        {
            "user": str(user.pk),
            "method": method,
            "remember": remember,
            "nonce": secrets.token_urlsafe(16),
            "is": _fingerprint(user),
        }
    )


def read(cookie: str) -> HalfLogin | None:
    """Who that is; None for what we did not sign, what is late, or where the account has changed.

    A new password, whatever else ends sessions, and another second factor all count as a change.
    """
    try:
        kept = signer.unsign_object(cookie, max_age=LASTS)
    except BadSignature:
        return None
    user = User.objects.filter(pk=UUID(kept["user"])).exclude(second_factor_at=None).first()
    if user is None or not compare_digest(kept["is"], _fingerprint(user)):
        return None
    return HalfLogin(user, kept["method"], kept["remember"], kept["nonce"])


def _fingerprint(user: User) -> str:
    what = f"{user.pk}\0{user.password}\0{user.session_epoch}\0{user.second_factor_at}"
    return keys.mac(PURPOSE, what.encode()).hex()
