"""The answers that any part of the project may have to give, as a page or as JSON."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from bottomline import metrics, request_id
from bottomline.errors import wait_in_words

View = Callable[..., HttpResponseBase]

TITLES = {
    400: "That request could not be read.",
    403: "That is not yours to do.",
    404: "There is nothing here.",
    405: "That is not how this address is used.",
    408: "That took too long to arrive. Try again on a better connection.",
    413: "That is more than this form takes.",
    414: "That address is too long.",
    429: "Too many attempts. Wait a little and try again.",
    500: "Something broke on our side. Try again in a few minutes.",
    503: "We are briefly unavailable. Try again in a moment.",
}


def error_page(
    request: HttpRequest, status: int, *, retry_after: int | None = None, template: str = ""
) -> HttpResponse:
    """The page for an error, needing neither session nor database; JSON where that was asked."""
    response: HttpResponse
    if _wants_json(request):
        response = JsonResponse({"error": TITLES[status]}, status=status)
    else:
        context = {
            "wait": wait_in_words(retry_after),
            "support_url": settings.SUPPORT_URL,
            "request_id": request_id.current(),
        }
        response = HttpResponse(
            render_to_string(template or _template(request, status), context), status=status
        )
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


def unavailable(request: HttpRequest, reason: str, *, retry_after: int = 5) -> HttpResponse:
    """503: something we need is away, which is counted. The session cookie stays untouched."""
    metrics.UNAVAILABLE.labels(reason).inc()
    return error_page(request, 503, retry_after=retry_after)


def answers(status: int, template: str) -> Callable[[View], View]:
    """The page that a view has of its own for an error, wherever on the way that is found."""

    def decorate(view: View) -> View:
        view.__dict__[_page_of(status)] = template  # which every wrapper carries on
        return view

    return decorate


def _template(request: HttpRequest, status: int) -> str:
    view = request.resolver_match and request.resolver_match.func
    return getattr(view, _page_of(status), f"{status}.html")


def _page_of(status: int) -> str:
    return f"page_of_{status}"


def _wants_json(request: HttpRequest) -> bool:
    try:
        preferred = request.get_preferred_type(["text/html", "application/json"])
    except ValueError:  # the header names a charset that there is not
        return False
    return preferred == "application/json"
