"""Counting how often somebody does a thing. The numbers live in each app's own limits.py."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from django_redis import get_redis_connection

from bottomline import keys, metrics
from bottomline.errors import TooManyAttempts

# How many seconds longer than its window a counter is kept: other machines' clocks may be behind.
SPARE = 5


@dataclass(frozen=True)
class Limit:
    """At most `count` times in each window of `period`, for each value counted under `name`.

    More than `without_work` of them cost the browser work, where whoever counts asks for that.
    """

    name: str
    count: int
    period: timedelta
    without_work: int | None = None


@dataclass(frozen=True)
class Use:
    """One use of a limit: which of its window it was, and the seconds until the next begins."""

    limit: Limit
    count: int
    time_left: int

    @property
    def is_over(self) -> bool:
        return self.count > self.limit.count

    @property
    def costs_work(self) -> bool:
        return self.limit.without_work is not None and self.count > self.limit.without_work

    @property
    def next_costs_work(self) -> bool:
        return self.limit.without_work is not None and self.count >= self.limit.without_work


def spend(*uses: tuple[Limit, str]) -> list[Use]:
    """Count one use against every limit given; raises TooManyAttempts if any is over.

    One round trip. All are counted even when the first is already over, or the others could be
    probed for free. An outage of Redis raises RedisError or OSError: limits fail closed
    (ASVS 16.5.3).
    """
    spent = _count(uses)
    over = [use for use in spent if use.is_over]
    for use in over:
        metrics.LIMITS_EXCEEDED.labels(use.limit.name).inc()
    if over:
        raise TooManyAttempts(retry_after=max(use.time_left for use in over))
    return spent


def spend_quietly(*uses: tuple[Limit, str]) -> bool:
    """The same, but says whether there was any left, for what is then left out without a word."""
    try:
        spend(*uses)
    except TooManyAttempts:
        return False
    return True


def _count(uses: tuple[tuple[Limit, str], ...]) -> list[Use]:
    windows = [(limit, *_window(limit, value)) for limit, value in uses]
    # Of many at once each is given a number of its own; and no counter is left without an end.
    with get_redis_connection("default").pipeline(transaction=True) as pipe:
        for _, key, time_left in windows:
            pipe.incr(key)
            pipe.expire(key, time_left + SPARE)
        counts = pipe.execute()[::2]
    return [
        Use(limit, count, time_left)
        for (limit, _, time_left), count in zip(windows, counts, strict=True)
    ]


def _window(limit: Limit, value: str) -> tuple[str, int]:
    """What the window we are in is called in Redis, and the seconds until the next begins."""
    # A digest keeps addresses out of Redis, and the name in it what is counted under one from
    # filling the bucket of another. It is keyed, for a window's edges follow from it, so that they
    # differ for each value: nobody is to know when one ends.
    digest = keys.mac("limits", f"{limit.name}\0{value}".encode())
    period = int(limit.period.total_seconds())
    moment = int(timezone.now().timestamp()) + int.from_bytes(digest[:8], "big") % period
    number, elapsed = divmod(moment, period)
    return f"limit:{digest.hex()}:{number}", period - elapsed
