from django.contrib import auth, messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.cookies import remember_device
from accounts.decorators import anonymous_only, credentials, for_everyone, form_page, post_only
from accounts.errors import AccountBlocked, BadCredentials
from accounts.events import record
from accounts.forms import LoginForm
from accounts.models import User
from accounts.redirects import next_url, requested_next
from accounts.services import devices, login
from bottomline.caller import Caller, caller_of
from bottomline.forms import posted
from bottomline.sessions.request import Request


@form_page
@credentials
@anonymous_only
def log_in(request: Request) -> HttpResponse:
    form = LoginForm(posted(request))
    if form.is_valid():
        caller = caller_of(request)
        email, password = form.cleaned_data["email"], form.cleaned_data["password"]
        try:
            user = login.authenticate(email, password, caller=caller)
            login.complete(
                request,
                user,
                method="password",
                caller=caller,
                remember=form.cleaned_data["remember"],
            )
        except BadCredentials as refusal:
            form.add_error(None, refusal.message)
        except AccountBlocked as refusal:
            blocked = {"until": refusal.until}
            return render(request, "accounts/login/blocked.html", blocked, status=423)
        else:
            return _logged_in(request, user, caller)
    context = {"form": form, "next": requested_next(request)}
    status = 422 if form.is_bound else 200
    return render(request, "accounts/login/login.html", context, status=status)


@post_only
@for_everyone
def log_out(request: Request) -> HttpResponse:
    if request.user.is_authenticated:
        record("logout.done", caller=caller_of(request), user=request.user.pk)
    auth.logout(request)
    messages.success(request, "You are logged out.")
    response = redirect("accounts:login")
    # Not "cookies": it would take those of every site under the same domain.
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _logged_in(request: Request, user: User, caller: Caller) -> HttpResponse:
    """On to where they were going, on a device that is known from now on."""
    response = redirect(next_url(request))
    if not devices.known_device(caller.device_cookie, user.email):
        remember_device(response, user.email)
    return response
