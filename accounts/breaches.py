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
from abc import ABC, abstractmethod
from datetime import timedelta
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from bottomline.outgoing import Away, Line

log = logging.getLogger(__name__)

LONGEST = 1.0  # seconds, all in all
PAUSE = timedelta(seconds=30)  # in which nobody is asked, after one who did not answer
AT_ONCE = 8
PREFIX = 5
LARGEST = 1024 * 1024  # an answer with its padding has some 80 KiB
LINE = re.compile(rb"([0-9A-F]{35,40})(?::(\d{1,12}))?", re.IGNORECASE)


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
    """Somebody who may be asked."""

    def __init__(self) -> None:
        self.line = Line(at_once=AT_ONCE, seconds=LONGEST, pause=PAUSE)

    @abstractmethod
    def knows(self, digest: str) -> bool:
        """Whether a hash is known. Raises Away after a second at the latest."""


class Service(Source):
    """The range API of Have I Been Pwned, or one that speaks like it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url.rstrip("/")

    def knows(self, digest: str) -> bool:
        answer = self.line.fetch(
            f"{self.url}/{digest[:PREFIX]}", headers={"Add-Padding": "true"}, largest=LARGEST
        )
        if answer.status != 200:
            raise self.line.failed(f"answered {answer.status}")
        wanted = digest[PREFIX:].encode()
        return any(_count(line, wanted) for line in answer.body.splitlines())


class Listing(Source):
    """A file of hashes in ascending order, which is searched where it lies: it has 40 gigabytes."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = Path(path)

    def knows(self, digest: str) -> bool:
        return self.line.do(lambda: self._search(digest.encode()))

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
