"""Erasing who left and did not come back: a goodbye, and when that is sent, everything."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction
from django.utils import timezone

from accounts import emails
from accounts.events import SYSTEM, record
from accounts.models import EmailChange, Event, MailedLogin, User
from accounts.services import export, history, second_factor, sessions
from accounts.signals import erasing
from bottomline.afterwards import after_commit
from bottomline.batches import BATCH, in_batches
from bottomline.outbox.models import OutboxMessage
from bottomline.pictures import store

log = logging.getLogger("accounts")

# A mail server that is away for longer than this holds up no erasing: that promise counts more.
WAIT_FOR_GOODBYE = timedelta(days=3)


def awaiting_goodbye() -> models.QuerySet[User]:
    """Whose time to come back is over, and whom nobody has told."""
    return User.objects.lapsed().filter(farewell=None)


def awaiting_erasure() -> models.QuerySet[User]:
    """Whose last mail is sent, or cannot be, or has been waiting for too long."""
    lately = timezone.now() - WAIT_FOR_GOODBYE
    waiting = OutboxMessage.objects.filter(status="pending", created_at__gt=lately)
    told = User.objects.lapsed().exclude(farewell=None)
    return told.exclude(farewell__in=waiting.filter(kind="account_erased").values("pk"))


def say_goodbyes() -> int:
    """Promise the last mail to whom it is due; returns how many.

    It needs their address, so they are erased when it has been sent, and not before.
    """
    return sum(_each(_say_goodbye, awaiting_goodbye()))


def erase_all() -> int:
    """Erase whoever is to be erased; returns how many."""
    return sum(_each(erase, awaiting_erasure()))


def count() -> int:
    """How many wait for one or the other."""
    return awaiting_goodbye().count() + awaiting_erasure().count()


def finish(batch: int = BATCH) -> Iterator[int]:
    """Both, each member in a transaction; says after each that it is done.

    First those who wait: whoever is told now is erased when that mail has gone out.
    """
    yield from _each(erase, awaiting_erasure(), batch)
    yield from _each(_say_goodbye, awaiting_goodbye(), batch)


def erase(user_id: UUID) -> bool:
    """Leave a tombstone: the id, dates, and whom they invited, but nothing that says who it was.

    All at once, under the lock that coming back takes as well; False where it is not due or done.
    """
    found = awaiting_erasure().filter(pk=user_id).first()
    if found is None:
        return False
    # In small steps before the lock, for there may be very many. Nobody comes back from here.
    sum(history.forget_origins(Event.objects.filter(user_id=user_id)))
    with suppress(_NotDue), transaction.atomic():
        # Before the member's own row: signing up takes an invite before a user.
        erasing.send(User, user=found)
        due = awaiting_erasure().filter(pk=user_id, email=found.email)
        user = due.select_for_update().first()
        if user is None:
            raise _NotDue
        after_commit(export.delete_files, list(user.exports.values_list("name", flat=True)))
        if user.picture:
            after_commit(store.remove, user.picture)
        for kept in (
            user.tokens,
            user.exports,
            user.email_changes,
            user.former_usernames,
            user.factor_resets,
            user.identities,
            user.passkeys,
        ):
            kept.all().delete()
        MailedLogin.objects.filter(sent_to=user.email).delete()
        # Of others who have asked to move to this address, which they were never given.
        EmailChange.objects.filter(new_email=user.email).delete()
        second_factor.forget(user)
        Event.objects.filter(user_id=user_id).exclude(salt=None).forget_origin()
        forget_in_admin_log(User, [user_id], called="a former member")
        user.groups.clear()
        user.user_permissions.clear()
        user.become_tombstone()
        user.save()
        sessions.end_all(user)
        record("account.erased", caller=SYSTEM, user=user)
        return True
    return False


class _NotDue(Exception):
    """Undoes what was forgotten of somebody who came back, or got an address back, just now."""


def forget_in_admin_log(model: type[models.Model], ids: Iterable[object], *, called: str) -> None:
    """Take out of the admin's own history what these rows were called, and what was typed there.

    That something was done to them, when and by whom, stays.
    """
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(model),
        object_id__in=[str(id_) for id_ in ids],
    )
    entries.update(object_repr=called, change_message="")


@transaction.atomic
def _say_goodbye(user_id: UUID) -> bool:
    user = awaiting_goodbye().select_for_update().filter(pk=user_id).first()
    if user is None:
        return False
    user.farewell = emails.account_erased(user).pk
    user.save(update_fields=["farewell"])
    return True


def _each(
    act: Callable[[UUID], bool], users: models.QuerySet[User], batch: int = BATCH
) -> Iterator[int]:
    for rows in in_batches(users.only("pk"), batch):
        for user_id in [user.pk for user in rows]:
            try:
                is_done = act(user_id)
            except Exception:
                # One who cannot be erased must not keep the others here; the next run tries again.
                log.exception("erasure.failed", extra={"user": str(user_id)})
            else:
                yield int(is_done)
