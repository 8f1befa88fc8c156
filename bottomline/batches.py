"""Many rows a few at a time, so that neither memory nor a transaction grows with them."""

from collections.abc import Iterator
from typing import TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)

BATCH = 500


def in_batches(rows: QuerySet[Row], size: int = BATCH) -> Iterator[list[Row]]:
    """The rows in the order of their keys, so many a query. What comes or goes meanwhile may."""
    found = list(rows.order_by("pk")[:size])
    while found:
        yield found
        found = list(rows.order_by("pk").filter(pk__gt=found[-1].pk)[:size])


def delete(rows: QuerySet[Row], size: int = BATCH) -> Iterator[int]:
    """Delete the rows, so many a transaction; says after each how many it took.

    What somebody else holds is left to them, so of two who delete the same neither waits for the
    other. Killed on the way, or run twice, it does no harm.
    """
    after = None
    while True:
        with transaction.atomic():
            ahead = (
                rows.order_by("pk") if after is None else rows.order_by("pk").filter(pk__gt=after)
            )
            held = ahead.select_for_update(skip_locked=True).values_list("pk", flat=True)
            keys = list(held[:size])
            rows.filter(pk__in=keys).delete()
        if not keys:
            return
        after = keys[-1]
        yield len(keys)
