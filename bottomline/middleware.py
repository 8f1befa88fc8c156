"""What is true of every answer, and the one place where refusals become pages."""

import logging
from ipaddress import ip_address
from time import perf_counter

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse

from bottomline import bodies, metrics, refusals, request_id, seldom
from bottomline.caller import client_ip
from bottomline.errors import DATABASE_AWAY, REDIS_AWAY, TooManyAttempts, Unavailable
from bottomline.refusals import view_name
from bottomline.responses import error_page, unavailable

log = logging.getLogger(__name__)

# Every header our answers carry, but for what Django's own middleware adds.
HEADERS = {
    "Content-Security-Policy": settings.CONTENT_SECURITY_POLICY,
    "Reporting-Endpoints": settings.REPORTING_ENDPOINTS,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), "
    "publickey-credentials-create=(self), publickey-credentials-get=(self)",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store, private",
}


def headers_before_django() -> list[tuple[str, str]]:
    """The whole set, for what is answered before Django's own security middleware."""
    headers = [
        *HEADERS.items(),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", settings.X_FRAME_OPTIONS),
        ("Referrer-Policy", settings.SECURE_REFERRER_POLICY),
        ("Cross-Origin-Opener-Policy", settings.SECURE_CROSS_ORIGIN_OPENER_POLICY),
    ]
    if settings.SECURE_HSTS_SECONDS:
        value = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload"
        headers.append(("Strict-Transport-Security", value))
    return headers


class EveryAnswer:
    """A number for every request, headers on every answer, and each is counted. Outermost.

    Nothing is kept by a browser or a proxy but files named by their content, whatever a view, the
    admin or a library says of its answer (ASVS 14.3.2).
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began, number = perf_counter(), request_id.number(request.META)
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if "immutable" not in response.headers["Cache-Control"]:
            response.headers["Cache-Control"] = HEADERS["Cache-Control"]
            # Of a file, a cache would give the number of whoever came first to everybody.
            response.headers[request_id.HEADER] = number
        # What matches no route has one name, or whoever invents addresses would invent series.
        view = view_name(request) or "unmatched"
        metrics.count_answer(view, response.status_code, perf_counter() - began)
        return response


# Other servers ask the one with the headers of whatever their own visitor's browser sent them:
# asking changes nothing, and no other site's page is shown the answer. To the other, browsers
# report what they refused, also in documents that count as nobody's: a sealed picture, a frame.
ASKED_FROM_ANYWHERE = {"/session/", settings.CSP_REPORT_PATH}


class FetchMetadata:
    """Refuses what another site's page makes a browser send, before anything is read or asked."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        site = request.headers.get("Sec-Fetch-Site", "")
        mode = request.headers.get("Sec-Fetch-Mode", "")
        dest = request.headers.get("Sec-Fetch-Dest", "")
        if request.path not in ASKED_FROM_ANYWHERE and not may_come_from(
            site, method=request.method or "", mode=mode, dest=dest
        ):
            refusals.note(request, "cross_site.refused", reason=site)
            return error_page(request, 403, template="403_csrf.html")
        return self.get_response(request)


def may_come_from(site: str, *, method: str, mode: str, dest: str) -> bool:
    """Whether a browser's request is welcome, by where it says the request began.

    From elsewhere (`cross-site`, and `same-site`: another name under our domain) somebody may
    follow a link, in a tab of its own; nothing else of ours may be fetched, framed or posted to.
    Only browsers send these headers and no page can forge them. Without them, or with a value we
    do not know, the CSRF token, Origin and Referer decide alone, as they do for everybody else.
    https://www.w3.org/TR/fetch-metadata/, ASVS 3.5.1 and 3.5.8.
    """
    if site not in {"cross-site", "same-site"}:
        return True
    # The first browsers with these headers left out where the answer is to go.
    return method in {"GET", "HEAD"} and mode == "navigate" and dest in {"document", ""}


class Refusals:
    """Turns what services raise into a status and a page, once for all views.

    What no page of ours sends is refused before anything reads it: an address or a body larger than
    they need, and a charset that is not theirs, which Python might know as no charset at all. A
    form whose end never came is not taken for a shorter one (RFC 9112, section 8), and whoever
    sends a body so slowly that others might wait for it is hung up on.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if len(request.get_full_path()) > settings.URL_SIZE:
            return _refused(request, 414, "address_too_long")
        length = _content_length(request)
        if length > _largest_body(request):
            return _refused(request, 413, "body_too_large")
        if _charset(request) not in {"utf-8", "utf8"}:
            return _refused(request, 400, "strange_charset")
        try:
            bodies.fetch(request, length)
        except TimeoutError:
            log.warning("body.late")
            return _last_page(request, 408)
        except EOFError:
            return _refused(request, 400, "body_cut_off")
        except Unavailable as error:
            return full(request, error)
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


def _last_page(request: HttpRequest, status: int) -> HttpResponse:
    """A page after which the web server hangs up, because it is shorter than it says it is.

    After a whole one it would keep the connection for whatever else comes of the body.
    """
    response = error_page(request, status)
    response["Content-Length"] = str(len(response.content) + 1)
    return response


def _refused(request: HttpRequest, status: int, reason: str) -> HttpResponse:
    refusals.note(request, "request.refused", reason=reason)
    return error_page(request, status)


def _content_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _largest_body(request: HttpRequest) -> int:
    return settings.BODY_SIZES.get(request.path, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def _charset(request: HttpRequest) -> str:
    return (request.content_params or {}).get("charset", "utf-8").lower()


class AdminNetworks:
    """Hides the admin from whoever is not in ADMIN_NETWORKS, where that is set (ASVS 8.4.2).

    One wall more, and none instead: within, it is staff alone who enter, by our own login.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_admin = f"{request.path_info}/".startswith("/admin/")
        if is_admin and settings.ADMIN_NETWORKS:
            address = ip_address(client_ip(request))
            if not any(address in network for network in settings.ADMIN_NETWORKS):
                refusals.note(request, "access.refused", reason="admin_network")
                return error_page(request, 404)
        return self.get_response(request)


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
        return over_limit(request, error)
    if isinstance(error, Unavailable):
        return full(request, error)
    if isinstance(error, DATABASE_AWAY):
        if seldom.is_due("database.away"):
            log.error("database.away", extra={"error": type(error).__name__})
        return unavailable(request, "database_away")
    if isinstance(error, REDIS_AWAY):
        return redis_away(request, error)
    return None


def full(request: HttpRequest, error: Unavailable) -> HttpResponse:
    """503: something we need has no place for one more, or did not do its work."""
    if seldom.is_due(error.reason):
        log.warning("unavailable", extra={"reason": error.reason})
    return unavailable(request, error.reason, retry_after=error.retry_after)


def redis_away(request: HttpRequest, error: Exception) -> HttpResponse:
    """503 for want of Redis."""
    if seldom.is_due("redis.away"):
        log.error("redis.away", extra={"error": type(error).__name__})
    return unavailable(request, "redis_away")


def over_limit(request: HttpRequest, error: TooManyAttempts) -> HttpResponse:
    """429: a limit is used up, and when to come back."""
    log.warning("limit.exceeded", extra={"view": view_name(request)})
    return error_page(request, 429, retry_after=error.retry_after)
