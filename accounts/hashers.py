"""Argon2id behind a bulkhead, so that a storm of logins cannot take the site with it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError
from django.contrib.auth.hashers import Argon2PasswordHasher

from bottomline.errors import Unavailable

# More at once would only wait for each other, each with its 19 MiB.
AT_ONCE = max(1, os.cpu_count() or 1)
LONGEST_WAIT = 0.5  # seconds for a free place, then 503: the queue must not be where people wait

_places = BoundedSemaphore(AT_ONCE)


@contextmanager
def _place() -> Iterator[None]:
    if not _places.acquire(timeout=LONGEST_WAIT):
        raise Unavailable("hashing_busy", retry_after=2)
    try:
        yield
    finally:
        _places.release()


class BoundedArgon2Hasher(Argon2PasswordHasher):
    """Argon2id with OWASP's parameters (m=19456 KiB, t=2, p=1).

    Django's own takes running out of memory for a wrong password. Here only a mismatch is one;
    whatever else goes wrong is raised as Unavailable and answered 503.
    """

    time_cost = 2
    memory_cost = 19456
    parallelism = 1  # a second thread for each hash would only take it from another login

    def encode(self, password: str, salt: str) -> str:
        with _place(), _failures_named():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        _, rest = encoded.split("$", 1)
        with _place(), _failures_named():
            try:
                return PasswordHasher().verify("$" + rest, password)
            except (VerifyMismatchError, InvalidHashError):
                return False

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Nothing: Argon2 has no work to add; parameters rise by rehashing at login."""


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except (VerifyMismatchError, InvalidHashError):
        raise
    except (Argon2Error, MemoryError) as error:
        raise Unavailable("hashing_failed") from error
