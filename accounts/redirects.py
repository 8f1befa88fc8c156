"""Where to go after logging in."""

from django.conf import settings
from django.http import HttpRequest
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
