"""The register of what goes when its time is over: by the clock, and by `manage.py cleanup`.

Every app names its own in a module `cleaning`, so that the plumbing need not know of them.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from bottomline.batches import BATCH, delete

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cleaning:
    """One kind of things whose time ends, and how they go.

    `clean` takes how many a transaction may hold, and says after each how many went. It can be
    killed, run twice, and run beside itself.
    """

    kind: str
    count: Callable[[], int]
    clean: Callable[[int], Iterator[int]]


_cleanings: dict[str, Cleaning] = {}


def register(kind: str, *, count: Callable[[], int], clean: Callable[[int], Iterator[int]]) -> None:
    _cleanings[kind] = Cleaning(kind, count, clean)


def register_rows(kind: str, over: Callable[[], QuerySet[Any]]) -> None:
    """What is nothing but rows to delete."""
    register(kind, count=lambda: over().count(), clean=lambda batch: delete(over(), batch))


def cleanings() -> list[Cleaning]:
    return list(_cleanings.values())


def run(kind: str) -> int:
    """Clean one kind away; returns how many went. Raises KeyError where there is no such kind."""
    gone = sum(_cleanings[kind].clean(BATCH))
    if gone:
        log.info("cleaned", extra={"kind": kind, "gone": gone})
    return gone
