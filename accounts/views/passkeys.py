from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from accounts import resume
from accounts.cookies import own_secret
from accounts.decorators import (
    anonymous_only,
    form_page,
    fresh_proof,
    page,
    post_only,
    secret_code,
    with_passkeys,
)
from accounts.errors import BadCredentials, BadPasskey, LastWayIn, PasskeyNotMade, TooManyPasskeys
from accounts.forms import NewPasskeyForm, PasskeyLoginForm, PasskeyNameForm
from accounts.models import Passkey
from accounts.redirects import next_url, requested_next
from accounts.requests import MemberRequest
from accounts.services import passkey_proofs, passkeys
from accounts.views.finish import finish
from bottomline.caller import caller_of
from bottomline.forms import posted, render_form
from bottomline.responses import answers
from bottomline.sessions.request import Request

OWN = "/account/security/passkeys/"


@answers(429, "accounts/login/paused.html")
@form_page
@secret_code
@with_passkeys
@anonymous_only
def log_in(request: Request) -> HttpResponse:
    """Where a passkey logs in; the login page sends here what a browser has answered there."""
    caller, browser = caller_of(request), own_secret(request)
    form = PasskeyLoginForm(posted(request))
    if form.is_valid():
        try:
            answer = form.cleaned_data["credential"]
            user = passkey_proofs.log_in(answer, browser=browser, caller=caller)
            return finish(
                request,
                user,
                method=passkey_proofs.METHOD,
                caller=caller,
                remember=form.cleaned_data["remember"],
                next_url=next_url(request),
            )
        except (BadPasskey, BadCredentials):
            form.add_error(None, BadPasskey.message)
    context = {
        "form": form,
        "passkey": passkey_proofs.ask_to_log_in(browser),
        "next": requested_next(request),
    }
    return render_form(request, "accounts/passkeys/log_in.html", context)


@page
@with_passkeys
def own(request: MemberRequest) -> HttpResponse:
    """Which there are, and what can be done about them."""
    context = {
        "passkeys": Passkey.objects.of(request.user),
        "accepted": passkeys.accepted(request.user),
    }
    return render(request, "accounts/passkeys/own.html", context)


@post_only
@with_passkeys
@fresh_proof(back=OWN)
def start(request: MemberRequest) -> HttpResponse:
    try:
        passkeys.start(request.user, caller=caller_of(request))
    except TooManyPasskeys as refusal:
        messages.error(request, refusal.message)
        return redirect("accounts:passkeys")
    return redirect("accounts:add_passkey")


@form_page
@secret_code
@with_passkeys
@fresh_proof()
def add(request: MemberRequest) -> HttpResponse:
    """Asks for a name, and the browser for a passkey."""
    caller, browser = caller_of(request), own_secret(request)
    initial = {"name": passkeys.suggest_name(caller), **resume.take(request)}
    form = NewPasskeyForm(posted(request), initial=initial)
    if form.is_valid():
        answer, name = form.cleaned_data["credential"], form.cleaned_data["name"]
        try:
            passkeys.add(request.user, answer, name, browser=browser, caller=caller)
        except (PasskeyNotMade, TooManyPasskeys) as refusal:
            form.add_error(None, refusal.message)
        else:
            messages.success(request, "Your passkey is added. Log in with it from now on.")
            return redirect("accounts:passkeys")
    asked = passkeys.ask_for_new(request.user, browser)
    if asked is None:
        return redirect("accounts:passkeys")
    context = {"form": form, "passkey": asked}
    return render_form(request, "accounts/passkeys/add.html", context)


@form_page
@with_passkeys
def change(request: MemberRequest, passkey_id: int) -> HttpResponse:
    """One of them: its name, and how to be rid of it."""
    passkey = _find(request, passkey_id)
    form = PasskeyNameForm(posted(request), initial={"name": passkey.name})
    if form.is_valid():
        passkeys.rename(passkey, form.cleaned_data["name"])
        messages.success(request, "The name is changed.")
        return redirect("accounts:passkeys")
    context = {"form": form, "one": passkey}
    return render_form(request, "accounts/passkeys/change.html", context)


@post_only
@with_passkeys
@fresh_proof(back=OWN)
def remove(request: MemberRequest, passkey_id: int) -> HttpResponse:
    passkey = _find(request, passkey_id)
    try:
        passkeys.remove(passkey, request.session, caller=caller_of(request))
    except LastWayIn as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(
            request, "The passkey is removed. Everywhere else you have been logged out."
        )
    return redirect("accounts:passkeys")


def _find(request: MemberRequest, passkey_id: int) -> Passkey:
    """One of the member's own; another's is as if there were none."""
    passkey = Passkey.objects.of(request.user).filter(pk=passkey_id).first()
    if passkey is None:
        raise Http404
    return passkey
