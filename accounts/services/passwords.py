"""A member's password: whether it is the right one, and keeping it under today's parameters."""

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password, verify_password

from accounts.models import User

# Matches nothing, and costs the hash that every password costs.
NO_PASSWORD = UNUSABLE_PASSWORD_PREFIX


def is_right(user: User | None, password: str) -> bool:
    """Whether that is the password of that account; for no account it takes as long to say no."""
    is_correct, is_outdated = verify_password(password, user.password if user else NO_PASSWORD)
    if user is None or not is_correct:
        return False
    if is_outdated:
        _rehash(user, password)
    return True


def _rehash(user: User, password: str) -> None:
    """Keep the password under today's parameters, unless it was changed meanwhile."""
    outdated, user.password = user.password, make_password(password)
    User.objects.filter(pk=user.pk, password=outdated).update(password=user.password)
