"""Letting an owner in on a new browser while strangers keep trying their account.

Nobody is locked out by a stranger: browsers that have logged in before have a budget of their own.
This is for the others. The link comes by mail and makes the browser it is opened in a known one.
"""

from django.db import transaction

from accounts import emails, limits
from accounts.events import record
from accounts.models import Purpose, Token, User
from accounts.services import links
from bottomline.caller import Caller
from bottomline.limits import spend_quietly


def request(email: str, *, caller: Caller) -> None:
    """Mail the link, once a day, if the address has an account; every address costs the same."""
    if not spend_quietly((limits.UNLOCK_MAIL_BY_ACCOUNT, email)):
        return
    user_id = User.objects.filter(email=email).values_list("pk", flat=True).first()
    with transaction.atomic():
        emails.login_paused(user_id or emails.nobody())
        record("login.paused", caller=caller, user=user_id)


def open_link(token: str, *, caller: Caller) -> Token:
    """The token a link carries; opening spends nothing. Raises TokenUnusable, TooManyAttempts."""
    return links.open_link(token, Purpose.LOGIN_UNLOCK, caller=caller)


def finish(token: str, *, caller: Caller) -> User:
    """Whoever reads the mailbox may try the password in the browser they are in.

    In a few, for the first may be that of a mail program. Logs nobody in. Raises TokenUnusable,
    TooManyAttempts.
    """
    row = open_link(token, caller=caller)
    if not spend_quietly((limits.UNLOCK_BY_LINK, row.public_id.hex)):
        links.refuse(Purpose.LOGIN_UNLOCK, caller=caller)
    record("login.unlocked", caller=caller, user=row.user)
    return row.user
