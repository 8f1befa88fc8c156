"""The number of what is being answered: in its log lines, its headers and on its error pages."""

import re
import secrets
from contextvars import ContextVar
from typing import Any

from django.conf import settings

HEADER = "X-Request-ID"

# What nginx ($request_id) and Envoy make: 128 bits, bare or as a UUID. Nothing else a proxy passes
# on is believed, or whoever calls could write into our log and pages what they like.
WELL_FORMED = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Where a request that was numbered before Django keeps its number.
KEY = "bottomline.request_id"

_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """The number of the request or task that this thread is at; empty where there is none."""
    return _current.get()


def number(environ: dict[str, Any]) -> str:
    """Number a request, once: by a proxy of ours that already has, or with 128 random bits."""
    if KEY not in environ:
        claimed = environ.get("HTTP_X_REQUEST_ID", "") if settings.TRUSTED_PROXY_COUNT else ""
        environ[KEY] = claimed if WELL_FORMED.fullmatch(claimed) else secrets.token_hex(16)
    _current.set(environ[KEY])
    return environ[KEY]


def begin(task: str) -> None:
    """Number what is no request: a task, by its own id."""
    _current.set(task)


def end() -> None:
    """Whatever this thread does next is another's."""
    _current.set("")
