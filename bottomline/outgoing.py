"""Asking servers of others: so many at once, each within a time and a size, led nowhere else.

One that fails is left alone for a while: or everybody who needs it would wait for it in turn, each
with one of our threads.
"""

import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import SHUT_RDWR
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from django.utils import timezone

Result = TypeVar("Result")


class Away(Exception):
    """There is no telling; the reason is for the log."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


class Line:
    """What may be asked of one server: `at_once`, each for `seconds`, and nothing in a `pause`."""

    def __init__(self, *, at_once: int, seconds: float, pause: timedelta) -> None:
        self.seconds, self.pause = seconds, pause
        self._free = threading.BoundedSemaphore(at_once)
        self._away_until = timezone.now()

    def do(self, work: Callable[[], Result]) -> Result:
        """The work's result in time; on a thread of its own, as not every wait can be broken off.

        Looking a name up, for one, takes as long as the resolver likes. Raises Away.
        """
        if timezone.now() < self._away_until:
            raise Away("paused")
        if not self._free.acquire(blocking=False):
            raise Away("busy")  # with a crowd of ours, which says nothing about the server
        result: Future[Result] = Future()
        threading.Thread(target=self._work, args=(work, result), daemon=True).start()
        try:
            return result.result(timeout=self.seconds)
        except TimeoutError:
            raise self.failed("timeout") from None
        except (OSError, HTTPException, ValueError) as error:
            raise self.failed(type(error).__name__) from error

    def failed(self, reason: str) -> Away:
        """What to raise where the server did not do its work; its pause begins."""
        self._away_until = timezone.now() + self.pause
        return Away(reason)

    def _work(self, work: Callable[[], Result], result: "Future[Result]") -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)
        finally:
            self._free.release()

    def fetch(
        self, url: str, *, headers: Mapping[str, str], largest: int, form: str | None = None
    ) -> Answer:
        """What is there, or what posting the form is answered with. Raises Away."""
        parts = urlsplit(url)
        connection = self._connection(parts)
        try:
            return self.do(lambda: _ask_over(connection, parts, headers, largest, form))
        finally:
            _hang_up(connection)

    def _connection(self, url: SplitResult) -> HTTPConnection:
        host = url.hostname or ""
        if url.scheme == "http":
            return HTTPConnection(host, url.port, timeout=self.seconds)
        return HTTPSConnection(host, url.port, timeout=self.seconds, context=_tls())


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _ask_over(
    connection: HTTPConnection,
    url: SplitResult,
    headers: Mapping[str, str],
    largest: int,
    form: str | None,
) -> Answer:
    sent = {"User-Agent": "bottomline", "Connection": "close", **headers}
    if form is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    connection.request("GET" if form is None else "POST", path, body=form, headers=sent)
    response = connection.getresponse()
    body = b""
    while chunk := response.read1(65536):
        body += chunk
        if len(body) > largest:
            raise ValueError("too large")
    if response.length:
        raise ValueError("cut short")
    return Answer(response.status, body)


def _hang_up(connection: HTTPConnection) -> None:
    """End the connection under a thread that may still be waiting for its next byte."""
    if sock := connection.sock:
        with suppress(OSError):
            sock.shutdown(SHUT_RDWR)
    connection.close()
