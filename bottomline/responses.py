"""The answers that any part of the project may have to give, as a page or as JSON."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

TITLES = {
    400: "That request could not be read.",
    403: "That is not yours to do.",
    404: "There is nothing here.",
    405: "That is not how this address is used.",
    413: "That is more than this form takes.",
    429: "Too many attempts. Wait a little and try again.",
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
        context = {"wait": _in_words(retry_after), "support_url": settings.SUPPORT_URL}
        response = HttpResponse(
            render_to_string(template or f"{status}.html", context), status=status
        )
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


def unavailable(request: HttpRequest, retry_after: int = 5) -> HttpResponse:
    """503: something we need is away. The session cookie stays untouched."""
    return error_page(request, 503, retry_after=retry_after)


def _in_words(seconds: int | None) -> str:
    if seconds is None or seconds < 5:
        return "a moment"
    if seconds < 120:
        return f"{seconds} seconds"
    return f"about {round(seconds / 60)} minutes"


def _wants_json(request: HttpRequest) -> bool:
    try:
        preferred = request.get_preferred_type(["text/html", "application/json"])
    except ValueError:  # the header names a charset that there is not
        return False
    return preferred == "application/json"
