"""A member's own security history: what happened to the account, in a sentence each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from uuid import UUID

from django.utils import timezone

from accounts.models import Event
from accounts.sentences import kinds_of, sentence_of
from bottomline.browsers import Browser, browser_of
from bottomline.caller import place_of

PER_PAGE = 30
MAC = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One line of the history: what, from which device and network, and how often in a row."""

    text: str
    is_failure: bool
    browser: Browser | None
    place: str
    at: datetime
    since: datetime
    times: int

    @property
    def day(self) -> date:
        return timezone.localdate(self.at)


@dataclass(frozen=True)
class Page:
    entries: list[Entry]
    is_first: bool
    older: str  # what to ask for the page after this one by; empty where there is none


def list_page(user_id: UUID, *, only: str = "", before: str = "") -> Page:
    """A page of the history, newest first: all of it, or one of GROUPS.

    `before` is what the page before it gave. Found by key and not counted, so the thousandth page
    costs what the first does, and nobody can make a history too long to be read.
    """
    events = Event.objects.filter(user_id=user_id)
    last = None
    if MAC.fullmatch(before):
        last = events.filter(mac=before).values_list("pk", flat=True).first()
    if only:
        events = events.filter(kind__in=kinds_of(only))
    if last:
        events = events.filter(pk__lt=last)
    found = list(events.order_by("-pk")[: PER_PAGE + 1])
    shown = found[:PER_PAGE]
    # Its MAC names an event without telling how many there are of everybody.
    older = shown[-1].mac if len(found) > PER_PAGE else ""
    return Page(list(_entries(shown)), is_first=last is None, older=older)


def _entries(events: list[Event]) -> Iterator[Entry]:
    """The lines for these events. Failures alike, one after another in a day, share one."""
    for _, alike in groupby(events, key=_likeness):
        run = list(alike)
        newest, said = run[0], sentence_of(run[0])
        is_known = newest.ip or newest.user_agent
        yield Entry(
            text=said.text,
            is_failure=said.is_failure,
            browser=browser_of(newest.user_agent) if is_known else None,
            place=place_of(newest.ip),
            at=newest.at,
            since=run[-1].at,
            times=len(run),
        )


def _likeness(event: Event) -> object:
    said = sentence_of(event)
    if not said.is_failure:
        return event.pk
    day = timezone.localdate(event.at)
    return said, day, place_of(event.ip), browser_of(event.user_agent)
