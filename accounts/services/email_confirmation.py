"""Proving that an address is the member's own."""

from django.db import transaction
from django.utils import timezone

from accounts import emails, limits
from accounts.addresses import canonical_email
from accounts.events import record
from accounts.models import Purpose, Token, User
from accounts.services import links
from bottomline.caller import Caller
from bottomline.limits import spend, spend_quietly


def request(email: str, *, caller: Caller) -> None:
    """Send the confirmation mail again, if an account waits for one. Says nothing either way.

    Raises InvalidAddress, and TooManyAttempts for too many from one network. Over the limit of an
    address nothing is sent and nothing is said: its owner must not learn of it, nor lose by it.
    """
    email = canonical_email(email)
    spend((limits.CONFIRMATION_BY_NETWORK, caller.network))
    if not spend_quietly(
        (limits.CONFIRMATION_PAUSE, email), (limits.CONFIRMATION_BY_ACCOUNT, email)
    ):
        return
    user = User.objects.filter(email=email).first()
    with transaction.atomic():
        # The worker sees whether somebody is waiting; here every address costs the same.
        emails.confirm_again(user.pk if user else emails.nobody())
    record("email_confirmation.requested", caller=caller, user=user and user.pk)


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
        user.email_confirmed_at = user.email_confirmed_at or timezone.now()
        user.save(update_fields=["email_confirmed_at"])
        if not user.has_usable_password():
            emails.reset_password(user.pk)
    record("email_confirmation.done", caller=caller, user=user.pk)
    return user
