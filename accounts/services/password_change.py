"""Choosing a new password while logged in, by whoever knows the present one."""

from django.db import transaction

from accounts import emails
from accounts.errors import WeakPassword, WrongPassword
from accounts.events import record
from accounts.models import User
from accounts.services import login, members, reauth, sessions
from bottomline.caller import Caller
from bottomline.sessions.store import SessionStore


def change(
    user: User, current: str, password: str, session: SessionStore, *, caller: Caller
) -> None:
    """Set a new password; every other session and every mailed link ends, this session goes on.

    Raises WrongPassword where `current` is not the password, TooManyProofs where that happened too
    often, upon which this session is over, WeakPassword, and TooManyAttempts.
    """
    # Counted with logging in as well, or this page would be a second budget for guessing.
    login.count_attempt(user.email, caller)
    reauth.require_password(user, current, session, caller=caller)
    if password == current:
        raise WeakPassword("That is the password you have. Choose another one.")
    password_hash = members.hash_password(password, user)
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        if row.password != user.password:
            raise WrongPassword  # changed since it was proved
        members.set_password(row, password_hash)
        assert session.meta
        if not reauth.wants_passkey(row):
            session.meta.prove(caller.where)
        sessions.end_others(row, session)
        emails.password_changed(record("password.changed", caller=caller, user=row))
