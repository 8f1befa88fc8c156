"""What we leave with a browser, and have it throw away."""

from datetime import timedelta
from typing import Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token

from accounts import ways_in
from accounts.models import User
from accounts.models.mailed_login import GOOD_FOR
from accounts.services import devices, google, half_login
from accounts.services.half_login import HalfLogin
from accounts.ways_in import Way


def remember_device(request: HttpRequest, response: HttpResponse, user: User) -> str:
    """Know the browser again: it has a budget of its own for logging in to that account.

    Returns what it is given. See services.devices.
    """
    cookie = devices.new_cookie(user, request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""))
    _leave(response, settings.DEVICE_COOKIE_NAME, cookie, devices.COOKIE_AGE)
    return cookie


def remember_half_login(response: HttpResponse, user: User, *, method: str, remember: bool) -> None:
    """Note that one factor is proved. See services.half_login."""
    cookie = half_login.new_cookie(user, method=method, remember=remember)
    _leave(response, settings.HALF_LOGIN_COOKIE_NAME, cookie, half_login.LASTS, samesite="Strict")


def half_login_of(request: HttpRequest) -> HalfLogin | None:
    """Who has proved one factor in this browser."""
    return half_login.read(request.COOKIES.get(settings.HALF_LOGIN_COOKIE_NAME, ""))


def forget_half_login(response: HttpResponse) -> None:
    """Have the browser drop it."""
    response.delete_cookie(settings.HALF_LOGIN_COOKIE_NAME, samesite="Strict")


def forget_member(response: HttpResponse) -> None:
    """Have the browser drop what it kept of a member's pages.

    Not "cookies": it would take those of every site under the same domain.
    """
    response["Clear-Site-Data"] = '"cache", "storage"'


def remember_way(response: HttpResponse, method: str) -> None:
    """Keep by which way somebody got in here last, for the login page to lead with.

    It names a way and nobody, whoever looks: so it needs no signature, and says nothing of any
    account.
    """
    way = ways_in.find_by_method(method)
    if way:
        _leave(response, settings.WAY_IN_COOKIE_NAME, way.name, devices.COOKIE_AGE)


def way_used(request: HttpRequest) -> Way | None:
    """By which way somebody got in here last, if there is still such a way."""
    return ways_in.find(request.COOKIES.get(settings.WAY_IN_COOKIE_NAME, ""))


def keep_mailed_login(response: HttpResponse, browser: str) -> None:
    """Know the browser that asked for a login by mail, for as long as that is good.

    Lax, so that it comes along from the mail to the page of the link.
    """
    _leave(response, settings.MAILED_LOGIN_COOKIE_NAME, browser, GOOD_FOR)


def kept_by(request: HttpRequest) -> str:
    """What a browser that asked for such a mail sends along."""
    return request.COOKIES.get(settings.MAILED_LOGIN_COOKIE_NAME, "")


def forget_mailed_login(response: HttpResponse) -> None:
    response.delete_cookie(settings.MAILED_LOGIN_COOKIE_NAME, samesite="Lax")


def own_secret(request: HttpRequest) -> str:
    """What this browser alone knows, by the cookie that its forms are checked with.

    A new one with every login, so that nothing goes on that was begun before.
    """
    if "CSRF_COOKIE" not in request.META:
        get_token(request)
    secret: str = request.META["CSRF_COOKIE"]
    return secret


def keep_google(response: HttpResponse, cookie: str) -> None:
    """Know the browser that has begun something with a provider such as Google.

    Lax, so that it comes along when the provider sends the browser back. See services.google.
    """
    _leave(response, settings.GOOGLE_COOKIE_NAME, cookie, google.GOOD_FOR)


def begun_by(request: HttpRequest) -> str:
    """What such a browser sends along."""
    return request.COOKIES.get(settings.GOOGLE_COOKIE_NAME, "")


def forget_google(response: HttpResponse) -> None:
    response.delete_cookie(settings.GOOGLE_COOKIE_NAME, samesite="Lax")


def _leave(
    response: HttpResponse,
    name: str,
    value: str,
    max_age: timedelta,
    samesite: Literal["Lax", "Strict"] = "Lax",
) -> None:
    """Leave a cookie that no script reads and, where there is HTTPS, nothing else carries."""
    response.set_cookie(
        name, value, max_age=max_age, secure=settings.IS_HTTPS, httponly=True, samesite=samesite
    )
