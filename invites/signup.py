"""Signing up on an invite."""

from contextlib import suppress
from dataclasses import replace

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from accounts import emails
from accounts.errors import AddressTaken, TokenUnusable, UsernameTaken
from accounts.events import record
from accounts.models import MailedLogin, Purpose, Token, User, holder_of
from accounts.services import email_confirmation, mailed_login, members, usernames
from accounts.services.members import Newcomer
from bottomline.caller import Caller
from bottomline.limits import spend, spend_quietly
from bottomline.tokens import new_public_id
from invites import limits, services
from invites.errors import InviteUnusable, WrongAddress
from invites.models import Invite, Redemption


def sign_up(
    token: str,
    *,
    email: str,
    username: str,
    password: str,
    language: str,
    time_zone: str,
    caller: Caller,
) -> None:
    """Redeem an invite: one account, one confirmation mail, one use of the invite, or nothing.

    Where the address has a confirmed account already, or one may still come back to it, its owner
    is told by mail, the invite is kept, and the answer is the same. Where it has one nobody
    confirmed, the newest sign-up replaces it. Raises InviteUnusable, WrongAddress, UsernameTaken,
    WeakPassword, TooManyAttempts.
    """
    services.open_link(token, caller=caller)
    spend((limits.SIGNUP_BY_NETWORK, caller.network))
    may_write = spend_quietly((limits.REPEATED_SIGNUP_BY_ADDRESS, email))
    with usernames.reserved(username):
        # Argon2 outside the transaction: on SQLite it would hold everybody's writes.
        password_hash = members.hash_password(password, User(email=email, username=username))
        newcomer = Newcomer(email, username, password_hash, language, time_zone)
        try:
            _redeem(token, newcomer, may_write, caller)
        except (InviteUnusable, WrongAddress) as refusal:
            services.refuse(refusal, caller=caller)
    # As long as an account nobody confirms would have it: a name that stayed free would tell that
    # there was an account already.
    usernames.hold(username, members.UNCONFIRMED_FOR)


def ask_by_mail(token: str, email: str, *, caller: Caller) -> str:
    """Mail a link and a code to sign up with, or to log in with where there is an account.

    Returns what the browser is to keep: see accounts.services.mailed_login. Raises InviteUnusable,
    WrongAddress, InvalidAddress, TooManyAttempts.
    """
    invite = services.open_link(token, caller=caller)
    if invite.grants_staff:  # they do not log in by mail, and need a password
        services.refuse(caller=caller)
    if not invite.admits(email):
        services.refuse(WrongAddress(), caller=caller)
    return mailed_login.request(email, caller=caller, invite=invite.public_id)


def join(browser: str, *, username: str, language: str, time_zone: str, caller: Caller) -> User:
    """Make the account of somebody whose mailbox has proved to be theirs, with no password.

    All in one transaction with the redemption. Where somebody else signed up with their address
    and did not confirm it, nothing of that is left. Raises TokenUnusable, InviteUnusable,
    WrongAddress, UsernameTaken, AddressTaken, TooManyAttempts.
    """
    asked = mailed_login.find_newcomer(browser)
    if asked is None or asked.invite is None:
        raise TokenUnusable
    spend((limits.SIGNUP_BY_NETWORK, caller.network))
    newcomer = Newcomer(asked.sent_to, username, make_password(None), language, time_zone)
    with usernames.reserved(username):
        try:
            return _join_once(asked, newcomer, caller)
        except IntegrityError:  # somebody took the name since we looked
            raise UsernameTaken from None
        except (InviteUnusable, WrongAddress) as refusal:
            services.refuse(refusal, caller=caller)


@transaction.atomic
def _join_once(asked: MailedLogin, newcomer: Newcomer, caller: Caller) -> User:
    assert asked.invite
    invite = Invite.objects.lock_named(asked.invite)
    if invite is None:
        raise InviteUnusable
    if not invite.admits(newcomer.email):
        raise WrongAddress
    usernames.require_free(newcomer.username)
    holder = holder_of(newcomer.email, lock=True)
    if holder and (holder.moved_away or holder.is_confirmed):
        raise AddressTaken
    # Of two who press at once one finds it gone.
    if not MailedLogin.objects.filter(public_id=asked.public_id).delete()[0]:
        raise TokenUnusable
    user = _redeem_for(newcomer, holder.user if holder else None, invite)
    members.end_links(user)
    email_confirmation.note(user)
    record("signup.done", caller=caller, user=user, by="mailbox")
    return user


def _redeem(token: str, newcomer: Newcomer, may_write: bool, caller: Caller) -> None:
    for last_try in (False, True):
        try:
            _redeem_once(token, newcomer, may_write, caller)
            return
        except IntegrityError:
            # Somebody took the address or the name between our look and our insert. Now that
            # they are there, the second try finds them.
            if last_try:
                raise


@transaction.atomic
def _redeem_once(token: str, newcomer: Newcomer, may_write: bool, caller: Caller) -> None:
    invite = Invite.objects.lock(token)
    if invite is None:
        raise InviteUnusable
    if not invite.admits(newcomer.email):
        raise WrongAddress
    # Asked before the address is: who has which name is public, who has which address is not.
    usernames.require_free(newcomer.username)
    # Held, or its owner could confirm between this look and `_admit`, which would then put a
    # stranger's password on an account that works.
    holder = holder_of(newcomer.email, lock=True)
    if holder is None or (may_write and not holder.is_confirmed):
        waiting = holder.user if holder else None
        confirmation = _admit(newcomer, waiting, invite)
        emails.confirm_email(confirmation)
        record("signup.done", caller=caller, user=confirmation.user)
        return
    _rehearse(newcomer, invite)
    if may_write:  # an owner is not to be flooded by whoever has an invite
        if holder.moved_away:
            emails.address_held(holder.moved_away)
        else:
            emails.already_member(holder.user)
    record("signup.known_address", caller=caller, user=holder.user)


@transaction.atomic
def _admit(newcomer: Newcomer, waiting: User | None, invite: Invite) -> Token:
    """Make the account, or let the newest sign-up have one that nobody confirmed."""
    user = _redeem_for(newcomer, waiting, invite)
    return Token.objects.issue(user, Purpose.EMAIL_CONFIRMATION)


def _redeem_for(newcomer: Newcomer, waiting: User | None, invite: Invite) -> User:
    user = members.begin(newcomer, waiting, staff=invite.grants_staff)
    # The other invite has its use back, and what it granted does not pass to this one's holder.
    Redemption.objects.filter(user=user).delete()
    Redemption.objects.create(invite=invite, user=user)
    return user


def _rehearse(newcomer: Newcomer, invite: Invite) -> None:
    """Do what admitting somebody does and undo it, so that the time does not tell whether it was.

    What is undone is nobody's: its address is none.
    """
    with suppress(_Rehearsed), transaction.atomic():
        _admit(replace(newcomer, email=f"~{new_public_id().hex}"), None, invite)
        raise _Rehearsed


class _Rehearsed(Exception):
    """Ends a rehearsal."""
