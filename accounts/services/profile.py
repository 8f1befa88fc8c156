"""What a member shows of themselves: name, words, picture."""

from uuid import UUID

from django.db import transaction

from accounts import limits
from accounts.events import SYSTEM, record
from accounts.models import User
from accounts.services import snapshots
from bottomline.afterwards import after_commit
from bottomline.caller import Caller
from bottomline.limits import spend
from bottomline.pictures import squares, store
from bottomline.pictures.redraw import SIZES
from bottomline.pictures.squares import BadPicture


def update(
    user: User, *, display_name: str, bio: str, language: str, time_zone: str, caller: Caller
) -> None:
    """Keep what the member says of themselves; every session of theirs shows it at once."""
    spend((limits.PROFILE_BY_MEMBER, str(user.pk)))
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(
            display_name=display_name, bio=bio, language=language, time_zone=time_zone
        )
        record("profile.changed", caller=caller, user=user)
        after_commit(snapshots.refresh, user)


def set_picture(user: User, content: bytes, *, caller: Caller) -> None:
    """Redraw a picture and show it from now on, instead of the one there was.

    Raises BadPicture, TooManyAttempts, Unavailable.
    """
    spend((limits.PICTURE_BY_MEMBER, str(user.pk)))
    try:
        drawn = squares.draw(content)
    except BadPicture as refusal:
        record("picture.refused", caller=caller, user=user, reason=refusal.reason)
        raise
    name = store.keep(drawn)
    try:
        with transaction.atomic():
            _replace_picture(user, name)
            record("picture.changed", caller=caller, user=user)
    except BaseException:
        store.remove(name)
        raise


@transaction.atomic
def remove_picture(user: User, *, caller: Caller) -> None:
    """Delete the member's picture, if there is one."""
    if _replace_picture(user, None):
        record("picture.removed", caller=caller, user=user)


@transaction.atomic
def remove_picture_by_staff(user: User) -> bool:
    """The same for staff, whose address is not the member's to see; False where there is none."""
    if not _replace_picture(user, None):
        return False
    record("picture.removed_by_staff", caller=SYSTEM, user=user)
    return True


def read_picture(name: UUID, size: int) -> bytes | None:
    """A square of the picture of that name, while a member in good standing shows it."""
    if size not in SIZES or not User.objects.standing().filter(picture=name).exists():
        return None
    return store.read(name, size)


def prune_pictures() -> int:
    """Delete the pictures that nobody shows any more; returns how many."""
    return store.prune(_in_use)


def _replace_picture(user: User, name: UUID | None) -> UUID | None:
    """Name the member's new picture and return the old one's, whose files go after commit."""
    # Held, so that of two uploads the second finds the first one's picture and deletes it.
    old = User.objects.select_for_update().values_list("picture", flat=True).get(pk=user.pk)
    User.objects.filter(pk=user.pk).update(picture=name)
    if old is not None:
        after_commit(store.remove, old)
    return old


def _in_use(names: list[UUID]) -> set[UUID]:
    found = User.objects.filter(picture__in=names).values_list("picture", flat=True)
    return {name for name in found if name is not None}
