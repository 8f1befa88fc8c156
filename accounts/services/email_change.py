"""Moving an account to another address: the new one proves itself, the old one can take it back."""

from collections.abc import Callable
from contextlib import suppress

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import emails, limits
from accounts.addresses import canonical_email
from accounts.errors import AddressTaken, SameAddress, TokenUnusable
from accounts.events import record
from accounts.models import EmailChange, User, holder_of
from accounts.models.email_change import CONFIRM, UNDO
from accounts.services import disown, links, members, reauth, sessions
from bottomline.caller import Caller
from bottomline.limits import spend


def find_pending(user: User) -> EmailChange | None:
    """The change that waits for its new address to be confirmed."""
    return EmailChange.objects.pending().filter(user=user).first()


def start(user: User, new_email: str, *, caller: Caller) -> EmailChange:
    """Mail a link to the new address, and tell the old one. The account stays as it is.

    Whether the new address has an account already nobody learns who does not read its mail. A
    change that was pending is over. Raises ProofTooOld, InvalidAddress, SameAddress,
    TooManyAttempts.
    """
    reauth.require(caller)
    new_email = canonical_email(new_email)
    if new_email == user.email:
        raise SameAddress
    spend(
        (limits.EMAIL_CHANGE_BY_MEMBER, str(user.pk)),
        (limits.EMAIL_CHANGE_BY_NETWORK, caller.network),
    )
    with transaction.atomic():
        owner = reauth.hold(user)
        EmailChange.objects.open().filter(user=owner).update(ended_at=timezone.now())
        change = EmailChange.objects.create(user=owner, old_email=owner.email, new_email=new_email)
        event = record(
            "email_change.requested", caller=caller, user=owner, change=str(change.public_id)
        )
        emails.confirm_new_email(change)
        emails.email_change_requested(event)
    return change


def send_again(user: User, *, caller: Caller) -> EmailChange | None:
    """Mail the same link once more; None where no change is pending. Raises TooManyAttempts."""
    change = find_pending(user)
    if change is None:
        return None
    spend(
        (limits.EMAIL_CHANGE_PAUSE, str(user.pk)),
        (limits.EMAIL_CHANGE_RESEND_BY_MEMBER, str(user.pk)),
    )
    with transaction.atomic():
        emails.confirm_new_email(change)
        record("email_change.sent_again", caller=caller, user=user)
    return change


@transaction.atomic
def cancel(user: User, *, caller: Caller) -> None:
    """Leave the address as it is; the link to the new one is dead."""
    owner = User.objects.select_for_update().get(pk=user.pk)
    if EmailChange.objects.open().filter(user=owner).update(ended_at=timezone.now()):
        record("email_change.cancelled", caller=caller, user=owner)


def open_confirmation(token: str, *, caller: Caller) -> EmailChange:
    """The change that a link would confirm. Raises TokenUnusable, TooManyAttempts."""
    change = EmailChange.objects.find(token, CONFIRM)
    if change is None or change.user.is_blocked:
        links.refuse(CONFIRM, caller=caller)
    return change


def confirm(token: str, *, caller: Caller) -> User:
    """Give the account its new address, by the link that was sent there.

    Every session and every other mailed link ends, but for the way back; logs nobody in. Raises
    TokenUnusable, TooManyAttempts, and AddressTaken where somebody else has the address by now.
    """
    change = open_confirmation(token, caller=caller)
    spend((limits.EMAIL_MOVE_BY_NETWORK, caller.network))
    return _against_others(lambda: _confirm(change, caller))


@transaction.atomic
def _confirm(opened: EmailChange, caller: Caller) -> User:
    user = User.objects.select_for_update().filter(pk=opened.user_id).first()
    change = EmailChange.objects.pending().filter(pk=opened.pk).first()
    if user is None or user.is_blocked or change is None:
        raise TokenUnusable
    change.confirmed_at = timezone.now()
    change.save(update_fields=["confirmed_at"])
    _move(user, change.new_email)
    event = record("email_change.done", caller=caller, user=user, change=str(change.public_id))
    emails.email_changed(event)
    return user


def open_undo(token: str, *, caller: Caller) -> EmailChange:
    """The change that a link would take back. Raises TokenUnusable, TooManyAttempts."""
    change = EmailChange.objects.find(token, UNDO)
    if change is None:
        links.refuse(UNDO, caller=caller)
    return change


def undo(token: str, *, caller: Caller) -> User:
    """Give the account back to its old address, and shut out whoever else has been in it.

    All later changes end, and what `disown.shut_out` ends. The old address is mailed a link to
    choose another password. Raises TokenUnusable, TooManyAttempts, AddressTaken.
    """
    change = open_undo(token, caller=caller)
    spend((limits.EMAIL_MOVE_BY_NETWORK, caller.network))
    return _against_others(lambda: _undo(change, caller))


@transaction.atomic
def _undo(opened: EmailChange, caller: Caller) -> User:
    user = User.objects.select_for_update().filter(pk=opened.user_id).first()
    change = EmailChange.objects.undoable().filter(pk=opened.pk).first()
    if user is None or change is None:
        raise TokenUnusable
    # Later ones led on from here, perhaps through mailboxes of the same intruder. Earlier ones stay
    # good: of two addresses that both want the account, the older has the better claim.
    since = list(user.email_changes.filter(pk__gte=change.pk).order_by("pk"))
    user.email_changes.filter(pk__gte=change.pk).update(undone_at=timezone.now())
    if user.email != change.old_email:
        emails.email_taken_back([each for each in since if each.confirmed_at][-1])
    _move(user, change.old_email)
    disown.shut_out(user, caller=caller)
    emails.email_restored(
        record("email_change.undone", caller=caller, user=user, change=str(change.public_id))
    )
    return user


def _move(user: User, email: str) -> None:
    """Take an address that its mailbox has just proved. Raises AddressTaken.

    An account there that nobody confirmed gives way: anybody may have typed the address, and its
    invite is good again.
    """
    others = User.objects.select_for_update().exclude(pk=user.pk)
    unproved = others.filter(email=email, email_confirmed_at=None).first()
    if unproved is not None:
        unproved.delete()
    holder = holder_of(email)
    if holder is not None and holder.user.pk != user.pk:
        raise AddressTaken
    user.email, user.email_confirmed_at = email, timezone.now()
    user.save(update_fields=["email", "email_confirmed_at"])
    members.end_links(user)
    sessions.end_all(user)


def _against_others(act: Callable[[], User]) -> User:
    """Do what takes an address, once more if somebody takes it between our look and our step.

    Now that they are there, the second look finds them. The constraint has the last word.
    """
    try:
        return act()
    except IntegrityError:
        with suppress(IntegrityError):
            return act()
    raise AddressTaken
