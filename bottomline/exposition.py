"""`/metrics`, in Prometheus' own words the exposition: what was counted, and how things stand.

Answered before Django, whose look at the Host header would refuse a scraper that calls a process by
its address. Where METRICS_TOKEN is not set there is no such page, and Django says so.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import Count, Min
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django_redis import get_redis_connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from bottomline import metrics, request_id
from bottomline.errors import REDIS_AWAY
from bottomline.middleware import headers_before_django
from bottomline.outbox.models import OutboxMessage

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

log = logging.getLogger(__name__)

LONGEST_WAIT = 2.0  # seconds for the database, of the ten that scrapers wait
TEXT = "text/plain; charset=utf-8"


class Exposition:
    """Answers `/metrics` to whoever has the token, and leaves the rest to another application."""

    def __init__(self, rest: Application, *collectors: Collector) -> None:
        self.rest = rest
        self.headers = headers_before_django()
        self.registry = CollectorRegistry()
        for collector in collectors:
            self.registry.register(collector)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked = environ["PATH_INFO"] == "/metrics" and environ["REQUEST_METHOD"] in ("GET", "HEAD")
        if not asked or not settings.METRICS_TOKEN:
            return self.rest(environ, start_response)
        number = (request_id.HEADER, request_id.number(environ))
        if not _has_token(environ):
            metrics.EVENTS.labels("metrics.refused", "token").inc()
            source = environ.get("REMOTE_ADDR", "-")
            log.warning("metrics.refused", extra={"reason": "token", "ip": source})
            challenge = ("WWW-Authenticate", 'Bearer realm="metrics"')
            body = b"Give the token of METRICS_TOKEN: Authorization: Bearer ...\n"
            headers = [("Content-Type", TEXT), challenge, number, *self.headers]
            return _send(environ, start_response, HTTPStatus.UNAUTHORIZED, headers, body)
        body = generate_latest(self.registry)
        headers = [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4), number, *self.headers]
        return _send(environ, start_response, HTTPStatus.OK, headers, body)


def _has_token(environ: Environ) -> bool:
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    is_right = constant_time_compare(token.strip(), settings.METRICS_TOKEN)
    return is_right and scheme.lower() == "bearer"


def _send(
    environ: Environ,
    start_response: Callable[..., Any],
    status: HTTPStatus,
    headers: list[tuple[str, str]],
    body: bytes,
) -> Iterable[bytes]:
    start_response(
        f"{status.value} {status.phrase}", [("Content-Length", str(len(body))), *headers]
    )
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


class Counted(Collector):
    """What all processes that share METRICS_DIR have counted since it was last emptied."""

    def collect(self) -> Iterable[Metric]:
        return MultiProcessCollector.merge([str(file) for file in _files()])


def _files() -> Iterator[Path]:
    """Their files, without those that are only being made and the gauges of processes long gone."""
    for file in Path(settings.METRICS_DIR).glob("*.db"):
        kind, _, process = file.stem.rpartition("_")
        if file.stat().st_size and (not kind.startswith("gauge") or _lives(int(process))):
            yield file


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's: there is one
    return True


class State(Collector):
    """How things stand outside our processes, read when asked. What is away is said to be away."""

    def __init__(self) -> None:
        self.outbox = Patience(_outbox)

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily(
            "bottomline_up", "Whether it answered, asked for these metrics.", labels=["dependency"]
        )
        families: list[Metric] = [up]
        with _answering(up, "database"):
            families += self.outbox.ask()
        stores = {}
        for store, cache in (("sessions", "sessions"), ("limits", "default")):
            with _answering(up, f"redis_{store}"):
                pipeline = get_redis_connection(cache).pipeline(transaction=False)
                stores[store] = pipeline.dbsize().info("memory").execute()
        return families + _redis(stores)


class Patience:
    """Asks the database on a thread of its own, and does not wait for ever.

    One that has frozen answers nothing, not even that it is late. Without this every scrape would
    leave a thread behind that waits for it, until there are none for members.
    """

    def __init__(self, read: Callable[[], list[Metric]]) -> None:
        self.read = read
        self.asking = threading.Lock()

    def ask(self) -> list[Metric]:
        """What was read. Raises what reading raised, and TimeoutError where that takes too long."""
        if not self.asking.acquire(timeout=LONGEST_WAIT):
            raise TimeoutError
        answer: Future[list[Metric]] = Future()
        threading.Thread(target=self._read, args=(answer,), name="outbox", daemon=True).start()
        return answer.result(timeout=LONGEST_WAIT)

    def _read(self, answer: "Future[list[Metric]]") -> None:
        try:
            answer.set_result(self.read())
        except Exception as error:  # whoever waits is told
            answer.set_exception(error)
        finally:
            connection.close()
            self.asking.release()


@contextmanager
def _answering(up: GaugeMetricFamily, dependency: str) -> Iterator[None]:
    try:
        yield
    except (*REDIS_AWAY, DatabaseError):
        up.add_metric([dependency], 0)
    else:
        up.add_metric([dependency], 1)


def _outbox() -> list[Metric]:
    """The mail that waits and the mail that was given up; each row counted is in an index."""
    rows, status = OutboxMessage.objects, OutboxMessage.Status
    waiting = rows.filter(status=status.PENDING).aggregate(
        number=Count("pk"), first=Min("created_at"), due=Min("next_attempt_at")
    )
    dead = rows.filter(status=status.DEAD).count()
    depth = GaugeMetricFamily(
        "bottomline_outbox_messages", "Mails in the outbox that are not sent.", labels=["status"]
    )
    depth.add_metric(["pending"], waiting["number"])
    depth.add_metric(["dead"], dead)
    return [
        depth,
        GaugeMetricFamily(
            "bottomline_outbox_oldest_seconds",
            "How long the mail that waits longest was promised.",
            value=_seconds_since(waiting["first"]),
        ),
        GaugeMetricFamily(
            "bottomline_outbox_overdue_seconds",
            "How long a worker should have taken up the mail that is due longest.",
            value=_seconds_since(waiting["due"]),
        ),
    ]


def _seconds_since(moment: datetime | None) -> float:
    return max(0.0, (timezone.now() - moment).total_seconds()) if moment else 0.0


def _redis(stores: dict[str, tuple[int, dict[str, Any]]]) -> list[Metric]:
    keys = GaugeMetricFamily(
        "bottomline_redis_keys",
        "Keys: of sessions one each, and one for each member who has any; of limits one a counter.",
        labels=["store"],
    )
    used = GaugeMetricFamily(
        "bottomline_redis_memory_bytes", "Memory that Redis uses.", labels=["store"]
    )
    most = GaugeMetricFamily(
        "bottomline_redis_memory_limit_bytes",
        "Memory beyond which Redis refuses to write, where it has a limit.",
        labels=["store"],
    )
    for store, (size, memory) in stores.items():
        keys.add_metric([store], size)
        used.add_metric([store], memory["used_memory"])
        if memory.get("maxmemory"):
            most.add_metric([store], memory["maxmemory"])
    return [keys, used, most]


# --- a worker's own ---


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 5  # seconds that a client may take to ask

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: it would print an address for each scrape."""


def serve(port: int) -> None:
    """Answer `/metrics` on a port, from a thread: for processes that are no web server.

    Raises OSError where the port is taken.

    What was counted and no more: how things stand the web processes say, and a connection to the
    database opened here would be inherited by the processes that a worker forks.
    """
    server = make_server("", port, Exposition(_nothing_here, Counted()), _Server, _Handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def _nothing_here(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    return _send(
        environ, start_response, HTTPStatus.NOT_FOUND, [("Content-Type", TEXT)], b"Not found\n"
    )
