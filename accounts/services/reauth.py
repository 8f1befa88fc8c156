"""Proving again who you are, before what matters (ASVS 7.5.1)."""

from datetime import timedelta

from django.utils import timezone

from accounts import limits, ways_in
from accounts.errors import BadCode, ProofTooOld, TooManyProofs, WrongCode, WrongPassword
from accounts.events import record
from accounts.models import User
from accounts.services import mailed_login, passkey_proofs, passwords
from accounts.services.factor_codes import spend_code
from bottomline.caller import Caller
from bottomline.limits import spend_quietly
from bottomline.sessions.redis import digest_of
from bottomline.sessions.store import SessionStore

FRESH_FOR = timedelta(minutes=10)

# By what they prove it.
PASSKEY, PASSWORD, APP, MAIL = "passkey", "password", "app", "mail"


def require(caller: Caller) -> None:
    """Raise ProofTooOld unless the caller has proved who they are, here and within ten minutes."""
    if caller.proved_at is None or timezone.now() - caller.proved_at > FRESH_FOR:
        raise ProofTooOld


def hold(user: User) -> User:
    """The member, held until the transaction ends.

    Raises ProofTooOld where their owner put an end to this session while we waited for the row:
    whoever was shut out is to change nothing after that.
    """
    row = User.objects.select_for_update().get(pk=user.pk)
    if row.session_epoch != user.session_epoch:
        raise ProofTooOld
    return row


def wants_passkey(user: User) -> bool:
    """Whether nothing less proves it: of staff whose passkey is all the second factor they have.

    By their password alone somebody else would set up a factor of their own, and be in the admin.
    """
    return user.is_staff and user.second_factor_at is None and _has_passkey(user)


def _has_passkey(user: User) -> bool:
    return ways_in.PASSKEY.is_offered() and ways_in.PASSKEY.has(user)


def list_proofs(user: User) -> list[str]:
    """By what the member can prove it. The mailbox only where there is nothing else."""
    if wants_passkey(user):
        return [PASSKEY]
    proofs = []
    if _has_passkey(user):
        proofs.append(PASSKEY)
    if user.has_usable_password():
        proofs.append(PASSWORD)
    if user.second_factor_at:
        proofs.append(APP)
    if not proofs and ways_in.MAIL.has(user):
        proofs.append(MAIL)
    return proofs


def prove(
    user: User, by: str, secret: str, session: SessionStore, *, caller: Caller, browser: str = ""
) -> None:
    """Take a passkey, password or code as proof that this is still the member.

    A passkey and a mailed code count in the `browser` that asked for them. The session has a new id
    afterwards. Raises BadPasskey, WrongPassword, WrongCode, BadCode, TooManyAttempts; and
    TooManyProofs after five within a day, when the session is over: whoever cannot prove it may
    have found it open.
    """
    _count(user, session, caller=caller)
    if by == PASSKEY:
        passkey_proofs.prove_again(user, secret, browser=browser, caller=caller)
    elif by == PASSWORD:
        _require_password(user, secret, caller=caller)
    elif by == APP:
        require_code(user, secret, caller=caller)
    else:
        _require_mailed_code(user, secret, browser, caller=caller)
    session.cycle_key()
    assert session.meta
    session.meta.prove(caller.where)
    record("reauth.done", caller=caller, user=user, method=by)


def require_password(user: User, password: str, session: SessionStore, *, caller: Caller) -> None:
    """Raise WrongPassword unless it is the member's, and TooManyProofs; see `prove`."""
    _count(user, session, caller=caller)
    _require_password(user, password, caller=caller)


def _count(user: User, session: SessionStore, *, caller: Caller) -> None:
    assert session.session_key
    if not spend_quietly((limits.PROOF_BY_SESSION, digest_of(session.session_key))):
        session.flush()
        record("reauth.refused", caller=caller, user=user, reason=TooManyProofs.reason)
        raise TooManyProofs


def _require_password(user: User, password: str, *, caller: Caller) -> None:
    if not passwords.is_right(user, password):
        record("reauth.refused", caller=caller, user=user, reason=WrongPassword.reason)
        raise WrongPassword


def require_code(user: User, code: str, *, caller: Caller) -> None:
    """Raise WrongCode unless it is one of the member's second factor; TooManyAttempts."""
    try:
        spend_code(user, code, caller=caller)
    except WrongCode:
        record("reauth.refused", caller=caller, user=user, reason=WrongCode.reason)
        raise


def _require_mailed_code(user: User, code: str, browser: str, *, caller: Caller) -> None:
    try:
        if MAIL not in list_proofs(user):
            raise BadCode
        mailed_login.prove_again(user, code, browser, caller=caller)
    except BadCode:
        record("reauth.refused", caller=caller, user=user, reason=BadCode.reason)
        raise
