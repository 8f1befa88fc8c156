"""Choosing a new password by a mailed link, when the old one is forgotten."""

from django.db import transaction

from accounts import emails, limits
from accounts.addresses import canonical_email
from accounts.events import SYSTEM, record
from accounts.models import Purpose, Token, User
from accounts.services import google, links, members, passkeys, sessions
from bottomline.caller import Caller
from bottomline.limits import spend, spend_quietly


def request(email: str, *, caller: Caller) -> None:
    """Send a link, if the address has an account. Nothing about the account changes.

    Raises InvalidAddress, and TooManyAttempts for too many from one network. Over the limit of an
    address nothing is sent and nothing is said: the link of a few minutes ago is good still.
    """
    email = canonical_email(email)
    spend((limits.PASSWORD_RESET_BY_NETWORK, caller.network))
    if not spend_quietly((limits.PASSWORD_RESET_BY_ACCOUNT, email)):
        return
    user_id = User.objects.filter(email=email).values_list("pk", flat=True).first()
    with transaction.atomic():
        # The worker sees whether there is anybody; here every address costs the same.
        emails.reset_password(user_id or emails.nobody())
        record("password_reset.requested", caller=caller, user=user_id)


@transaction.atomic
def request_by_staff(user: User) -> bool:
    """Send the link for staff, who do not see it (ASVS 6.4.6).

    False where there is no confirmed account to choose a password for. Raises TooManyAttempts.
    """
    if not user.is_confirmed or not User.objects.reachable().filter(pk=user.pk).exists():
        return False
    spend((limits.MAIL_BY_STAFF, str(user.pk)))
    emails.reset_password(user.pk)
    record("password_reset.requested_by_staff", caller=SYSTEM, user=user)
    return True


def open_link(token: str, *, caller: Caller) -> Token:
    """The token a link carries; opening spends nothing. Raises TokenUnusable, TooManyAttempts."""
    return links.open_link(token, Purpose.PASSWORD_RESET, caller=caller)


def finish(token: str, password: str, *, caller: Caller) -> User:
    """Set a new password from a mailed link; every session and every other link ends.

    So do passkeys that were added lately, and what was linked at a provider: whoever got in with
    the old password may have made a way back. Logs nobody in (OWASP Forgot Password). Raises
    TokenUnusable, TooManyAttempts, and WeakPassword, which leaves the link good.
    """
    row = open_link(token, caller=caller)
    spend((limits.PASSWORD_CHOICE_BY_NETWORK, caller.network))
    password_hash = members.hash_password(password, row.user)
    with transaction.atomic():
        # The user before the token, as everything that takes both does.
        user = User.objects.select_for_update().get(pk=row.user_id)
        row.consume()
        members.set_password(user, password_hash)
        passkeys.forget(user, caller=caller, only_recent=True)
        google.forget(user, caller=caller)
        sessions.end_all(user)
        emails.password_changed(record("password_reset.done", caller=caller, user=user))
    return user
