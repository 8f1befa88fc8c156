"""Proving that an address is the member's own."""

from django.db import transaction
from django.utils import timezone

from accounts import emails, limits
from accounts.addresses import canonical_email
from accounts.events import SYSTEM, record
from accounts.models import Purpose, Token, User
from accounts.services import links
from accounts.signals import confirmed
from bottomline.caller import Caller
from bottomline.limits import spend, spend_quietly


def request(email: str, *, caller: Caller) -> None:
    """Send the confirmation mail again, if an account waits for one. Says nothing either way.

    Raises InvalidAddress, and TooManyAttempts for too many from one network. Over the limit of an
    address nothing is sent and nothing is said: its owner must not learn of it, nor lose by it.
    """
    email = canonical_email(email)
    spend((limits.CONFIRMATION_BY_NETWORK, caller.network))
    # One after the other, or a stranger would use up the day with what the pause refuses.
    if not spend_quietly((limits.CONFIRMATION_PAUSE, email)):
        return
    if not spend_quietly((limits.CONFIRMATION_BY_ACCOUNT, email)):
        return
    user_id = User.objects.filter(email=email).values_list("pk", flat=True).first()
    with transaction.atomic():
        # The worker sees whether somebody is waiting; here every address costs the same.
        emails.confirm_again(user_id or emails.nobody())
        record("email_confirmation.requested", caller=caller, user=user_id)


@transaction.atomic
def request_by_staff(user: User) -> bool:
    """Send the confirmation mail again for staff, who do not see its link.

    False where nobody waits for it. Raises TooManyAttempts.
    """
    if user.is_confirmed or not User.objects.reachable().filter(pk=user.pk).exists():
        return False
    spend((limits.MAIL_BY_STAFF, str(user.pk)))
    emails.confirm_again(user.pk)
    record("email_confirmation.requested_by_staff", caller=SYSTEM, user=user)
    return True


def open_link(token: str, *, caller: Caller) -> Token:
    """The token a link carries; opening spends nothing. Raises TokenUnusable, TooManyAttempts."""
    return links.open_link(token, Purpose.EMAIL_CONFIRMATION, caller=caller)


def confirm(token: str, *, caller: Caller) -> User:
    """Confirm the address a link was sent to. Raises TokenUnusable, or TooManyAttempts."""
    row = open_link(token, caller=caller)
    with transaction.atomic():
        # The user before the token, as signing up takes them: in the other order the two could wait
        # for each other until the database ends one.
        user = User.objects.select_for_update().filter(pk=row.user_id).first()
        row.consume()
        assert user  # or the token would have gone with them
        if not user.is_confirmed:
            note(user)
        if not user.has_usable_password():
            emails.reset_password(user.pk)
        record("email_confirmation.done", caller=caller, user=user)
    return user


def note(user: User) -> None:
    """Note that the mailbox has proved to be theirs; in the transaction in which it has."""
    user.email_confirmed_at = timezone.now()
    user.save(update_fields=["email_confirmed_at"])
    confirmed.send(sender=User, user=user)
