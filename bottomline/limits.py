"""Counting how often somebody does a thing. The numbers live in each app's own limits.py."""

from dataclasses import dataclass
from datetime import timedelta

from django_ratelimit.core import get_usage

from bottomline import keys, metrics
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
    usages = {limit.name: _usage(limit, value) for limit, value in uses}
    over = {name: usage for name, usage in usages.items() if usage["should_limit"]}
    for name in over:
        metrics.LIMITS_EXCEEDED.labels(name).inc()
    if over:
        # The library's window includes its last second, so the next begins one later.
        wait = max(usage["time_left"] for usage in over.values()) + 1
        raise TooManyAttempts(retry_after=wait)


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
    # Under a key of ours: the window's edges follow from it, and nobody is to know when one ends.
    key = keys.mac("limits", f"{limit.name}\0{value}".encode()).hex()
    rate = (limit.count, int(limit.period.total_seconds()))
    return get_usage(None, group=f"{limit.name}:", key=lambda *_: key, rate=rate, increment=True)
