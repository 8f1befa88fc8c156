"""A member's passkeys: added, named and removed. What they prove is in `passkey_proofs`."""

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import ceremonies, emails, limits, ways_in
from accounts.ceremonies import Ceremony
from accounts.errors import PasskeyNotMade, TooManyPasskeys
from accounts.events import log_only, record
from accounts.models import Passkey, Purpose, User
from accounts.models.passkey import LONGEST_ID, MOST
from accounts.models.token import LIFETIMES
from accounts.services import passkey_proofs, reauth, sessions
from bottomline.browsers import browser_of
from bottomline.caller import Caller
from bottomline.limits import spend
from bottomline.sessions.store import SessionStore
from bottomline.tokens import new_public_id

ADD = "add"  # what a challenge is good for


@transaction.atomic
def start(user: User, *, caller: Caller) -> None:
    """Give the account the name that passkeys know it by. Raises ProofTooOld, TooManyPasskeys."""
    reauth.require(caller)
    row = reauth.hold(user)
    if Passkey.objects.filter(user=row).count() >= MOST:
        raise TooManyPasskeys
    if row.passkey_handle is None:
        row.passkey_handle = new_public_id()
        row.save(update_fields=["passkey_handle"])


def ask_for_new(user: User, browser: str) -> str | None:
    """What this browser needs to make one; None where the member has not begun."""
    if user.passkey_handle is None:
        return None
    return ceremonies.ask_for_new(
        _adding(user, browser),
        handle=user.passkey_handle.bytes,
        name=user.email,
        known=Passkey.objects.known(user),
    )


def suggest_name(caller: Caller) -> str:
    """What to call a passkey that is made in this browser."""
    return str(browser_of(caller.user_agent))


def add(user: User, answer: str, name: str, *, browser: str, caller: Caller) -> Passkey:
    """Keep a passkey that this browser has just made, and tell its owner.

    Raises ProofTooOld, PasskeyNotMade, TooManyPasskeys, TooManyAttempts.
    """
    reauth.require(caller)
    spend((limits.PASSKEY_ADD_BY_MEMBER, str(user.pk)))
    try:
        claimed = ceremonies.read_new(answer)
        made = ceremonies.check_new(claimed, _adding(user, browser))
    except ceremonies.Refused:
        log_only("passkey.refused", caller=caller, user=str(user.pk), reason=PasskeyNotMade.reason)
        raise PasskeyNotMade from None
    if len(made.credential_id) > LONGEST_ID:
        raise PasskeyNotMade
    with transaction.atomic():
        row = reauth.hold(user)
        if Passkey.objects.filter(user=row).count() >= MOST:
            raise TooManyPasskeys
        passkey = Passkey(
            user=row,
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            is_synced=ceremonies.is_synced(made),
            transports=sorted({each.value for each in claimed.response.transports or ()}),
            name=name,
        )
        _keep(passkey)
        emails.passkey_added(record("passkey.added", caller=caller, user=row))
    return passkey


def rename(passkey: Passkey, name: str) -> None:
    """Call it otherwise, for its owner's eyes alone."""
    Passkey.objects.filter(pk=passkey.pk).update(name=name)


def remove(passkey: Passkey, session: SessionStore, *, caller: Caller) -> None:
    """Take it as proof no more; every other session ends, for one may have been opened by it.

    Raises ProofTooOld, and LastWayIn where its owner has no other way in.
    """
    reauth.require(caller)
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=passkey.user_id)
        deleted, _ = Passkey.objects.filter(pk=passkey.pk).delete()
        if not deleted:
            return  # pressed twice
        if not row.passkeys.exists():
            ways_in.require_another(row, ways_in.PASSKEY.name)
            assert session.meta
            # Staff are in the admin by it no more than by an app that they turned off.
            session.meta.method = _without_passkey(session.meta.method)
        sessions.end_others(row, session)
        emails.passkey_removed(record("passkey.removed", caller=caller, user=row))


def forget(user: User, *, caller: Caller, only_recent: bool = False) -> None:
    """Delete a member's, in the transaction in which they take the account back.

    Somebody else may have added one, to come in by later.
    """
    gone = recent(user) if only_recent else user.passkeys.all()
    if gone.delete()[0]:
        record("passkey.removed", caller=caller, user=user)


def recent(user: User) -> QuerySet[Passkey]:
    """Those of which the mail that told of them can still say that it was not them."""
    return user.passkeys.filter(created_at__gt=timezone.now() - LIFETIMES[Purpose.DISOWN])


def accepted(user: User) -> str:
    """What to tell the member's password manager, so that it offers none that was removed."""
    if user.passkey_handle is None:
        return ""
    known = Passkey.objects.known(user)
    return ceremonies.tell_accepted(handle=user.passkey_handle.bytes, known=known)


def _without_passkey(method: str) -> str:
    """What is left of it; of "passkey+totp" that something stood before."""
    rest = ["" if part == passkey_proofs.METHOD else part for part in method.split("+")]
    return "+".join(rest).rstrip("+")


def _adding(user: User, browser: str) -> Ceremony:
    return Ceremony(ADD, browser, str(user.pk))


def _keep(passkey: Passkey) -> None:
    """Raises PasskeyNotMade where it is known here already, whosever it is."""
    try:
        with transaction.atomic():
            passkey.save()
    except IntegrityError:
        raise PasskeyNotMade from None
