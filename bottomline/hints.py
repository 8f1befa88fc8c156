"""Telling the workers at once that there is something to do, without ever holding a request.

A frozen broker can hold a publisher for ever, whatever its timeouts say, so a thread of its own
does the publishing and requests only leave ids with it. What it cannot pass on is forgotten: the
sweep finds the row.
"""

import atexit
import logging
import os
import threading
from queue import Full, Queue
from time import monotonic
from uuid import UUID

from celery import current_app

log = logging.getLogger(__name__)

WAITING = 1000  # more than these are left to the sweep
PAUSE = 10.0  # seconds without trying after a failure
FLUSH = 0.25  # seconds a process that ends gives to what is still waiting


class Publisher:
    """One daemon thread and its queue, made at first use so that a forked process has its own."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.queue: Queue[tuple[str, UUID]] = Queue(maxsize=WAITING)
        self.idle = threading.Event()
        self.idle.set()
        threading.Thread(target=self._run, name="publisher", daemon=True).start()

    def put(self, task: str, row_id: UUID) -> None:
        self.idle.clear()
        try:
            self.queue.put_nowait((task, row_id))
        except Full:
            log.warning("publish.skipped", extra={"reason": "queue_full"})

    def _run(self) -> None:
        paused_until = 0.0
        while True:
            task, row_id = self.queue.get()
            if monotonic() >= paused_until and not _publish(task, row_id):
                paused_until = monotonic() + PAUSE
            if self.queue.empty():
                self.idle.set()


_lock = threading.Lock()
_publisher: Publisher | None = None


def publish(task: str, row_id: UUID) -> None:
    """Leave a task and the id of its row for the publishing thread; never waits, never raises."""
    _current().put(task, row_id)


def _current() -> Publisher:
    global _publisher
    with _lock:
        if _publisher is None or _publisher.pid != os.getpid():
            _publisher = Publisher()
        return _publisher


def _publish(task: str, row_id: UUID) -> bool:
    try:
        current_app.send_task(task, (str(row_id),))
    except Exception as error:  # the broker's client raises whatever its transport does
        log.warning("publish.failed", extra={"error": type(error).__name__})
        return False
    return True


@atexit.register
def _flush() -> None:
    # A command that mails an invite ends at once; give the thread a moment, not more.
    if _publisher is not None and _publisher.pid == os.getpid():
        _publisher.idle.wait(FLUSH)
