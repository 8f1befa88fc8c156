"""Inviting, and signing up on an invite."""

from datetime import timedelta
from typing import NoReturn

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import emails as account_emails
from accounts.events import record
from accounts.models import Purpose, Token, User
from accounts.services import members, usernames
from bottomline.caller import Caller
from bottomline.limits import spend, spend_quietly
from invites import limits
from invites.errors import InviteUnusable
from invites.models import LIFETIME, Invite, Redemption


def issue(
    *,
    issuer: User | None = None,
    email: str = "",
    label: str = "",
    note: str = "",
    uses: int = 1,
    lifetime: timedelta = LIFETIME,
    staff: bool = False,
) -> Invite:
    """A new invite, open or for one canonical address. Raises TooManyAttempts for its issuer."""
    if issuer is not None:
        spend((limits.ISSUE_BY_MEMBER, str(issuer.pk)))
    return Invite.objects.create(
        issuer=issuer,
        email=email,
        label=label,
        note=note,
        max_uses=uses,
        expires_at=timezone.now() + lifetime,
        grants_staff=staff,
    )


def first_invite() -> Invite | None:
    """The invite that makes the first person owner, the same until somebody is a member."""
    if User.objects.exclude(email_confirmed_at=None).exists():
        return None
    waiting = Invite.objects.redeemable().filter(issuer=None, grants_staff=True, email="")
    return waiting.first() or issue(staff=True)


def revoke(invite: Invite) -> None:
    """Close the door, for good; whoever came through stays."""
    Invite.objects.filter(pk=invite.pk, revoked_at=None).update(revoked_at=timezone.now())


def open_link(token: str, *, caller: Caller) -> Invite:
    """The invite a link carries; opening spends nothing. Raises InviteUnusable, TooManyAttempts."""
    invite = Invite.objects.find(token)
    if invite is None:
        _refuse(caller)
    return invite


def sign_up(token: str, *, email: str, username: str, password: str, caller: Caller) -> None:
    """Redeem an invite: one account, one confirmation mail, one use of the invite, or nothing.

    Where the address has a confirmed account already, its owner is told by mail, the invite is
    kept, and the answer is the same. Where it has one nobody confirmed, the newest sign-up
    replaces it. Raises InviteUnusable, UsernameTaken, WeakPassword, TooManyAttempts.
    """
    open_link(token, caller=caller)
    spend((limits.SIGNUP_BY_NETWORK, caller.network))
    may_write = spend_quietly((limits.REPEATED_SIGNUP_BY_ADDRESS, email))
    with usernames.reserved(username):
        # Argon2 outside the transaction: on SQLite it would hold everybody's writes.
        password_hash = members.hash_password(password, User(email=email, username=username))
        try:
            outcome, user = _redeem(token, email, username, password_hash, may_write)
        except InviteUnusable:
            _refuse(caller)
    if outcome != "done":
        # As long as a new account would hold it: a name that stayed free would tell that there
        # was one already.
        usernames.hold(username, members.UNCONFIRMED_FOR)
    record(f"signup.{outcome}", caller=caller, user=user.pk)


def _redeem(
    token: str, email: str, username: str, password_hash: str, may_write: bool
) -> tuple[str, User]:
    for last_try in (False, True):
        try:
            return _redeem_once(token, email, username, password_hash, may_write)
        except IntegrityError:
            # Somebody took the address or the name between our look and our insert. Now that
            # they are there, the second try finds them.
            if last_try:
                raise
    raise AssertionError("unreachable")


@transaction.atomic
def _redeem_once(
    token: str, email: str, username: str, password_hash: str, may_write: bool
) -> tuple[str, User]:
    invite = Invite.objects.lock(token)
    if invite is None or not invite.admits(email):
        raise InviteUnusable
    # Asked before the address is: who has which name is public, who has which address is not.
    usernames.require_free(username)
    # Held, or its owner could confirm between this look and `start_over`, which would then put a
    # stranger's password on an account that works.
    user = User.objects.select_for_update().filter(email=email).first()
    if user is not None and not may_write:
        return "known_address", user  # an owner is not to be flooded by whoever has an invite
    if user is not None and user.is_confirmed:
        account_emails.already_member(user)
        return "known_address", user
    if user is None:
        user = members.create(
            email=email, username=username, password_hash=password_hash, staff=invite.grants_staff
        )
    else:
        # The other invite has its use back, and what it granted does not pass to this one's holder.
        Redemption.objects.filter(user=user).delete()
        members.start_over(user, username=username, staff=invite.grants_staff)
    Redemption.objects.create(invite=invite, user=user)
    account_emails.confirm_email(Token.objects.issue(user, Purpose.EMAIL_CONFIRMATION))
    return "done", user


def _refuse(caller: Caller) -> NoReturn:
    record("invite.refused", caller=caller, reason=InviteUnusable.reason)
    spend((limits.BAD_INVITE_BY_NETWORK, caller.network))
    raise InviteUnusable
