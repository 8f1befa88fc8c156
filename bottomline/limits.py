"""Counting how often somebody does a thing. The numbers live in each app's own limits.py."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from django_ratelimit.core import get_usage

from bottomline.errors import TooManyAttempts


@dataclass(frozen=True)
class Limit:
    """At most `count` times in each window of `period`, for each value counted under `name`."""

    name: str
    count: int
    period: timedelta


def spend(*uses: tuple[Limit, str]) -> None:
    """Count one use against every limit given; raises TooManyAttempts if any is over.

    All are counted even when the first is already over, or the others could be probed for free.
    An outage of Redis raises RedisError or OSError: limits fail closed (ASVS 16.5.3).
    """
    usages = [_usage(limit, value) for limit, value in uses]
    waits = [usage["time_left"] for usage in usages if usage["should_limit"]]
    if waits:
        # The library's window includes its last second, so the next begins one later.
        raise TooManyAttempts(retry_after=max(waits) + 1)


def spend_quietly(*uses: tuple[Limit, str]) -> bool:
    """The same, but says whether there was any left, for what is then left out without a word."""
    try:
        spend(*uses)
    except TooManyAttempts:
        return False
    return True


def _usage(limit: Limit, value: str) -> dict:
    # The library's own key has no separators and does not say what kind of value it holds, so an
    # address typed as a name could fill somebody's bucket; the name and a digest keep them apart,
    # and keep addresses out of Redis. A tuple, because "5/week" silently means five a second.
    key = sha256(f"{limit.name}\0{value}".encode()).hexdigest()
    rate = (limit.count, int(limit.period.total_seconds()))
    return get_usage(None, group=f"{limit.name}:", key=lambda *_: key, rate=rate, increment=True)
