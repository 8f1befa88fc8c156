"""What we leave with a browser, and have it throw away."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts import ways_in
from accounts.models import User
from accounts.models.mailed_login import GOOD_FOR
from accounts.services import devices, half_login
from accounts.ways_in import Way


def remember_device(request: HttpRequest, response: HttpResponse, user: User) -> str:
    """Know the browser again: it has a budget of its own for logging in to that account.

    Returns what it is given. See services.devices.
    """
    cookie = devices.new_cookie(user, request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""))
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        cookie,
        max_age=devices.COOKIE_AGE,
        secure=settings.IS_HTTPS,
        httponly=True,
        samesite="Lax",
    )
    return cookie


def remember_half_login(response: HttpResponse, user: User, *, method: str, remember: bool) -> None:
    """Note that one factor is proved. See services.half_login."""
    response.set_cookie(
        settings.HALF_LOGIN_COOKIE_NAME,
        half_login.new_cookie(user, method=method, remember=remember),
        max_age=half_login.LASTS,
        secure=settings.IS_HTTPS,
        httponly=True,
        samesite="Strict",
    )


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
        response.set_cookie(
            settings.WAY_IN_COOKIE_NAME,
            way.name,
            max_age=devices.COOKIE_AGE,
            secure=settings.IS_HTTPS,
            httponly=True,
            samesite="Lax",
        )


def way_used(request: HttpRequest) -> Way | None:
    """By which way somebody got in here last, if there is still such a way."""
    return ways_in.find(request.COOKIES.get(settings.WAY_IN_COOKIE_NAME, ""))


def keep_mailed_login(response: HttpResponse, browser: str) -> None:
    """Know the browser that asked for a login by mail, for as long as that is good.

    Lax, so that it comes along from the mail to the page of the link.
    """
    response.set_cookie(
        settings.MAILED_LOGIN_COOKIE_NAME,
        browser,
        max_age=GOOD_FOR,
        secure=settings.IS_HTTPS,
        httponly=True,
        samesite="Lax",
    )


def forget_mailed_login(response: HttpResponse) -> None:
    response.delete_cookie(settings.MAILED_LOGIN_COOKIE_NAME, samesite="Lax")
