"""Sessions and users on the request: lazily, and never taking an outage for a logout."""

import logging
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import auth
from django.contrib.auth import middleware as auth_middleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions import middleware as session_middleware
from django.contrib.sessions.backends.base import UpdateError
from django.http import HttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject

from bottomline import refusals
from bottomline.errors import DATABASE_AWAY, REDIS_AWAY
from bottomline.middleware import redis_away
from bottomline.sessions import cookie
from bottomline.sessions.request import Request
from bottomline.sessions.store import SessionStore

log = logging.getLogger(__name__)

# While the database is away not every request should find that out for itself.
ASK_AGAIN_AFTER = timedelta(seconds=10)


class SessionMiddleware(session_middleware.SessionMiddleware):
    """Reads the signed cookie, keeps the session of whoever is logged in, and clears dead cookies.

    A visitor who is not logged in has no session: whatever was put into it is dropped, and neither
    Redis nor the browser learns of it.
    """

    def process_request(self, request: Any) -> None:
        value = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        sid = cookie.read(value) if value is not None else None
        if value and sid is None:  # made up or cut, or of a key that was dropped
            refusals.note(request, "cookie.refused", reason="session")
        request.session = SessionStore(sid)

    def process_response(self, request: Any, response: HttpResponse) -> HttpResponse:
        session = request.session
        if session.accessed:
            patch_vary_headers(response, ("Cookie",))
        if session.modified and session.snapshot and response.status_code < 500:
            try:
                self._keep(request, response)
            except UpdateError:
                # Logged out elsewhere while this request ran: it must not come back.
                log.info("session.gone")
                self._forget(response)
            except REDIS_AWAY as error:
                return redis_away(request, error)
        elif settings.SESSION_COOKIE_NAME in request.COOKIES and session.session_key is None:
            self._forget(response)
        return response

    def _keep(self, request: Request, response: HttpResponse) -> None:
        session = request.session
        session.save()
        if session.is_new:
            assert session.session_key
            assert session.meta
            response.set_cookie(
                settings.SESSION_COOKIE_NAME,
                cookie.sign(session.session_key),
                expires=session.meta.expires if session.meta.remembered else None,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Strict",
            )

    def _forget(self, response: HttpResponse) -> None:
        response.delete_cookie(settings.SESSION_COOKIE_NAME, samesite="Strict")


class AuthenticationMiddleware(auth_middleware.AuthenticationMiddleware):
    """`request.user` from the session's snapshot: no SQL while it is fresh."""

    def process_request(self, request: Any) -> None:
        request.user = SimpleLazyObject(partial(user_of, request))
        request.auser = sync_to_async(partial(user_of, request))


def user_of(request: Request):
    """The user this request's session belongs to, or AnonymousUser; read once per request."""
    if not hasattr(request, "found_user"):
        request.found_user = _find_user(request) or AnonymousUser()
    return request.found_user


def _find_user(request: Request):
    session, now = request.session, timezone.now()
    if auth.SESSION_KEY not in session or session.snapshot is None or session.meta is None:
        return None
    if session.meta.is_due_for_touch(now) and not session.touch(now):
        session.forget()
        return None
    user_model = auth.get_user_model()
    if session.has_fresh_snapshot(now):
        with suppress(KeyError):  # a version before this one remembered less: as good as stale
            return user_model.from_snapshot(session.snapshot)
    try:
        return _read_again(request)
    except DATABASE_AWAY:
        # The database is away. Who is logged in stays so, from what Redis knows.
        log.warning("session.snapshot_kept", extra={"reason": "database_away"})
        session.believe_snapshot_until(now + ASK_AGAIN_AFTER)
        return user_model.from_snapshot(session.snapshot)


def _read_again(request: Request):
    """The user as the database has them now; ends a session that should no longer be."""
    session = request.session
    assert session.snapshot
    epoch = session.snapshot["session_epoch"]
    user = _user_in_database(session)
    if user is None or user.session_epoch != epoch:
        session.flush()
        return None
    if not session.write_snapshot(user.snapshot()):
        session.forget()
        return None
    return user


def _user_in_database(session: SessionStore):
    """The session's user, unless blocked or with another password since.

    Like Django's get_user, but for what that does after a change of SECRET_KEY: it gives the
    session another id, and whoever asked through a gateway or beside another request of the same
    browser would hold a cookie that is dead. Ours says what keys it believes by itself.
    """
    user = auth.load_backend(session[auth.BACKEND_SESSION_KEY]).get_user(session[auth.SESSION_KEY])
    if user is None:
        return None
    kept = session.get(auth.HASH_SESSION_KEY, "")
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return user if any(constant_time_compare(kept, known) for known in hashes) else None
