"""Proving again who you are, before what matters (ASVS 7.5.1)."""

from datetime import timedelta

from django.utils import timezone

from accounts import limits
from accounts.errors import ProofTooOld, TooManyProofs, WrongPassword
from accounts.events import record
from accounts.models import User
from accounts.services import passwords
from bottomline.caller import Caller
from bottomline.limits import spend_quietly
from bottomline.sessions.redis import digest_of
from bottomline.sessions.store import SessionStore

FRESH_FOR = timedelta(minutes=10)


def require(caller: Caller) -> None:
    """Raise ProofTooOld unless the caller has proved who they are, here and within ten minutes."""
    if caller.proved_at is None or timezone.now() - caller.proved_at > FRESH_FOR:
        raise ProofTooOld


def prove(user: User, password: str, session: SessionStore, *, caller: Caller) -> None:
    """Take the password as proof that this is still the member; the session has a new id then.

    Raises WrongPassword; and TooManyProofs after five within a quarter of an hour, when the
    session is over: whoever cannot say the password may have found it open.
    """
    require_password(user, password, session, caller=caller)
    session.cycle_key()
    assert session.meta
    session.meta.prove(caller.where)
    record("reauth.done", caller=caller, user=user, method="password")


def require_password(user: User, password: str, session: SessionStore, *, caller: Caller) -> None:
    """Raise WrongPassword unless it is the member's; see `prove`."""
    assert session.session_key
    if not spend_quietly((limits.PROOF_BY_SESSION, digest_of(session.session_key))):
        session.flush()
        record("reauth.refused", caller=caller, user=user, reason=TooManyProofs.reason)
        raise TooManyProofs
    if not passwords.is_right(user, password):
        record("reauth.refused", caller=caller, user=user, reason=WrongPassword.reason)
        raise WrongPassword
