"""Passkeys as proof of who somebody is: at the login, as its second factor, before what matters.

One with user verification proves two factors by itself: the device that has it, and the PIN, finger
or face that opens it there.
"""

from typing import NoReturn

from django.db import transaction

from accounts import ceremonies, emails, limits
from accounts.ceremonies import AuthenticationCredential, Ceremony
from accounts.errors import BadPasskey, PasskeyCopied
from accounts.events import log_only, record
from accounts.models import Passkey, User
from accounts.services.half_login import HalfLogin
from bottomline.caller import Caller
from bottomline.limits import spend

METHOD = "passkey"  # what is proved by it, alone or behind a first factor

# What a challenge is good for.
LOG_IN, VERIFY, REAUTH = "log-in", "verify", "reauth"


def ask_to_log_in(browser: str) -> str:
    """What this browser needs to log in by any passkey it finds; costs neither SQL nor Redis."""
    return ceremonies.ask_for_proof(Ceremony(LOG_IN, browser))


def log_in(answer: str, *, browser: str, caller: Caller) -> User:
    """Whose passkey that is. Raises BadPasskey, TooManyAttempts."""
    spend((limits.PASSKEY_BY_NETWORK, caller.network))
    ceremony = Ceremony(LOG_IN, browser)
    claimed = _read(answer, ceremony, caller=caller)
    passkey = _find(claimed)
    # Nobody has said who they are, so the passkey must, and it must be theirs (7.2, step 6).
    if passkey is None or claimed.response.user_handle != _handle_of(passkey.user):
        _refuse(ceremony, caller=caller)
    _use(passkey, claimed, ceremony, caller=caller)
    return passkey.user


def ask_to_verify(half: HalfLogin, browser: str) -> str | None:
    """What this browser needs for the second factor of a login; None where they have no passkey."""
    known = Passkey.objects.known(half.user)
    return ceremonies.ask_for_proof(_verifying(half, browser), known) if known else None


def verify(half: HalfLogin, answer: str, *, browser: str, caller: Caller) -> None:
    """Take a passkey as the second factor. Raises BadPasskey, TooManyAttempts."""
    _prove_theirs(half.user, answer, _verifying(half, browser), caller=caller)


def ask_again(user: User, browser: str) -> str:
    """What this browser needs to prove that it is still the member."""
    return ceremonies.ask_for_proof(_again(user, browser), Passkey.objects.known(user))


def prove_again(user: User, answer: str, *, browser: str, caller: Caller) -> None:
    """Take a passkey as proof before a change. Raises BadPasskey, TooManyAttempts."""
    _prove_theirs(user, answer, _again(user, browser), caller=caller)


def _prove_theirs(user: User, answer: str, ceremony: Ceremony, *, caller: Caller) -> None:
    """Take a passkey of somebody who is known already."""
    spend((limits.PASSKEY_BY_NETWORK, caller.network))
    claimed = _read(answer, ceremony, caller=caller, user=user)
    passkey = _find(claimed)
    if passkey is None or passkey.user != user or not _is_of(user, claimed):
        _refuse(ceremony, caller=caller, user=user)
    _use(passkey, claimed, ceremony, caller=caller)


def _use(
    passkey: Passkey, claimed: AuthenticationCredential, ceremony: Ceremony, *, caller: Caller
) -> None:
    """Take the answer as proof, once.

    One whose count has not grown is refused, and told to its owner, who alone may know whether
    there is a copy (7.2, step 22). The signature is known to be right by then: no stranger causes
    that.
    """
    user = passkey.user
    try:
        proved = ceremonies.check_proof(claimed, ceremony, public_key=bytes(passkey.public_key))
    except ceremonies.Refused:
        _refuse(ceremony, caller=caller, user=user)
    if ceremonies.is_synced(proved) != passkey.is_synced:
        _refuse(ceremony, caller=caller, user=user)
    if passkey.use(proved.new_sign_count):
        return
    if not Passkey.objects.filter(pk=passkey.pk).exists():
        _refuse(ceremony, caller=caller, user=user)  # removed just now
    with transaction.atomic():
        emails.passkey_copied(record("passkey.copied", caller=caller, user=user))
    raise PasskeyCopied


def _read(
    answer: str, ceremony: Ceremony, *, caller: Caller, user: User | None = None
) -> AuthenticationCredential:
    try:
        return ceremonies.read_proof(answer)
    except ceremonies.Refused:
        _refuse(ceremony, caller=caller, user=user)


def _find(claimed: AuthenticationCredential) -> Passkey | None:
    found = Passkey.objects.select_related("user").filter(credential_id=claimed.raw_id)
    return found.first()


def _refuse(ceremony: Ceremony, *, caller: Caller, user: User | None = None) -> NoReturn:
    """Into the history of whom it concerns; of nobody into the log alone."""
    if user is None:
        log_only("login.refused", caller=caller, reason=BadPasskey.reason)
    elif ceremony.purpose == REAUTH:
        record("reauth.refused", caller=caller, user=user, reason=BadPasskey.reason)
    else:
        record("login.refused", caller=caller, user=user, reason=BadPasskey.reason)
    raise BadPasskey


def _is_of(user: User, claimed: AuthenticationCredential) -> bool:
    """Whether the answer names that account, or none, as it may where we have named passkeys."""
    return claimed.response.user_handle in {None, _handle_of(user)}


def _handle_of(user: User) -> bytes | None:
    return user.passkey_handle.bytes if user.passkey_handle else None


def _verifying(half: HalfLogin, browser: str) -> Ceremony:
    return Ceremony(VERIFY, browser, half.nonce)


def _again(user: User, browser: str) -> Ceremony:
    return Ceremony(REAUTH, browser, str(user.pk))
