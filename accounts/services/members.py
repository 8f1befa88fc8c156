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
    """The hash to keep. Raises WeakPassword with the first sentence that says what to change.

    Slow, so not for inside a transaction; and Unavailable when too many hash at once.
    """
    try:
        validate_password(password, owner)
    except ValidationError as error:
        raise WeakPassword(error.messages[0]) from None
    return make_password(password)


def create(*, email: str, username: str, password_hash: str, staff: bool) -> User:
    """A new, unconfirmed account. Raises IntegrityError where the address or the name is taken."""
    user = User(email=email, password=password_hash)
    return _begin(user, username=username, staff=staff)


def start_over(user: User, *, username: str, staff: bool) -> User:
    """Let the newest sign-up have an account that nobody confirmed, and nobody's password.

    Two have used this address, and which of them owns it only the mailbox knows. Whoever confirms
    is mailed a link to choose a password, so neither can have planted theirs. Raises IntegrityError
    where the name is taken.
    """
    user.set_unusable_password()
    return _begin(user, username=username, staff=staff)


def _begin(user: User, *, username: str, staff: bool) -> User:
    user.name(username)
    user.display_name = username
    user.is_staff = user.is_superuser = staff
    user.created_at = timezone.now()
    user.save()
    return user


@transaction.atomic
def set_standing(user: User, *, is_staff: bool, is_superuser: bool) -> None:
    """Change what a member may do. Their sessions end: staff have shorter ones."""
    user.is_staff, user.is_superuser = is_staff, is_superuser
    user.save(update_fields=["is_staff", "is_superuser"])
    sessions.end_all(user)


@transaction.atomic
def block(user: User, *, until: datetime | None) -> None:
    """Keep somebody out until then, from their next request on; None lets them in again."""
    user.blocked_until = until
    user.save(update_fields=["blocked_until"])
    if user.is_blocked:
        sessions.end_all(user)


def prune_unconfirmed() -> int:
    """Delete accounts whose address was never confirmed; returns how many.

    Their redemption goes with them, and so the invite is good again.
    """
    unconfirmed = User.objects.filter(email_confirmed_at=None)
    old = unconfirmed.filter(created_at__lt=timezone.now() - UNCONFIRMED_FOR)
    pruned = 0
    for pk in list(old.values_list("pk", flat=True)):
        with transaction.atomic():  # under the lock that confirming takes, or it could come between
            user = unconfirmed.select_for_update().filter(pk=pk).first()
            if user:
                user.delete()
                pruned += 1
    return pruned
