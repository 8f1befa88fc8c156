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


class CaptchaMissing(TooManyAttempts):
    """No solution to a challenge, and the budget of those without is used up; for the form."""

    reason = "captcha_missing"

    @property
    def message(self) -> str:
        return (
            "Your browser has not done the small computation that keeps robots out. Turn on "
            f"JavaScript and load this page again, or wait {wait_in_words(self.retry_after)}: "
            "without it we take only a few tries from one network."
        )


def wait_in_words(seconds: int | None) -> str:
    """How long to wait, roughly; of None, "a moment"."""
    if seconds is None or seconds < 5:
        return "a moment"
    if seconds < 120:
        return f"{seconds} seconds"
    if seconds < 2 * 3600:
        return f"about {round(seconds / 60)} minutes"
    return f"about {round(seconds / 3600)} hours"
