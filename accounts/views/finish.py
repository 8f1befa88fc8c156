"""What the pages of every way in end with."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.cookies import remember_device
from accounts.errors import AccountBlocked
from accounts.models import User
from accounts.services import devices, login
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
) -> HttpResponse:
    """Log them in and on to where they were going, on a device that is known from now on.

    Where the account is blocked, the page that says so. Raises BadCredentials, which each way in
    words on a page of its own.
    """
    had_left = user.is_closed
    try:
        login.complete(request, user, method=method, caller=caller, remember=remember)
    except AccountBlocked as refusal:
        blocked = {"until": refusal.until}
        return render(request, "accounts/login/blocked.html", blocked, status=423)
    if had_left:
        messages.success(request, "Welcome back. Your account stays.")
    response = redirect(next_url)
    if not devices.is_known(caller.device_cookie, user):
        remember_device(request, response, user)
    return response
