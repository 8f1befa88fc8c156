from contextlib import suppress

from django.conf import settings
from django.contrib import auth, messages
from django.http import HttpResponse
from django.shortcuts import redirect

from accounts import ways_in
from accounts.cookies import forget_member, own_secret, way_used
from accounts.decorators import anonymous_only, credentials, for_everyone, form_page, post_only
from accounts.errors import BadCredentials, WorkMissing
from accounts.events import record
from accounts.forms import LoginForm
from accounts.redirects import next_url, requested_next
from accounts.services import login, passkey_proofs
from accounts.views.finish import finish
from accounts.ways_in import Way
from bottomline.caller import caller_of
from bottomline.errors import DATABASE_AWAY
from bottomline.forms import posted, render_form
from bottomline.responses import answers
from bottomline.sessions.request import Request


@answers(429, "accounts/login/paused.html")
@form_page
@credentials
@anonymous_only
def log_in(request: Request) -> HttpResponse:
    caller, lead = caller_of(request), _lead(request)
    form = LoginForm(posted(request), caller=caller, is_led=lead is not None)
    if form.is_valid():
        email, password = form.cleaned_data["email"], form.cleaned_data["password"]
        try:
            attempt = login.begin(email, caller=caller, solution=form.solution)
            form.wants_work = attempt.next_costs_work
            user = login.authenticate(attempt, password)
            return finish(
                request,
                user,
                method="password",
                caller=caller,
                remember=form.cleaned_data["remember"],
                next_url=next_url(request),
            )
        except WorkMissing as refusal:
            form.wants_work = True
            form.refuse(refusal)
        except BadCredentials as refusal:
            form.add_error(None, refusal.message)
    context = {"form": form, "next": requested_next(request), "lead": lead}
    if settings.HAS_PASSKEYS:
        context["passkey"] = passkey_proofs.ask_to_log_in(own_secret(request))
    return render_form(request, "accounts/login/login.html", context)


def _lead(request: Request) -> Way | None:
    """The way to lead with, where that is another than the form that is here anyway."""
    way = way_used(request)
    return None if way == ways_in.PASSWORD else way


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
