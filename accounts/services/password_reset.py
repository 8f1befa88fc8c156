"""Choosing a new password by a mailed link, when the old one is forgotten."""

from django.db import transaction

from accounts import emails, limits
from accounts.addresses import canonical_email
from accounts.events import record
from accounts.models import Purpose, Token, User
from accounts.services import links, members, sessions
from bottomline.caller import Caller
from bottomline.limits import spend, spend_quietly


def request(email: str, *, caller: Caller) -> None:
    """Send a link, if the address has an account. Nothing about the account changes.

    Raises InvalidAddress, and TooManyAttempts for too many from one network. Over the limit of an
    address nothing is sent and nothing is said.
    """
    email = canonical_email(email)
    spend((limits.PASSWORD_RESET_BY_NETWORK, caller.network))
    by_account = limits.PASSWORD_RESET_BY_ACCOUNT, limits.PASSWORD_RESET_BY_ACCOUNT_HOURLY
    if not spend_quietly(*((limit, email) for limit in by_account)):
        return
    user = User.objects.filter(email=email).first()
    with transaction.atomic():
        # The worker sees whether there is anybody; here every address costs the same.
        emails.reset_password(user.pk if user else emails.nobody())
    record("password_reset.requested", caller=caller, user=user and user.pk)


def open_link(token: str, *, caller: Caller) -> Token:
    """The token a link carries; opening spends nothing. Raises TokenUnusable, TooManyAttempts."""
    return links.open_link(token, Purpose.PASSWORD_RESET, caller=caller)


def finish(token: str, password: str, *, caller: Caller) -> User:
    """Set a new password from a mailed link; every session and every other link ends.

    Logs nobody in (OWASP Forgot Password). Raises TokenUnusable, TooManyAttempts, and
    WeakPassword, which leaves the link good.
    """
    row = open_link(token, caller=caller)
    spend((limits.PASSWORD_CHOICE_BY_NETWORK, caller.network))
    password_hash = members.hash_password(password, row.user)
    with transaction.atomic():
        # The user before the token, as everything that takes both does.
        user = User.objects.select_for_update().get(pk=row.user_id)
        row.consume()
        user.password = password_hash
        user.save(update_fields=["password"])
        user.tokens.exclude(pk=row.pk).delete()
        sessions.end_all(user)
        emails.password_changed(user)
    record("password_reset.done", caller=caller, user=user.pk)
    return user
