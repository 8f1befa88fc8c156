"""What the pages of every way in end with."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.cookies import remember_device, remember_half_login, remember_way
from accounts.errors import AccountBlocked, SecondFactorNeeded
from accounts.models import User
from accounts.redirects import redirect_with_next
from accounts.services import devices, login, second_factor
from bottomline.caller import Caller
from bottomline.sessions.request import Request


def finish(
    request: Request,
    user: User,
    *,
    method: str,
    caller: Caller,
    remember: bool = False,
    next_url: str,
    trust: bool = False,
) -> HttpResponse:
    """Log them in and on to where they were going, on a device that is known from now on.

    Where a second factor is due, on to the page that asks for it; where the account is blocked, the
    page that says so. To `trust` the browser is to ask for no second factor there for a time.
    Raises BadCredentials, which each way in words on a page of its own.
    """
    had_left = user.is_closed
    try:
        login.complete(request, user, method=method, caller=caller, remember=remember)
    except AccountBlocked as refusal:
        blocked = {"until": refusal.until}
        return render(request, "accounts/login/blocked.html", blocked, status=423)
    except SecondFactorNeeded:
        response = redirect_with_next("accounts:verify", next_url)
        remember_half_login(response, user, method=method, remember=remember)
        return response
    if had_left:
        messages.success(request, "Welcome back. Your account stays.")
    response = redirect(next_url)
    remember_way(response, method)
    device_cookie = caller.device_cookie
    if not devices.is_known(device_cookie, user):
        device_cookie = remember_device(request, response, user)
    if trust:
        second_factor.trust(user, device_cookie, caller=caller)
    return response
