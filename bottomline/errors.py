"""Refusals every part of the project may raise; `bottomline.middleware` words them once."""

from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError

# What clients raise when a server is away: django-redis lets some of the socket's own through.
REDIS_AWAY = (RedisError, OSError)
DATABASE_AWAY = (OperationalError, InterfaceError)


class Unavailable(Exception):
    """Something we need is away or full: 503, and when to come back."""

    def __init__(self, reason: str, retry_after: int = 5):
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class TooManyAttempts(Exception):
    """A limit is used up: 429, and when to come back. Never says which limit."""

    reason = "too_many_attempts"

    def __init__(self, retry_after: int):
        super().__init__(self.reason)
        self.retry_after = retry_after
