"""Whether a password is known from a breach (ASVS 6.2.12): asked of Have I Been Pwned, or a file.

The service is told five of the forty digits of the password's SHA-1, answers with every known hash
that begins so, and pads its answer, so that neither it nor a listener learns which was meant. The
file is what the service's own downloader writes: a hash a line, in order.

Whoever cannot be asked within a second is taken to know nothing: a new password must not depend on
somebody else's server. That is logged, and nobody is asked again for half a minute, or each new
password would wait its second, and with it a place at the bulkhead of those who log in.
"""

import logging
import os
import re
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from functools import cache, cached_property
from hashlib import sha1
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from socket import SHUT_RDWR
from typing import BinaryIO
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

log = logging.getLogger(__name__)

LONGEST = 1.0  # seconds, all in all
PAUSE = timedelta(seconds=30)  # in which nobody is asked, after one who did not answer
AT_ONCE = 8
PREFIX = 5
LARGEST = 1024 * 1024  # an answer with its padding has some 80 KiB
LINE = re.compile(rb"([0-9A-F]{35,40})(?::(\d{1,12}))?", re.IGNORECASE)


class Away(Exception):
    """There is no telling; the reason is for the log."""


def is_breached(password: str) -> bool:
    """Whether the password is in a known breach, if anybody is asked and answers in time."""
    if not settings.BREACHED_PASSWORDS:
        return False
    digest = sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    try:
        return _source(settings.BREACHED_PASSWORDS).knows(digest.upper())
    except Away as away:
        # Neither the prefix nor the person: together they would narrow the password down.
        log.warning("breached_passwords.away", extra={"reason": str(away)})
        return False


@cache
def _source(where: str) -> "Source":
    return Service(where) if where.startswith(("http://", "https://")) else Listing(where)


class Source(ABC):
    """Somebody who may be asked, and who is left alone for a while after failing to answer."""

    def __init__(self) -> None:
        self._away_until = timezone.now()
        self._free = threading.BoundedSemaphore(AT_ONCE)

    def knows(self, digest: str) -> bool:
        """Whether a hash is known. Raises Away after a second at the latest."""
        if timezone.now() < self._away_until:
            raise Away("paused")
        try:
            return self._ask(digest)
        except Away:
            self._away_until = timezone.now() + PAUSE
            raise

    @abstractmethod
    def _ask(self, digest: str) -> bool:
        """Whether a hash is known. Raises Away."""

    def _within_limits(self, work: Callable[[], bool]) -> bool:
        """The work's result in time; on a thread of its own, as not every wait can be broken off.

        Looking a name up, for one, takes as long as the resolver likes.
        """
        if not self._free.acquire(blocking=False):
            raise Away("busy")
        result: Future[bool] = Future()
        threading.Thread(target=self._work, args=(work, result), daemon=True).start()
        try:
            return result.result(timeout=LONGEST)
        except TimeoutError:
            raise Away("timeout") from None
        except (OSError, HTTPException, ValueError) as error:
            raise Away(type(error).__name__) from error

    def _work(self, work: Callable[[], bool], result: "Future[bool]") -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)
        finally:
            self._free.release()


class Service(Source):
    """The range API of Have I Been Pwned, or one that speaks like it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = urlsplit(url)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def _ask(self, digest: str) -> bool:
        connection = self._connection()
        try:
            return self._within_limits(lambda: self._ask_over(connection, digest))
        finally:
            _hang_up(connection)

    def _connection(self) -> HTTPConnection:
        host = self.url.hostname or ""
        if self.url.scheme == "http":
            return HTTPConnection(host, self.url.port, timeout=LONGEST)
        return HTTPSConnection(host, self.url.port, timeout=LONGEST, context=self._tls)

    def _ask_over(self, connection: HTTPConnection, digest: str) -> bool:
        path = f"{self.url.path.rstrip('/')}/{digest[:PREFIX]}"
        headers = {"Add-Padding": "true", "User-Agent": "bottomline", "Connection": "close"}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        if response.status != 200:
            raise HTTPException(response.status)
        body = b""
        while chunk := response.read1(65536):
            body += chunk
            if len(body) > LARGEST:
                raise ValueError("too large")
        if response.length:
            raise ValueError("cut short")
        wanted = digest[PREFIX:].encode()
        return any(_count(line, wanted) for line in body.splitlines())


class Listing(Source):
    """A file of hashes in ascending order, which is searched where it lies: it has 40 gigabytes."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = Path(path)

    def _ask(self, digest: str) -> bool:
        return self._within_limits(lambda: self._search(digest.encode()))

    def _search(self, wanted: bytes) -> bool:
        with self.path.open("rb") as file:
            low, high = 0, file.seek(0, os.SEEK_END)
            while low < high:
                middle = (low + high) // 2
                line = _line_from(file, middle)
                if line and line[: len(wanted)].upper() < wanted:
                    low = middle + 1
                else:
                    high = middle
            return _count(_line_from(file, low), wanted) > 0


def _line_from(file: BinaryIO, position: int) -> bytes:
    """The first line that begins at this position or after it; nothing at the end of the file."""
    file.seek(max(position - 1, 0))
    if position:
        file.readline(256)
    line = file.readline(256).rstrip()
    found = LINE.fullmatch(line)
    if line and not (found and len(found[1]) == 40):
        raise ValueError("not a list of hashes")
    return line


def _count(line: bytes, wanted: bytes) -> int:
    """How often that hash was seen, by this line; the service pads with hashes seen no time."""
    found = LINE.fullmatch(line.strip())
    if not found or found[1].upper() != wanted:
        return 0
    return int(found[2] or 1)


def _hang_up(connection: HTTPConnection) -> None:
    """End the connection under a thread that may still be waiting for its next byte."""
    if sock := connection.sock:
        with suppress(OSError):
            sock.shutdown(SHUT_RDWR)
    connection.close()
