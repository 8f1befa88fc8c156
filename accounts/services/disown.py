"""“This wasn’t me”: closing an account to everybody, by a link in any notice."""

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts import emails
from accounts.events import record
from accounts.models import Purpose, Token, User
from accounts.services import closing, links, members, second_factor, sessions
from bottomline.caller import Caller
from bottomline.outbox.models import OutboxMessage


def open_link(token: str, *, caller: Caller) -> Token:
    """The token a link carries; opening spends nothing. Raises TokenUnusable, TooManyAttempts."""
    return links.open_link(token, Purpose.DISOWN, caller=caller)


def finish(token: str, *, caller: Caller) -> User:
    """Throw everybody out and mail the owner a link to choose a new password.

    Every session and every link that opens something ends, and so does the password: whoever got
    in may well know it. If they closed the account, it stays. The second factor ends by the link in
    the mail that told of it, and by no other: an intruder's would keep the owner out for good, and
    its owner's is not to end by a mailbox. Nothing is opened, so a stranger who
    gets hold of the mail can only close doors, which the owner's mailbox opens again. Raises
    TokenUnusable, TooManyAttempts.
    """
    row = open_link(token, caller=caller)
    with transaction.atomic():
        # The user before the token, as everything that takes both does.
        user = User.objects.select_for_update().get(pk=row.user_id)
        row.consume()
        members.set_password(user, make_password(None))
        sessions.end_all(user)
        if _told_of_second_factor(row):
            second_factor.forget(user)
            record("second_factor.disabled", caller=caller, user=user)
        closing.call_off(user, caller=caller)
        record("account.disowned", caller=caller, user=user)
        emails.reset_password(user.pk)
    return user


def _told_of_second_factor(token: Token) -> bool:
    """Whether the link came with the mail that said a second factor was set up."""
    told = OutboxMessage.objects.filter(pk=token.public_id, kind="second_factor_on")
    return told.exists()
