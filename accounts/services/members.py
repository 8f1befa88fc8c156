"""Making accounts, changing their standing, and removing those nobody confirmed."""

from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.errors import WeakPassword
from accounts.models import User
from accounts.services import sessions

UNCONFIRMED_FOR = timedelta(days=7)  # then the address, the name and the invite are free again


def hash_password(password: str, owner: User) -> str:
    """The hash to keep. Raises WeakPassword with every sentence that says what to change.

    Slow, so not for inside a transaction; and Unavailable when too many hash at once.
    """
    try:
        validate_password(password, owner)
    except ValidationError as error:
        raise WeakPassword(" ".join(error.messages)) from None
    return make_password(password)


def create(*, email: str, username: str, password_hash: str, staff: bool = False) -> User:
    """A new, unconfirmed account. Raises IntegrityError where the address or name is taken."""
    user = User(
        email=email,
        password=password_hash,
        display_name=username,
        is_staff=staff,
        is_superuser=staff,
    )
    user.name(username)
    user.save(force_insert=True)
    return user


def start_over(user: User, *, username: str, password_hash: str) -> None:
    """Give an account nobody confirmed the name and password of the newest sign-up.

    Whoever signed up first may not own the address; if they kept their password in it, the owner
    would confirm an account that a stranger can enter.
    """
    user.name(username)
    user.display_name, user.password = username, password_hash
    user.save(update_fields=["username", "username_key", "display_name", "password"])


def set_standing(user: User, *, is_staff: bool, is_superuser: bool) -> None:
    """Change what a member may do; it holds on their next request."""
    User.objects.filter(pk=user.pk).update(is_staff=is_staff, is_superuser=is_superuser)
    user.is_staff, user.is_superuser = is_staff, is_superuser
    transaction.on_commit(lambda: sessions.refresh(user), robust=True)


def block(user: User, *, until: datetime | None) -> None:
    """Keep somebody out until then, from their next request on; None lets them in again."""
    user.blocked_until = until
    user.save(update_fields=["blocked_until"])
    if user.is_blocked:
        sessions.end_all(user)


def remove_unconfirmed() -> int:
    """Delete accounts whose address was never confirmed; returns how many.

    Their redemption goes with them, and so the invite is good again.
    """
    old = timezone.now() - UNCONFIRMED_FOR
    # Staff may have been confirmed out of band; a row with sessions never exists unconfirmed.
    return sum(
        User.objects.filter(pk=pk, email_confirmed_at=None).delete()[1].get("accounts.User", 0)
        for pk in list(
            User.objects.filter(email_confirmed_at=None, created_at__lt=old).values_list(
                "pk", flat=True
            )
        )
    )
