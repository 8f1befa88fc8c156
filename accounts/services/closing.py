"""Leaving, which can be taken back for a time. What comes after that is in `erasure`."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import emails, limits
from accounts.errors import BadCredentials, LastOwner, NotApplicable, ProofTooOld, WrongName
from accounts.events import SYSTEM, record
from accounts.models import User
from accounts.models.user import COME_BACK_WITHIN
from accounts.services import members, reauth, sessions
from bottomline.caller import Caller
from bottomline.limits import spend


def close(user: User, username: str, *, caller: Caller) -> datetime:
    """Close the account; returns until when its owner can come back, by logging in.

    Every session and every mailed link that opens something ends at once, and so do open invites.
    Raises ProofTooOld, WrongName, LastOwner, TooManyAttempts, or what Redis and the database raise
    when they are away; then nothing has changed.
    """
    reauth.require(caller)
    if username.strip().casefold() != user.username.casefold():
        raise WrongName
    # Both are asked before anything is written: without them no session could be ended.
    spend((limits.CLOSING_BY_MEMBER, str(user.pk)))
    sessions.require_reachable()
    with transaction.atomic():
        leaving, is_last = _lock(user)
        if leaving.closed_at is None:  # pressed twice, it is one wish
            if leaving.session_epoch != user.session_epoch:
                raise ProofTooOld  # the owner put an end to this session while we waited
            if is_last:
                raise LastOwner
            _shut(leaving)
            emails.account_closing(record("account.closed", caller=caller, user=leaving))
    assert leaving.closed_at
    return leaving.closed_at + COME_BACK_WITHIN


def close_by_staff(user: User) -> bool:
    """Close somebody's account as they could themselves: they are mailed, and may come back.

    False where it is closed already, or nobody has confirmed it, which ends by itself. Raises
    NotApplicable for the last owner, or what Redis and the database raise when they are away.
    """
    sessions.require_reachable()
    with transaction.atomic():
        leaving, is_last = _lock(user)
        if leaving.is_closed or not leaving.is_confirmed:
            return False
        if is_last:
            raise NotApplicable("They are the only owner. Make somebody else owner first.")
        _shut(leaving)
        emails.account_closing(record("account.closed_by_staff", caller=SYSTEM, user=leaving))
    return True


def come_back(user: User, *, caller: Caller) -> None:
    """Keep the account of somebody who has just proved that it is theirs.

    Raises BadCredentials where the time for that is over, though nobody may have come yet to erase
    it.
    """
    with transaction.atomic():
        kept = User.objects.reachable().select_for_update().filter(pk=user.pk).first()
        if kept is None:
            raise BadCredentials
        if kept.closed_at is not None:
            kept.closed_at = None
            kept.save(update_fields=["closed_at"])
            emails.account_kept(record("account.kept", caller=caller, user=kept))
    user.closed_at = None


def call_off(user: User, *, caller: Caller) -> None:
    """Keep an account that somebody else may have closed; for where its mailbox says so.

    In the transaction that holds the member. Not where the time to come back is over.
    """
    if user.closed_at is not None and User.objects.reachable().filter(pk=user.pk).exists():
        user.closed_at = None
        user.save(update_fields=["closed_at"])
        record("account.kept", caller=caller, user=user, by="mailbox")


def _shut(leaving: User) -> None:
    leaving.closed_at = timezone.now()
    leaving.save(update_fields=["closed_at"])
    # Not the links that shut everybody out, nor the way back to an earlier address: whoever took
    # the account over may close it, too.
    members.end_links(leaving)
    sessions.end_all(leaving)


def is_last_owner(user: User) -> bool:
    """Whether nobody could look after the site without them."""
    return user.is_superuser and _is_alone(user, User.objects.filter(OWNERS))


OWNERS = Q(is_superuser=True, closed_at=None, email_confirmed_at__isnull=False)


def _is_alone(user: User, owners: Iterable[User]) -> bool:
    return all(owner == user or owner.is_blocked for owner in owners)


def _lock(user: User) -> tuple[User, bool]:
    """The member, held, and whether they are the last owner.

    All owners are held, in one order: of two who leave at once the second sees the first gone.
    """
    wanted = Q(pk=user.pk) | OWNERS if user.is_superuser else Q(pk=user.pk)
    held = {row.pk: row for row in User.objects.filter(wanted).order_by("pk").select_for_update()}
    leaving = held.pop(user.pk)
    return leaving, leaving.is_superuser and _is_alone(leaving, held.values())
