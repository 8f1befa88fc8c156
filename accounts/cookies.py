"""What we leave with a browser, and have it throw away."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.models import User
from accounts.services import devices


def remember_device(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Know the browser again: it has a budget of its own for logging in to that account.

    See services.devices.
    """
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        devices.new_cookie(user, request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")),
        max_age=devices.COOKIE_AGE,
        secure=settings.IS_HTTPS,
        httponly=True,
        samesite="Lax",
    )


def forget_member(response: HttpResponse) -> None:
    """Have the browser drop what it kept of a member's pages.

    Not "cookies": it would take those of every site under the same domain.
    """
    response["Clear-Site-Data"] = '"cache", "storage"'
