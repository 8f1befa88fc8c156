"""Whether a user name is free, holding one while a sign-up is under way, and changing one's own."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from hashlib import sha256

from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import limits
from accounts.addresses import require_username, username_key
from accounts.errors import UsernameChangedRecently, UsernameTaken
from accounts.events import record
from accounts.models import FormerUsername, User
from accounts.services import snapshots
from bottomline.afterwards import after_commit
from bottomline.caller import Caller
from bottomline.limits import spend

# Longer than any request lives; it ends a reservation whose process was killed.
HOLD = 30
PAUSE = timedelta(days=30)  # between two changes of one's own name


def is_free(username: str, *, caller: Caller, user: User | None = None) -> bool:
    """Whether that user, or else somebody new, could have that name now.

    Raises InvalidUsername, TooManyAttempts.
    """
    spend((limits.USERNAME_CHECK_BY_NETWORK, caller.network))
    key = username_key(require_username(username))
    if user is not None and _is_own(key, user):
        return True
    return not cache.get(_reservation(key)) and not _is_anothers(key, user)


@contextmanager
def reserved(username: str, *, afterwards: timedelta | None = None) -> Iterator[None]:
    """Hold a name meanwhile, and where all went well for that long afterwards.

    Raises UsernameTaken if another has or holds it.
    """
    key = _reservation(username_key(username))
    if not cache.add(key, 1, HOLD):
        raise UsernameTaken
    try:
        yield
    except BaseException:
        cache.delete(key)
        raise
    if afterwards:
        cache.set(key, 1, int(afterwards.total_seconds()))
    else:
        cache.delete(key)


def require_free(username: str, *, user: User | None = None) -> None:
    """Raise UsernameTaken where another has that name, held it lately, or has one like it."""
    if _is_anothers(username_key(username), user):
        raise UsernameTaken


def change(user: User, username: str, *, caller: Caller) -> None:
    """Give the member another name; the one they leave is kept for them for a year.

    Raises UsernameTaken, UsernameChangedRecently, TooManyAttempts.
    """
    # With the rest of the profile: this page is not to answer more often whose a name is.
    spend((limits.PROFILE_BY_MEMBER, str(user.pk)))
    # Their own is not reserved: signing up holds a name for days, against its owner too.
    is_own = _is_own(username_key(username), user)
    with nullcontext() if is_own else reserved(username):
        try:
            _change(user, username, caller)
        except IntegrityError:  # somebody signed up with it since we looked
            raise UsernameTaken from None


def changeable_from(user: User) -> datetime | None:
    """When the member may change the name, or None if that is now."""
    latest = user.former_usernames.order_by("-given_up_at").first()
    if latest is None or latest.given_up_at + PAUSE <= timezone.now():
        return None
    return latest.given_up_at + PAUSE


@transaction.atomic
def _change(user: User, username: str, caller: Caller) -> None:
    member = User.objects.select_for_update().get(pk=user.pk)
    if username == member.username:
        raise UsernameTaken("That is your username already.")
    if changeable_from(member) is not None:
        raise UsernameChangedRecently
    require_free(username, user=member)
    # Their own to take back; anybody else's that is still here has run out.
    left, left_key = member.username, member.username_key
    keys = {left_key, username_key(username)}
    FormerUsername.objects.filter(username_key__in=keys).delete()
    FormerUsername.objects.create(user=member, username=left, username_key=left_key)
    member.name(username)
    member.save(update_fields=["username", "username_key"])
    record("username.changed", caller=caller, user=member)
    after_commit(snapshots.refresh, member)


def _is_own(key: str, user: User) -> bool:
    return (
        key == user.username_key or user.former_usernames.held().filter(username_key=key).exists()
    )


def _is_anothers(key: str, user: User | None) -> bool:
    owners = User.objects.filter(username_key=key)
    former_owners = FormerUsername.objects.held().filter(username_key=key)
    if user is not None:
        owners, former_owners = owners.exclude(pk=user.pk), former_owners.exclude(user=user)
    # In this order: a name that is being given up leaves the first table and enters the second in
    # one step, and so is seen in one of them at least.
    return owners.exists() or former_owners.exists()


def _reservation(key: str) -> str:
    return "username:" + sha256(key.encode()).hexdigest()
