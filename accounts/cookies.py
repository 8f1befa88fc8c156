"""The cookie by which a browser is known again: see services.devices."""

from django.conf import settings
from django.http import HttpResponse

from accounts.services import devices


def remember_device(response: HttpResponse, email: str) -> None:
    """Give the browser a budget of its own for logging in to the account of that address."""
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        devices.new_cookie(email),
        max_age=devices.COOKIE_AGE,
        secure=settings.IS_HTTPS,
        httponly=True,
        samesite="Lax",
    )
