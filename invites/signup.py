"""Signing up on an invite."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from accounts import emails
from accounts.errors import AddressTaken
from accounts.events import record
from accounts.models import Purpose, Token, User, holder_of
from accounts.services import email_confirmation, mailed_login, members, usernames
from accounts.services.members import Newcomer
from accounts.services.proved import Proved
from bottomline.caller import Caller
from bottomline.limits import spend, spend_quietly
from bottomline.tokens import new_public_id
from invites import limits, services
from invites.errors import InviteUnusable, WrongAddress
from invites.models import Invite, Redemption

Result = TypeVar("Result")


def sign_up(
    invite: Invite,
    *,
    email: str,
    username: str,
    password: str,
    language: str,
    time_zone: str,
    caller: Caller,
) -> None:
    """Redeem an invite that was opened: one account, one mail, one use of it, or nothing.

    Where the address has a confirmed account already, or one may still come back to it, its owner
    is told by mail, the invite is kept, and the answer is the same. Where it has one nobody
    confirmed, the newest sign-up replaces it. Raises InviteUnusable, WrongAddress, UsernameTaken,
    WeakPassword, TooManyAttempts.
    """
    spend((limits.SIGNUP_BY_NETWORK, caller.network))
    may_write = spend_quietly((limits.REPEATED_SIGNUP_BY_ADDRESS, email))
    # As long as an account nobody confirms would have it: a name that stayed free would tell that
    # there was an account already.
    with usernames.reserved(username, afterwards=members.UNCONFIRMED_FOR):
        # Argon2 outside the transaction: on SQLite it would hold everybody's writes.
        password_hash = members.hash_password(password, User(email=email, username=username))
        newcomer = Newcomer(email, username, password_hash, language, time_zone)
        try:
            _once_more_if_taken(lambda: _redeem(invite, newcomer, may_write, caller))
        except (InviteUnusable, WrongAddress) as refusal:
            services.refuse(refusal, caller=caller)


def require_no_staff(invite: Invite, *, caller: Caller) -> None:
    """Raise InviteUnusable where whoever signs up on it needs a password: staff log in by one."""
    if invite.grants_staff:
        services.refuse(caller=caller)


def ask_by_mail(invite: Invite, email: str, *, language: str, caller: Caller) -> str:
    """Mail a link and a code to sign up with, or to log in with where there is an account.

    Returns what the browser is to keep: see accounts.services.mailed_login. Raises InviteUnusable,
    WrongAddress, InvalidAddress, TooManyAttempts.
    """
    require_no_staff(invite, caller=caller)
    if not invite.admits(email):
        services.refuse(WrongAddress(), caller=caller)
    return mailed_login.request(email, language=language, caller=caller, invite=invite.public_id)


def find_invite(proved: Proved, *, caller: Caller) -> Invite:
    """The invite that somebody is about to join on. Raises InviteUnusable, WrongAddress."""
    invite = Invite.objects.redeemable().filter(public_id=proved.invite).first()
    if invite is None:
        services.refuse(caller=caller)
    if not invite.admits(proved.email):
        services.refuse(WrongAddress(), caller=caller)
    return invite


def join(proved: Proved, *, username: str, language: str, time_zone: str, caller: Caller) -> User:
    """Make the account of somebody whose address has proved to be theirs, with no password.

    All in one transaction with the redemption. Where somebody else signed up with their address
    and did not confirm it, nothing of that is left. Raises TokenUnusable, InviteUnusable,
    WrongAddress, UsernameTaken, AddressTaken, TooManyAttempts.
    """
    spend((limits.SIGNUP_BY_NETWORK, caller.network))
    newcomer = Newcomer(proved.email, username, make_password(None), language, time_zone)
    with usernames.reserved(username):
        try:
            return _once_more_if_taken(lambda: _join_once(proved, newcomer, caller))
        except (InviteUnusable, WrongAddress) as refusal:
            services.refuse(refusal, caller=caller)


@transaction.atomic
def _join_once(proved: Proved, newcomer: Newcomer, caller: Caller) -> User:
    invite = _lock(proved.invite, newcomer)
    holder = holder_of(newcomer.email, lock=True)
    if holder and holder.is_confirmed:
        raise AddressTaken
    user = _redeem_for(newcomer, holder.user if holder else None, invite)
    proved.spend(user)
    members.end_links(user)
    email_confirmation.note(user)
    record("signup.done", caller=caller, user=user, by=proved.method)
    return user


def _lock(name: UUID, newcomer: Newcomer) -> Invite:
    """The invite, held, where it admits them and their username is free."""
    invite = Invite.objects.lock_named(name)
    if invite is None:
        raise InviteUnusable
    if not invite.admits(newcomer.email):
        raise WrongAddress
    # Asked before the address is: who has which name is public, who has which address is not.
    usernames.require_free(newcomer.username)
    return invite


def _once_more_if_taken(act: Callable[[], Result]) -> Result:
    """Do it, and once more where somebody takes the address or the name after we looked.

    Now that they are there, the second look finds them.
    """
    with suppress(IntegrityError):
        return act()
    return act()


@transaction.atomic
def _redeem(opened: Invite, newcomer: Newcomer, may_write: bool, caller: Caller) -> None:
    invite = _lock(opened.public_id, newcomer)
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
