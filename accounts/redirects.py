"""Where to go after logging in."""

from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

NEXT_LENGTH = 2048


def next_url(request: HttpRequest) -> str:
    """The page of ours that `next` names, or the account page for anything else (ASVS 3.7.2)."""
    wanted = requested_next(request)
    return wanted or settings.LOGIN_REDIRECT_URL


def requested_next(request: HttpRequest) -> str:
    """`next` if it names a page of this site by its path, otherwise nothing."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = (
        len(wanted) <= NEXT_LENGTH
        and wanted.startswith("/")
        and not wanted.startswith(("//", "/\\"))  # Django lets them pass where no name follows
        and wanted.isprintable()
        and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    )
    return wanted if is_ours else ""


def redirect_with_next(name: str, wanted: str) -> HttpResponse:
    """To the page of that name, which leads on to `wanted` if that is anywhere."""
    return redirect(path_with_next(name, wanted))


def path_with_next(name: str, wanted: str) -> str:
    query = f"?{urlencode({'next': wanted})}" if wanted else ""
    return reverse(name) + query
