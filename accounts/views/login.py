from contextlib import suppress

from django.contrib import auth, messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.cookies import forget_member, remember_device
from accounts.decorators import anonymous_only, credentials, for_everyone, form_page, post_only
from accounts.errors import AccountBlocked, BadCredentials, WorkMissing
from accounts.events import record
from accounts.forms import LoginForm
from accounts.models import User
from accounts.redirects import next_url, requested_next
from accounts.services import devices, login
from bottomline.caller import Caller, caller_of
from bottomline.captcha.forms import render_form
from bottomline.errors import DATABASE_AWAY
from bottomline.forms import posted
from bottomline.responses import answers
from bottomline.sessions.request import Request


@answers(429, "accounts/login/paused.html")
@form_page
@credentials
@anonymous_only
def log_in(request: Request) -> HttpResponse:
    caller = caller_of(request)
    form = LoginForm(posted(request), caller=caller)
    if form.is_valid():
        email, password = form.cleaned_data["email"], form.cleaned_data["password"]
        try:
            attempt = login.begin(email, caller=caller, solution=form.solution)
            form.wants_work = attempt.next_costs_work
            user = login.authenticate(attempt, password)
            had_left = user.is_closed
            login.complete(
                request,
                user,
                method="password",
                caller=caller,
                remember=form.cleaned_data["remember"],
            )
        except WorkMissing as refusal:
            form.wants_work = True
            form.refuse(refusal)
        except BadCredentials as refusal:
            form.add_error(None, refusal.message)
        except AccountBlocked as refusal:
            blocked = {"until": refusal.until}
            return render(request, "accounts/login/blocked.html", blocked, status=423)
        else:
            if had_left:
                messages.success(request, "Welcome back. Your account stays.")
            return _logged_in(request, user, caller)
    context = {"form": form, "next": requested_next(request)}
    return render_form(request, "accounts/login/login.html", context)


@post_only
@for_everyone
def log_out(request: Request) -> HttpResponse:
    user_id, caller = request.user.pk, caller_of(request)
    auth.logout(request)
    if user_id:
        # Whoever logs out is logged out, whether or not that can be written down.
        with suppress(*DATABASE_AWAY):
            record("logout.done", caller=caller, user=user_id)
    messages.success(request, "You are logged out.")
    response = redirect("accounts:login")
    forget_member(response)
    return response


def _logged_in(request: Request, user: User, caller: Caller) -> HttpResponse:
    """On to where they were going, on a device that is known from now on."""
    response = redirect(next_url(request))
    if not devices.is_known(caller.device_cookie, user):
        remember_device(request, response, user)
    return response
