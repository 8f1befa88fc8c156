"""The body of a request, had in time and whole before anybody works on it.

The web server waits for a body for ever, on one of the threads that answer requests, and has no
setting for it (https://github.com/emmett-framework/granian/issues/728). So threads of our own read
it, fewer than those: however many drip, there are threads left for everybody else.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from typing import Final

from django.conf import settings
from django.http import HttpRequest

from bottomline.caller import caller_of
from bottomline.errors import Unavailable
from bottomline.places import Places

# Each that reads here has one of the web server's 96 --blocking-threads waiting, and logins may
# hold 64 of those (see accounts.hashers): some must be left when both are at their most.
AT_ONCE: Final = 24

_reading = Places(AT_ONCE)
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="bodies")


def fetch(request: HttpRequest, length: int) -> None:
    """Have a form's body in memory, all of it. `length` is what its header says, and bearable.

    Raises TimeoutError after BODY_SECONDS, EOFError where it ends before its length, Unavailable
    where too many are being read, or too many of that network's. Whoever answers the first hangs
    up: until then the thread goes on reading.
    """
    if request.method != "POST" or length <= 0:
        return  # nothing of ours reads another's
    network = caller_of(request).network
    if not _reading.take(network):
        raise Unavailable("bodies_busy")
    reading: Future[bytes] = _threads.submit(request.META["wsgi.input"].read, length)
    reading.add_done_callback(lambda _: _reading.give_back(network))
    body = reading.result(timeout=settings.BODY_SECONDS)
    if len(body) < length:
        raise EOFError
    request._stream = BytesIO(body)  # noqa: SLF001  (Django has no other way to say where a body is)
