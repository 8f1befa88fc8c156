"""What is good once, whoever brings it first, and wherever they bring it."""

from datetime import timedelta
from hashlib import sha256

from django.core.cache import cache


def spend(kind: str, what: bytes, good_for: timedelta) -> bool:
    """Whether nobody has spent it before: of many at once, one. Raises RedisError or OSError."""
    # SET NX. Kept longer than it is good for: other machines' clocks may be behind.
    return bool(cache.add(f"{kind}:{sha256(what).hexdigest()}", 1, 2 * good_for.total_seconds()))
