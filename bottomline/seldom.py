"""Lines of the log that would be one for every request while something is away."""

from threading import Lock
from time import monotonic
from typing import Final

PAUSE: Final = 1.0  # seconds

_lock = Lock()
_due: dict[str, float] = {}  # by words of ours, of which there are few


def is_due(what: str) -> bool:
    """Whether to say that now: once a second, and each by itself. The metrics count them all.

    Otherwise an outage, or a crowd, would soon fill what is kept of the log with itself, and what
    was refused to whom would be gone.
    """
    now = monotonic()
    with _lock:
        if now < _due.get(what, 0.0):
            return False
        _due[what] = now + PAUSE
    return True
