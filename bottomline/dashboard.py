"""The admin's front page: numbers from every app, each shown to whoever may see the rows it counts.

Every app adds its own in a module `dashboard`, so that the plumbing need not know of them. A week
begins on Monday at 00:00 UTC and a day at 00:00 UTC, whatever the time zone of whoever looks.
"""

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Aggregate, QuerySet
from django.db.models.functions import TruncWeek
from django.utils import timezone

from bottomline.errors import DATABASE_AWAY

log = logging.getLogger(__name__)

WEEKS = 12  # fewer than any row that is counted is kept for

May = Callable[[str], bool]  # whether whoever looks has that permission
Numbers = Callable[[May], dict[str, Any]]


@dataclass(frozen=True)
class Panel:
    """Numbers under a heading; nothing to show is no panel."""

    title: str
    template: str
    numbers: Numbers


_panels: list[Panel] = []


def register(title: str, template: str, numbers: Numbers) -> None:
    _panels.append(Panel(title, template, numbers))


def panels(may: May) -> list[tuple[Panel, dict[str, Any] | None]]:
    """Each panel with its numbers, or None where the database did not count them in time.

    The admin is wanted most when the database is slow, so that must not take its front page away.
    """
    shown: list[tuple[Panel, dict[str, Any] | None]] = []
    for panel in _panels:
        try:
            numbers = panel.numbers(may)
        except DATABASE_AWAY:
            log.warning("dashboard.not_counted", extra={"panel": panel.title}, exc_info=True)
            shown.append((panel, None))
        else:
            shown += [(panel, numbers)] if numbers else []
    return shown


def today() -> dt.datetime:
    """When today began."""
    return timezone.now().astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def weeks() -> list[dt.datetime]:
    """When each of the last weeks began, the present one last."""
    day = today()
    monday = day - dt.timedelta(days=day.weekday())
    return [monday - dt.timedelta(weeks=ago) for ago in reversed(range(WEEKS))]


Counted = dict[tuple[Any, ...], int]


def by_week(
    rows: QuerySet[Any], moment: str, number: Aggregate, since: dt.datetime, *per: str
) -> Counted:
    """The aggregate of each week's rows, by the column that says when, and by others. One query."""
    counted = (
        rows.filter(**{f"{moment}__gte": since})
        .order_by()
        .values(*per, week=TruncWeek(moment, tzinfo=dt.UTC))
        .annotate(number=number)
    )
    return {(row["week"], *(row[name] for name in per)): row["number"] for row in counted}


# How a chart is drawn, in the units of its viewBox.
BAR, STEP, HEIGHT = 14, 20, 60


@dataclass(frozen=True)
class Bar:
    x: int
    y: int
    height: int


@dataclass(frozen=True)
class Series:
    """A number for each week, and the bars it is drawn as: the tallest is the greatest of them."""

    name: str
    numbers: Sequence[int]

    @property
    def bars(self) -> list[Bar]:
        most = max(self.numbers, default=0) or 1
        # What is not nothing is seen.
        heights = [max(round(n * HEIGHT / most), 1) if n else 0 for n in self.numbers]
        return [Bar(x * STEP, HEIGHT - height, height) for x, height in enumerate(heights)]

    @property
    def latest(self) -> int:
        return self.numbers[-1]


def table(
    columns: Sequence[Series], weeks: Sequence[dt.datetime]
) -> list[tuple[dt.date, list[int]]]:
    """A row for each week, the present one first."""
    rows = zip((week.date() for week in weeks), *(one.numbers for one in columns), strict=True)
    return [(week, numbers) for week, *numbers in rows][::-1]
