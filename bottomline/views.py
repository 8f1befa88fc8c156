"""Pages of no app in particular, and the handlers Django calls when a page cannot be had."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from bottomline import refusals
from bottomline.responses import error_page


@login_not_required
@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    return render(request, "home.html")


@login_not_required
@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain; charset=utf-8")


@login_not_required
@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """RFC 9116. Made anew at each request, so that it never expires unattended."""
    expires = (timezone.now() + timedelta(days=90)).isoformat(timespec="seconds")
    lines = [
        f"Contact: {settings.SUPPORT_URL}",
        f"Expires: {expires}",
        f"Canonical: {settings.SITE_URL}/.well-known/security.txt",
        "Preferred-Languages: en",
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


@login_not_required
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 400)


@login_not_required
def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    refusals.note(request, "access.refused", reason="forbidden")
    return error_page(request, 403)


@login_not_required
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    # A page of ours that shows nothing: what it was asked for is another's, or there is none. An
    # address that is no page of ours tells nothing, and whoever invents them would fill the log.
    if request.resolver_match:
        refusals.note(request, "access.refused", reason="not_found")
    return error_page(request, 404)


@login_not_required
def fault(request: HttpRequest) -> HttpResponse:
    return error_page(request, 500)


@login_not_required
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    # Django's sentence begins with one of three words. After a dash it names the origin or the
    # referrer that was sent: an address that may hold another site's secrets.
    why = reason.partition(" - ")[0]
    refusals.note(request, "csrf.refused", reason=why.partition(" ")[0].lower(), why=why)
    return error_page(request, 403, template="403_csrf.html")
