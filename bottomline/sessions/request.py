"""What a request is once our middleware has been at it, for type checkers."""

from typing import Any

from django.http import HttpRequest

from bottomline.sessions.store import SessionStore


class Request(HttpRequest):
    session: SessionStore
    found_user: Any
