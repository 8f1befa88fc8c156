"""Inviting: making invites, sending them, ending them, and finding the one a link carries."""

from datetime import timedelta
from typing import NoReturn

from django.db import transaction
from django.utils import timezone

from accounts.addresses import mailbox
from accounts.errors import Refusal
from accounts.events import SYSTEM, log_only, record
from accounts.models import User
from bottomline import tokens
from bottomline.caller import Caller
from bottomline.limits import spend, spend_quietly
from invites import emails, limits, quota
from invites.errors import InviteUnusable, InvitingPaused, OwnAddress
from invites.models import DECLINE, LIFETIME, PURPOSE, AddressBlock, Freeze, Invite


def issue(
    *,
    issuer: User | None = None,
    email: str = "",
    label: str = "",
    note: str = "",
    uses: int = 1,
    lifetime: timedelta = LIFETIME,
    staff: bool = False,
    mail: bool = False,
    caller: Caller = SYSTEM,
) -> Invite:
    """A new invite, open or for one canonical address, which it is mailed to if so wanted.

    Without an issuer nothing limits it. Raises QuotaSpent, OwnAddress, InvitingPaused,
    TooManyAttempts.
    """
    invite = Invite(
        issuer=issuer,
        email=email,
        label=label,
        note=note,
        max_uses=uses,
        expires_at=timezone.now() + lifetime,
        grants_staff=staff,
    )
    if issuer is not None:
        if email and not issuer.is_staff and mailbox(email) == mailbox(issuer.email):
            raise OwnAddress
        spend((limits.ISSUE_BY_MEMBER, str(issuer.pk)))
        if mail:
            _require_room(issuer, uses)  # before anything of the mailbox's is used up
    goes_out = mail and _may_mail(invite)
    with transaction.atomic():
        if issuer is not None:
            # Whoever issues two at once waits here, or both would count what there was before.
            _require_room(User.objects.select_for_update().get(pk=issuer.pk), uses)
        invite.save()
        if issuer is not None:  # into a history; the command prints its link and no word more
            record("invite.issued", caller=caller, user=issuer, invite=invite.pk)
        if mail:
            _mail(invite, goes_out, caller)
    return invite


def first_invite() -> Invite | None:
    """The invite that makes the first person owner, the same until somebody is a member."""
    if User.objects.exclude(email_confirmed_at=None).exists():
        return None
    waiting = Invite.objects.redeemable().filter(issuer=None, grants_staff=True, email="")
    return waiting.first() or issue(staff=True)


def mail(invite: Invite, *, caller: Caller) -> None:
    """Send the invite to the address it is for: the same link, however often.

    Says the same whether that address wants it, has an account, or has had enough of them today.
    Raises InviteUnusable, InvitingPaused, TooManyAttempts.
    """
    if invite.issuer:
        _require_room(invite.issuer)
    if not invite.email or not Invite.objects.redeemable().filter(pk=invite.pk).exists():
        raise InviteUnusable
    goes_out = _may_mail(invite)
    with transaction.atomic():
        _mail(invite, goes_out, caller)


@transaction.atomic
def extend(invite: Invite, *, caller: Caller) -> Invite:
    """Make it good for LIFETIME from now, under the same link; one that ran out opens again.

    Raises InviteUnusable where it is used up, revoked or declined, QuotaSpent where one that ran
    out does not fit any more, InvitingPaused, and TooManyAttempts.
    """
    spend((limits.EXTEND_BY_MEMBER, str(invite.issuer_id)))
    # The invite before its issuer, as signing up takes an invite before a user.
    Invite.objects.select_for_update().get(pk=invite.pk)
    issuer = User.objects.select_for_update().get(invites=invite)
    standing = Invite.objects.standing().with_redemptions()
    found = standing.select_related("issuer").filter(pk=invite.pk).first()
    if found is None or not found.uses_left:
        raise InviteUnusable
    invite = found
    has_ended = invite.expires_at <= timezone.now()
    _require_room(issuer, invite.uses_left if has_ended else 0)
    invite.expires_at = max(invite.expires_at, timezone.now() + LIFETIME)
    invite.save(update_fields=["expires_at"])
    record("invite.extended", caller=caller, user=invite.issuer_id, invite=invite.pk)
    return invite


@transaction.atomic
def revoke(invite: Invite, *, caller: Caller = SYSTEM) -> None:
    """Close the door, for good; whoever came through stays. Without a caller staff did it."""
    if Invite.objects.filter(pk=invite.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record("invite.revoked", caller=caller, user=invite.issuer_id, invite=invite.pk)


def open_link(token: str, *, caller: Caller) -> Invite:
    """The invite a link carries; opening spends nothing. Raises InviteUnusable, TooManyAttempts."""
    invite = Invite.objects.find(token)
    if invite is None:
        refuse(caller=caller)
    return invite


def refuse(refusal: Refusal | None = None, *, caller: Caller) -> NoReturn:
    """Say no to a link, or to an address typed with it, and count it: nobody is to try many."""
    refusal = refusal or InviteUnusable()
    log_only("invite.refused", caller=caller, reason=refusal.reason)
    spend((limits.BAD_INVITE_BY_NETWORK, caller.network))
    raise refusal


def note_opened(invite: Invite) -> None:
    """Keep when its page was first seen.

    A statistic for the inviter and no act: nothing depends on it, so it may be written while a
    page is only looked at, by a person or by a scanner of mail.
    """
    if invite.opened_at is None:
        unopened = Invite.objects.filter(pk=invite.pk, opened_at=None)
        unopened.update(opened_at=timezone.now())


def comes_by_mail(token: str) -> bool:
    """Whether this is the link to decline that only the mail has."""
    return tokens.find(DECLINE, token) is not None


def open_to_decline(token: str, *, caller: Caller) -> Invite:
    """The invite that a link would decline: the mail's own link, or that of the invite itself.

    Raises InviteUnusable, TooManyAttempts.
    """
    return open_link(_invite_token(token), caller=caller)


def decline(token: str, *, block: bool, caller: Caller) -> bool:
    """Say no to an invite for one address, for good; if so wanted, to mails of all to come.

    That is for the mailbox alone to say: the invite's own link its inviter has as well. Returns
    whether it was said. Raises InviteUnusable, also for one that is for whoever has the link: none
    of them may end it for the others.
    """
    block = block and comes_by_mail(token)
    token = _invite_token(token)
    open_link(token, caller=caller)
    with transaction.atomic():
        invite = Invite.objects.lock(token)
        if invite is None or not invite.email:
            raise InviteUnusable
        invite.declined_at = timezone.now()
        invite.save(update_fields=["declined_at"])
        if block:
            AddressBlock.objects.add(invite.email)
        # Into the inviter's history, so not where it was declined from, nor whether mails may come.
        record("invite.declined", caller=SYSTEM, user=invite.issuer_id, invite=invite.pk)
    return block


def _invite_token(token: str) -> str:
    public_id = tokens.find(DECLINE, token)
    return tokens.make(PURPOSE, public_id) if public_id else token


def _require_room(issuer: User, uses: int = 0) -> None:
    """Raise InvitingPaused or QuotaSpent where the member may not invite so many more."""
    if Freeze.objects.over(issuer).exists():
        raise InvitingPaused
    if uses:
        quota.require(issuer, uses)


def _may_mail(invite: Invite) -> bool:
    """Count a mail, before the transaction it is promised in; False where it must not go out."""
    spend((limits.MAIL_PAUSE, str(invite.public_id)))  # alone: a second click costs nothing else
    spend(
        (limits.MAIL_BY_INVITE, str(invite.public_id)),
        (limits.MAIL_BY_MEMBER, str(invite.issuer_id)),
    )
    return spend_quietly((limits.MAIL_TO_MAILBOX, mailbox(invite.email)))


def _mail(invite: Invite, goes_out: bool, caller: Caller) -> None:
    Invite.objects.filter(pk=invite.pk).update(mailed_at=timezone.now())
    if goes_out:
        emails.invite(invite)
    record("invite.mailed", caller=caller, user=invite.issuer_id, invite=invite.pk)
