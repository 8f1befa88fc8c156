"""“This wasn’t me”: closing an account to everybody, by a link in any notice."""

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts import emails
from accounts.events import record
from accounts.models import Purpose, Token, User
from accounts.services import closing, google, links, members, passkeys, second_factor, sessions
from bottomline.caller import Caller
from bottomline.outbox.models import OutboxMessage


def open_link(token: str, *, caller: Caller) -> Token:
    """The token a link carries; opening spends nothing. Raises TokenUnusable, TooManyAttempts."""
    return links.open_link(token, Purpose.DISOWN, caller=caller)


def ends_second_factor(token: Token, user: User) -> bool:
    """Whether there is one to end, and the link came with the mail that said it was set up."""
    if user.second_factor_at is None:
        return False
    told = OutboxMessage.objects.filter(pk=token.public_id, kind="second_factor_on")
    # Of this one: an older mail was about another app.
    return told.filter(created_at__gte=user.second_factor_at).exists()


def finish(token: str, *, caller: Caller) -> User:
    """Throw everybody out and mail the owner a link to choose a new password.

    The second factor ends by the link in the mail that told of it, and by no other: an intruder's
    would keep the owner out for good, and its owner's is not to end by a mailbox. Nothing is
    opened, so a stranger who gets hold of the mail can only close doors, which the owner's mailbox
    opens again. Raises TokenUnusable, TooManyAttempts.
    """
    row = open_link(token, caller=caller)
    with transaction.atomic():
        # The user before the token, as everything that takes both does.
        user = User.objects.select_for_update().get(pk=row.user_id)
        row.consume()
        shut_out(user, caller=caller)
        if ends_second_factor(row, user):
            second_factor.forget(user)
            record("second_factor.disabled", caller=caller, user=user)
        record("account.disowned", caller=caller, user=user)
        emails.reset_password(user.pk)
    return user


def shut_out(user: User, *, caller: Caller) -> None:
    """End every session, every link that opens something and every way in but the mailbox.

    In the transaction that holds the member, where an account is taken back: whoever got in may
    know the password, and a passkey or what is linked at a provider may be theirs. If they closed
    the account, it stays.
    """
    members.set_password(user, make_password(None))
    passkeys.forget(user, caller=caller)
    google.forget(user, caller=caller)
    sessions.end_all(user)
    closing.call_off(user, caller=caller)
