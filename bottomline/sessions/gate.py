"""`GET /session/` answered before Django, from the same cookie and records.

A gateway asks it for every request of every member, and stock Django spends most of a millisecond
before a view runs. Only the plain cases are answered here: nobody, or somebody whose session was
touched and whose user was read less than a minute ago. Everything else (a stale snapshot, Redis
away, another method) goes on to Django, which has the rules.
"""

import json
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http.cookie import parse_cookie
from django.utils import timezone

from bottomline import metrics, request_id
from bottomline.errors import REDIS_AWAY
from bottomline.middleware import headers_before_django
from bottomline.sessions import cookie
from bottomline.sessions.store import is_fresh, read
from bottomline.sessions.views import CHALLENGE, answer

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

NOBODY = b'{"user": null}'


class Gate:
    def __init__(self, django: Application) -> None:
        self.django = django
        self.headers = headers_before_django()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["CONTENT_TYPE"] = _plain(environ)
        number = request_id.number(environ)
        try:
            return self._pass(environ, start_response, number)
        finally:
            request_id.end()

    def _pass(
        self, environ: Environ, start_response: Callable[..., Any], number: str
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/session/" or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self.django(environ, start_response)
        began = perf_counter()
        try:
            found = self._answer(environ)
        except Exception:
            # Django meets the same fault, writes it down and has a page for it. The server would
            # answer by itself, without any of our headers.
            found = None
        if found is None:
            return self.django(environ, start_response)
        status, extra, body = found
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Vary", "Cookie"),
            (request_id.HEADER, number),
            *extra,
            *self.headers,
        ]
        start_response(status, headers)
        metrics.count_answer("session", int(status[:3]), perf_counter() - began)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes] | None:
        """Status, headers and body, or None for what Django should answer."""
        value = parse_cookie(environ.get("HTTP_COOKIE", "")).get(settings.SESSION_COOKIE_NAME)
        if value is None:
            return "401 Unauthorized", [("WWW-Authenticate", CHALLENGE)], NOBODY
        sid = cookie.read(value)
        if sid is None:
            return None  # Django also clears a dead cookie
        try:
            record = read(sid)
        except REDIS_AWAY:
            return None
        now = timezone.now()
        if record is None or record.user is None or SESSION_KEY not in record.data:
            return None
        if record.meta.is_due_for_touch(now) or not is_fresh(record.user, now):
            return None
        who = [
            ("X-Auth-User", record.user["id"]),
            ("X-Auth-Username", record.user["username"]),
        ]
        return "200 OK", who, json.dumps(answer(record.user, record.meta)).encode()


def _plain(environ: Environ) -> str:
    """The content type without what Django fails on before anything of ours is asked.

    It decodes parameters, and the query, by whatever charset a client names: our forms are UTF-8,
    and a request without a body has no type.
    """
    kept = environ.get("CONTENT_TYPE", "")
    if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        return ""
    return kept.partition(";")[0] if "*" in kept or "charset" in kept.lower() else kept
