"""Argon2id behind a bulkhead, so that a storm of logins cannot take the site with it.

A request that will hash is admitted before it does anything else, while it holds no connection and
nothing has been counted against anybody.
"""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import BoundedSemaphore
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher

from bottomline import metrics
from bottomline.errors import Unavailable
from bottomline.places import Places

Result = TypeVar("Result")

# More at once would only wait for each other, each with its 19 MiB.
AT_ONCE: Final = settings.HASHES_AT_ONCE
# Who is in or waits holds a thread of the web server. With those that wait for bodies (see
# bottomline.bodies) they must leave some of its 96 to everybody else.
HELD: Final = 64
# While one hashes, another may ask the database or Redis.
ADMITTED: Final = min(2 * AT_ONCE, HELD // 2)
WAITING: Final = HELD - ADMITTED
# Seconds, then 503: as long as 64 need on a slow core. Whoever is refused sooner asks again sooner,
# and refusals cost members more than a queue does: each is a page, and they come all at once.
LONGEST_WAIT: Final = 5.0

_admitted = BoundedSemaphore(ADMITTED)
_waiting = Places(WAITING)


@contextmanager
def admission(network: str) -> Iterator[None]:
    """Let a request in that is going to hash.

    Raises Unavailable where too many are, or too many of that network's.
    """
    if not _waiting.take(network):
        raise _busy()
    try:
        with metrics.HASHING_REQUESTS.labels("waiting").track_inprogress():
            admitted = _admitted.acquire(timeout=LONGEST_WAIT)
    finally:
        _waiting.give_back(network)
    if not admitted:
        raise _busy()
    try:
        with metrics.HASHING_REQUESTS.labels("admitted").track_inprogress():
            yield
    finally:
        _admitted.release()


def _hash(work: Callable[[], Result]) -> Result:
    """Do the work on a hashing thread. Raises Unavailable where none is free in time."""
    future = _threads.submit(work)
    try:
        return future.result(timeout=LONGEST_WAIT)
    except TimeoutError:
        if future.cancel():
            raise _busy() from None
        return future.result()  # it has begun, and will not be long
    except (VerifyMismatchError, InvalidHashError):
        raise  # the answer, not a failure
    except (Argon2Error, MemoryError) as error:
        raise Unavailable("hashing_failed") from error


def _give_way() -> None:
    """Let whoever only asks who they are go first: nice is each thread's own on Linux."""
    if sys.platform == "linux":
        os.nice(10)


_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hashing", initializer=_give_way)


def _busy() -> Unavailable:
    return Unavailable("hashing_busy", retry_after=2)


class BoundedArgon2Hasher(Argon2PasswordHasher):
    """Argon2id with OWASP's parameters (m=19456 KiB, t=2, p=1).

    Django's own takes running out of memory for a wrong password. Here only a mismatch is one;
    whatever else goes wrong is raised as Unavailable and answered 503.
    """

    time_cost = 2
    memory_cost = 19456
    parallelism = 1  # a second thread for each hash would only take it from another login

    def encode(self, password: str, salt: str) -> str:
        with metrics.HASH_SECONDS.labels("encode").time():
            return _hash(partial(super().encode, password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        _, rest = encoded.split("$", 1)
        try:
            with metrics.HASH_SECONDS.labels("verify").time():
                return _hash(partial(PasswordHasher().verify, "$" + rest, password))
        except (VerifyMismatchError, InvalidHashError):
            return False

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Nothing: Argon2 has no work to add; parameters rise by rehashing at login."""
