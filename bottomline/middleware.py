"""What is true of every answer, and the one place where refusals become pages."""

import logging

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse

from bottomline.errors import DATABASE_AWAY, REDIS_AWAY, TooManyAttempts, Unavailable
from bottomline.responses import error_page, unavailable

log = logging.getLogger(__name__)

# Every header our answers carry, but for what Django's own middleware adds.
HEADERS = {
    "Content-Security-Policy": settings.CONTENT_SECURITY_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store, private",
}


class EveryAnswer:
    """Headers on every answer. Outermost."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


class Refusals:
    """Turns what services raise into a status and a page, once for all views.

    What no form of ours sends is refused before anything reads it: a body larger than they need,
    and a charset that is not theirs, which Python might know as no charset at all.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _content_length(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return error_page(request, 413)
        if _charset(request) not in {"utf-8", "utf8"}:
            return error_page(request, 400)
        response = self.get_response(request)
        if response.status_code == 405 and not response.content:
            page = error_page(request, 405)
            page["Allow"] = response["Allow"]
            return page
        if response.status_code == 404 and settings.DEBUG and request.resolver_match is None:
            # In development Django answers an unknown address with a list of all the known ones.
            return error_page(request, 404)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return refusal(request, error)


def _content_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _charset(request: HttpRequest) -> str:
    return (request.content_params or {}).get("charset", "utf-8").lower()


class LoginRequired(LoginRequiredMiddleware):
    """Members only, unless a view says otherwise (ASVS 8.2.1).

    A public page does not ask who is there, so it works while Redis is away; and an outage found
    here is answered like one found in a view, which Django's process_exception would not do.
    """

    def process_view(self, request, view_func, view_args, view_kwargs):
        if not getattr(view_func, "login_required", True):
            return None
        try:
            return super().process_view(request, view_func, view_args, view_kwargs)
        except Exception as error:
            response = refusal(request, error)
            if response is None:
                raise
            return response


def refusal(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """The page for what a service raised; None where it is no refusal but a fault."""
    if isinstance(error, TooManyAttempts):
        log.warning("limit.exceeded", extra={"view": _view_name(request)})
        return error_page(request, 429, retry_after=error.retry_after)
    if isinstance(error, Unavailable):
        log.warning("unavailable", extra={"reason": error.reason})
        return unavailable(request, error.retry_after)
    if isinstance(error, DATABASE_AWAY):
        log.error("database.away", extra={"error": type(error).__name__})
        return unavailable(request)
    if isinstance(error, REDIS_AWAY):
        log.error("redis.away", extra={"error": type(error).__name__})
        return unavailable(request)
    return None


def _view_name(request: HttpRequest) -> str:
    return request.resolver_match.view_name if request.resolver_match else ""
