"""The security history as a chain: sealing what happened, checking it, and letting old rows go."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from hmac import compare_digest

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.events import SYSTEM, record
from accounts.models import Event
from accounts.models.event import EventQuerySet
from bottomline.batches import BATCH, delete, in_batches

log = logging.getLogger("accounts")

KEPT = timedelta(days=400)  # a year, and time to look back at it
ORIGIN_KEPT = timedelta(days=90)  # where people were (ASVS 14.2.7)
ANONYMOUS_KEPT = timedelta(days=7)  # what concerns no account: anybody can make us write it

PRUNED = "events.pruned"


@dataclass(frozen=True)
class Head:
    """The newest link of the chain. Whoever kept one elsewhere can prove that none was cut off."""

    position: int
    seal: str

    def __str__(self) -> str:
        return f"{self.position}:{self.seal}"


@dataclass(frozen=True)
class Fault:
    """Where the chain does not hold: a row, or the place where one should be."""

    where: str
    what: str


def seal() -> int:
    """Give every new event its place in the chain; returns how many.

    Not when the event is written: each would have to wait for the one before it, and with it every
    login for every other. Until it is sealed, at most a minute, a row proves nothing.
    """
    sealed, after = 0, 0
    while keys := list(_unsealed(pk__gt=after).values_list("pk", flat=True)[:BATCH]):
        after = keys[-1]
        try:
            sealed += _chain(keys)
        except IntegrityError:
            break  # somebody else is at it
    return sealed


@transaction.atomic
def _chain(keys: list[int]) -> int:
    # Held, and looked at again: what another sealer has given a place since we found it keeps that
    # place. Of what is new to both, two would give the same places; then the constraint ends one.
    rows = _unsealed(pk__in=keys).select_for_update()
    events = [event for event in rows if event.is_genuine()]  # `verify` tells of the others
    if not events:
        return 0
    last = _head()
    for event in events:
        event.take_place(last.position + 1, last.seal)
        last = Head(last.position + 1, event.seal)
    Event.objects.bulk_update(events, ["position", "previous", "seal"], batch_size=100)
    # In a log that is kept elsewhere this is what the chain can be held against.
    log.info("events.sealed", extra={"head": str(last)})
    return len(events)


def verify(
    expected: Head | None = None, *, after: Head | None = None
) -> tuple[int, Head, list[Fault]]:
    """How many sealed events there are, the head, and where the chain does not hold.

    Shows a row changed, removed, inserted or moved; and with a head noted earlier also that the
    end was cut off. From `after`, a head noted while the keys from before were still known, only
    what came since is looked at. Memory does not grow with the rows.
    """
    head = after or Head(0, "")
    count, faults, begins, pruned = 0, [], 0, head.position
    for event in _rows(position__gt=head.position).order_by("position").iterator(BATCH):
        assert event.position
        if not event.is_genuine():
            faults.append(Fault(f"event {event.pk}", "it is not as it was written"))
        if not event.has_good_seal():
            faults.append(Fault(f"event {event.pk}", "it is not where it was sealed"))
        if (count or after) and (
            event.previous != head.seal or event.position != head.position + 1
        ):
            faults.append(Fault(f"event {event.pk}", "what came before it is missing or changed"))
        if expected and expected.position == event.position:
            if not compare_digest(expected.seal, event.seal):
                faults.append(Fault(f"event {event.pk}", "it is not the one that was noted"))
            expected = None
        if event.kind == PRUNED:
            pruned = max(pruned, event.details.get("through", 0))
        begins = begins or event.position
        count, head = count + 1, Head(event.position, event.seal)
    if count and begins - 1 > pruned:
        faults.append(Fault(f"place {begins}", "what came before it was removed, not pruned"))
    if expected:
        faults.append(Fault(f"place {expected.position}", "the event that was noted is gone"))
    forged = _unsealed().iterator(BATCH)
    faults += [Fault(f"event {e.pk}", "it is not ours") for e in forged if not e.is_genuine()]
    return count, head, faults


def count_old() -> int:
    """How many events `prune` would remove."""
    return _anonymous().count() + Event.objects.filter(position__lte=_last_old()).count()


def prune(batch: int = BATCH) -> Iterator[int]:
    """Remove old events, so many a transaction; says after each how many went.

    Only the oldest of the chain go, and that is noted in it before, so that nobody can remove
    others in the name of age, and whoever is killed on the way leaves nothing unexplained.
    """
    yield from delete(_anonymous(), batch)
    through = _last_old()
    if through:
        noted = record(PRUNED, caller=SYSTEM, through=through)
        seal()
        # Not where another sealer came first: what is not in the chain yet explains nothing.
        if Event.objects.filter(pk=noted.pk, position__isnull=False).exists():
            yield from _delete_oldest(through, batch)


def count_origins() -> int:
    """Of how many events `forget_old_origins` would forget where they came from."""
    return _old_origins().count()


def forget_old_origins(batch: int = BATCH) -> Iterator[int]:
    """Forget where old events came from, so many a transaction; says after each how many."""
    return forget_origins(_old_origins(), batch)


def forget_origins(events: EventQuerySet, batch: int = BATCH) -> Iterator[int]:
    """Forget where these came from, a few at a time, so that nothing waits long for their rows."""
    for rows in in_batches(events.exclude(salt=None).only("pk"), batch):
        located = Event.objects.filter(pk__in=[event.pk for event in rows]).exclude(salt=None)
        with transaction.atomic():
            held = located.select_for_update(skip_locked=True).values_list("pk", flat=True)
            forgotten = Event.objects.filter(pk__in=list(held)).forget_origin()
        yield forgotten


def _old_origins() -> EventQuerySet:
    old = Event.objects.filter(at__lt=timezone.now() - ORIGIN_KEPT)
    return old.exclude(salt=None)


def _anonymous() -> EventQuerySet:
    """What concerns no account, and so is in no chain."""
    old = Event.objects.filter(at__lt=timezone.now() - ANONYMOUS_KEPT)
    return old.filter(user_id=None, position=None).exclude(kind__startswith="events.")


def _last_old() -> int:
    """The last place in the chain that is to go; all before it go as well."""
    old = Event.objects.filter(position__isnull=False, at__lt=timezone.now() - KEPT)
    return old.order_by("-position").values_list("position", flat=True).first() or 0


def _delete_oldest(through: int, batch: int) -> Iterator[int]:
    # Oldest first, and nobody is overtaken: two at once take turns, or one that is killed would
    # leave a gap where the other had gone on.
    oldest = Event.objects.filter(position__lte=through).order_by("position").select_for_update()
    while True:
        with transaction.atomic():
            keys = list(oldest.values_list("pk", flat=True)[:batch])
            Event.objects.filter(pk__in=keys).delete()
        if not keys:
            return
        yield len(keys)


def _head() -> Head:
    last = _rows(position__isnull=False).order_by("-position").first()
    return Head(last.position or 0, last.seal) if last else Head(0, "")


def _unsealed(**which: object) -> EventQuerySet:
    return _rows(position=None, **which).order_by("pk")


def _rows(**which: object) -> EventQuerySet:
    return Event.objects.chained().filter(**which)
