"""Proving that an address is the member's own."""

from django.db import transaction
from django.utils import timezone

from accounts import emails, limits
from accounts.addresses import canonical_email
from accounts.errors import TokenUnusable
from accounts.events import record
from accounts.models import Purpose, Token, User
from bottomline.caller import Caller
from bottomline.errors import TooManyAttempts
from bottomline.limits import spend


def request(email: str, *, caller: Caller) -> None:
    """Send the confirmation mail again, if an account waits for one. Says nothing either way.

    Raises InvalidAddress, and TooManyAttempts for too many from one network. Over the limit of an
    address nothing is sent and nothing is said: its owner must not learn of it, nor lose by it.
    """
    email = canonical_email(email)
    spend((limits.RESEND_BY_NETWORK, caller.network))
    try:
        spend((limits.RESEND_PAUSE, email), (limits.RESEND_BY_ACCOUNT, email))
    except TooManyAttempts:
        return
    user = User.objects.filter(email=email).first()
    with transaction.atomic():
        # The worker sees whether somebody is waiting; here every address costs the same.
        emails.confirm_again(user.pk if user else emails.nobody())
    record("confirmation.requested", caller=caller, user=user and user.pk)


def find(token: str) -> Token | None:
    """The token a link carries if it could be used now; looking spends nothing."""
    return Token.objects.find(token, Purpose.CONFIRM_EMAIL)


def confirm(token: str, *, caller: Caller) -> User:
    """Confirm the address a link was sent to. Raises TokenUnusable, or TooManyAttempts."""
    try:
        row = Token.objects.get_usable(token, Purpose.CONFIRM_EMAIL)
        with transaction.atomic():
            # The user before the token, as signing up takes them: in the other order the two could
            # wait for each other until the database ends one.
            User.objects.select_for_update().filter(pk=row.user_id).first()
            row.consume()
            user = row.user
            user.email_confirmed_at = user.email_confirmed_at or timezone.now()
            user.save(update_fields=["email_confirmed_at"])
    except TokenUnusable:
        spend((limits.BAD_TOKEN_BY_NETWORK, caller.network))
        record("confirmation.refused", caller=caller, reason=TokenUnusable.reason)
        raise
    record("confirmation.done", caller=caller, user=user.pk)
    return user
