"""Making accounts, changing their standing, and removing those nobody confirmed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import get_default_password_validators
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.errors import BadBlock, WeakPassword
from accounts.events import SYSTEM, record
from accounts.models import EmailChange, MailedLogin, Totp, User
from accounts.models.token import ONLY_CLOSE_DOORS
from accounts.models.user import BLOCK_REASON_LENGTH
from accounts.services import factor_reset, sessions
from bottomline.batches import BATCH, in_batches

UNCONFIRMED_FOR = timedelta(days=7)  # then the address, the name and the invite are free again


@dataclass(frozen=True)
class Newcomer:
    """Somebody who signs up: what they typed, and what their browser says of itself."""

    email: str
    username: str
    password_hash: str
    language: str
    time_zone: str


def hash_password(password: str, owner: User) -> str:
    """The hash to keep. Raises WeakPassword with the first sentence that says what to change.

    Slow, and may ask outside, so not for inside a transaction; and Unavailable when too many hash
    at once.
    """
    # Not Django's validate_password, which asks all of them even where the first says no.
    for validator in get_default_password_validators():
        try:
            validator.validate(password, owner)
        except ValidationError as error:
            raise WeakPassword(error.messages[0]) from None
    return make_password(password)


def set_password(user: User, password_hash: str) -> None:
    """Give the user a new password, and end every link that opens something, sent or promised."""
    user.password, user.password_changed_at = password_hash, timezone.now()
    user.save(update_fields=["password", "password_changed_at"])
    end_links(user)


def end_links(user: User) -> None:
    """End every mailed link that opens something, so also a change of address nobody confirmed.

    And a second factor that is being set up, and the reset of one: whoever changes the locks has
    not lost the keys, or somebody else has them.
    """
    EmailChange.objects.open().filter(user=user).update(ended_at=timezone.now())
    MailedLogin.objects.filter(sent_to=user.email).delete()
    Totp.objects.filter(user=user, confirmed_at=None).delete()  # whose that is, nobody knows
    user.tokens.filter(used_at=None).exclude(purpose__in=ONLY_CLOSE_DOORS).delete()
    factor_reset.call_off(user, caller=SYSTEM)


def begin(newcomer: Newcomer, waiting: User | None, *, staff: bool) -> User:
    """Begin an account that its mailbox must confirm: a new one, or the one that waits for that.

    Where one waits, two have used this address, and which of them owns it only the mailbox knows.
    Whoever confirms is mailed a link to choose a password, so neither can have planted theirs.
    Raises IntegrityError where the address or the name is taken.
    """
    user = waiting or User(email=newcomer.email, password=newcomer.password_hash)
    if waiting:
        user.set_unusable_password()
    user.name(newcomer.username)
    user.display_name = newcomer.username
    user.language, user.time_zone = newcomer.language, newcomer.time_zone
    user.is_staff = user.is_superuser = staff
    user.created_at = timezone.now()
    user.save()
    return user


@transaction.atomic
def set_standing(user: User, *, is_staff: bool, is_superuser: bool) -> None:
    """Change what a member may do. Their sessions end: staff have shorter ones."""
    user.is_staff, user.is_superuser = is_staff, is_superuser
    user.save(update_fields=["is_staff", "is_superuser"])
    factor_reset.call_off(user, caller=SYSTEM)  # for members, staff agree; for staff, owners
    sessions.end_all(user)
    record("account.standing_changed", caller=SYSTEM, user=user)


def require_sound_block(until: datetime | None, reason: str) -> None:
    """Raise BadBlock where that is no time in the future, or no reason that may be kept."""
    if until is None or until <= timezone.now():
        raise BadBlock("Say until when, and choose a time in the future.")
    if not reason.strip():
        raise BadBlock("Say why: whoever looks at this account next wants to know.")
    if len(reason) > BLOCK_REASON_LENGTH:
        raise BadBlock(f"Say why in {BLOCK_REASON_LENGTH} characters; that has {len(reason)}.")
    if "@" in reason:
        raise BadBlock("Leave addresses out of the reason: those are kept in one place alone.")


@transaction.atomic
def block(user: User, *, until: datetime, reason: str) -> bool:
    """Keep somebody out until then, from their next request on.

    A block there is already is replaced. False where the account is gone. Raises BadBlock.
    """
    require_sound_block(until, reason)
    there = User.objects.filter(pk=user.pk, erased_at=None)
    if not there.update(blocked_until=until, block_reason=reason.strip()):
        return False
    user.blocked_until, user.block_reason = until, reason.strip()
    factor_reset.call_off(user, caller=SYSTEM)
    sessions.end_all(user)
    # Not why: the row may name somebody, and ends with the account; an event outlives it.
    record("account.blocked", caller=SYSTEM, user=user)
    return True


@transaction.atomic
def unblock(user: User) -> bool:
    """Let somebody in again; False where they are not blocked.

    It lifts the block that the user was read with, so not one that was put in its place since.
    """
    if user.blocked_until is None:
        return False
    blocked = User.objects.filter(pk=user.pk, blocked_until=user.blocked_until)
    if not blocked.update(blocked_until=None, block_reason=""):
        return False
    user.blocked_until, user.block_reason = None, ""
    record("account.unblocked", caller=SYSTEM, user=user)
    return True


def unconfirmed() -> QuerySet[User]:
    """Accounts whose address was not confirmed in time."""
    began = timezone.now() - UNCONFIRMED_FOR
    return User.objects.filter(email_confirmed_at=None, created_at__lt=began)


def prune_unconfirmed(batch: int = BATCH) -> Iterator[int]:
    """Delete accounts that nobody confirmed, each in a transaction; says after each that it went.

    Their redemption goes with them, and so the invite is good again.
    """
    for users in in_batches(unconfirmed().only("pk"), batch):
        for pk in [user.pk for user in users]:
            with (
                transaction.atomic()
            ):  # under the lock that confirming takes: it might come between
                user = unconfirmed().select_for_update().filter(pk=pk).first()
                if user:
                    user.delete()
            if user:
                yield 1
