from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from accounts import qr
from accounts.cookies import forget_half_login, half_login_of, own_secret
from accounts.decorators import (
    anonymous_only,
    form_page,
    fresh_proof,
    page,
    post_only,
    secret_code,
    with_passkeys,
)
from accounts.errors import BadCredentials, BadPasskey, NotApplicable, WrongCode
from accounts.forms import AppCodeForm, FactorForm, PasskeyForm, VerifyForm
from accounts.redirects import next_url, redirect_with_next, requested_next
from accounts.requests import MemberRequest
from accounts.services import factor_codes, passkey_proofs, second_factor
from accounts.services.half_login import HalfLogin
from accounts.views.finish import finish
from bottomline.caller import caller_of
from bottomline.forms import posted, render_form
from bottomline.responses import answers
from bottomline.sessions.request import Request

BEGIN_AGAIN = "That took too long, or there were too many codes. Log in once more."


@answers(429, "accounts/second_factor/paused.html")
@form_page
@secret_code
@anonymous_only
def verify(request: Request) -> HttpResponse:
    """Asks for the second factor of somebody who has just proved the first."""
    caller = caller_of(request)
    half = half_login_of(request)
    if half is None:
        return begin_again(request)
    by_recovery = factor_codes.RECOVERY in (request.POST.get("by"), request.GET.get("by"))
    form = VerifyForm(posted(request), by_recovery=by_recovery)
    if form.is_valid():
        if not half.spend_try():
            return begin_again(request)
        try:
            kind = second_factor.prove(half.user, form.cleaned_data["code"], caller=caller)
            response = _finish(request, half, kind, trust=form.cleaned_data["trust"])
        except WrongCode as refusal:
            form.add_error("code", refusal.message)
        except BadCredentials:
            return begin_again(request)
        else:
            if kind == factor_codes.RECOVERY:
                left = second_factor.count_codes(half.user)
                messages.warning(request, f"That recovery code is used up. You have {left} left.")
            return response
    return _ask(request, half, form)


@answers(429, "accounts/second_factor/paused.html")
@post_only
@secret_code
@with_passkeys
@anonymous_only
def verify_by_passkey(request: Request) -> HttpResponse:
    """The same, with a passkey in place of a code."""
    caller = caller_of(request)
    half = half_login_of(request)
    form = PasskeyForm(posted(request))
    if half is None:
        return begin_again(request)
    if form.is_valid():
        if not half.spend_try():
            return begin_again(request)
        answer = form.cleaned_data["credential"]
        try:
            passkey_proofs.verify(half, answer, browser=own_secret(request), caller=caller)
            return _finish(request, half, passkey_proofs.METHOD)
        except BadPasskey as refusal:
            form.add_error(None, refusal.message)
        except BadCredentials:
            return begin_again(request)
    return _ask(request, half, VerifyForm(), refused=form)


def _finish(request: Request, half: HalfLogin, proof: str, *, trust: bool = False) -> HttpResponse:
    """Log in who has proved both. Raises as `login.complete` does."""
    response = finish(
        request,
        half.user,
        method=f"{half.method}+{proof}",
        caller=caller_of(request),
        remember=half.remember,
        next_url=next_url(request),
        trust=trust,
    )
    forget_half_login(response)
    return response


def _ask(
    request: Request, half: HalfLogin, form: VerifyForm, *, refused: PasskeyForm | None = None
) -> HttpResponse:
    """The page with every proof of theirs, and with the mistakes of the one that was tried."""
    context: dict[str, Any] = {
        "form": form,
        "refused": refused or form,
        "next": requested_next(request),
        "may_trust": not half.user.is_staff,
    }
    if settings.HAS_PASSKEYS:
        context["passkey"] = passkey_proofs.ask_to_verify(half, own_secret(request))
    status = 422 if refused or form.is_bound else 200
    return render(request, "accounts/second_factor/verify.html", context, status=status)


def begin_again(request: Request) -> HttpResponse:
    """Back to the first factor, whose proof is too old or was for an account that has changed."""
    messages.error(request, BEGIN_AGAIN)
    response = redirect_with_next("accounts:login", requested_next(request))
    forget_half_login(response)
    return response


@page
def own(request: MemberRequest) -> HttpResponse:
    """How things stand, and what can be done about it."""
    state = second_factor.find_state(request.user)
    context = {"state": state, "has_passkeys": settings.HAS_PASSKEYS}
    return render(request, "accounts/second_factor/own.html", context)


@post_only
@fresh_proof(back="/account/security/factor/")
def start(request: MemberRequest) -> HttpResponse:
    second_factor.start(request.user, caller=caller_of(request))
    return redirect("accounts:confirm_second_factor")


@form_page
@secret_code
@fresh_proof()
def confirm(request: MemberRequest) -> HttpResponse:
    """Shows the secret, and asks for a code that was made with it."""
    pending = second_factor.find_pending(request.user)
    if pending is None:
        return redirect("accounts:second_factor")
    form = AppCodeForm(posted(request))
    if form.is_valid():
        try:
            codes = second_factor.confirm(
                request.user,
                form.cleaned_data["code"],
                request.session,
                caller=caller_of(request),
            )
        except WrongCode as refusal:
            form.add_error("code", refusal.message)
        except NotApplicable as refusal:
            messages.error(request, refusal.message)
            return redirect("accounts:second_factor")
        else:
            return _show_codes(request, codes, is_new=True)
    context = {
        "form": form,
        "secret": _grouped(pending.secret),
        "uri": pending.uri,
        "qr": qr.picture(pending.uri),
    }
    return render_form(request, "accounts/second_factor/confirm.html", context)


@form_page
@secret_code
@fresh_proof()
def renew_codes(request: MemberRequest) -> HttpResponse:
    form = FactorForm(posted(request))
    if form.is_valid():
        try:
            code, caller = form.cleaned_data["code"], caller_of(request)
            codes = second_factor.renew_codes(request.user, code, caller=caller)
        except WrongCode as refusal:
            form.add_error("code", refusal.message)
        else:
            return _show_codes(request, codes, is_new=False)
    return render_form(request, "accounts/second_factor/renew.html", {"form": form})


@post_only
def codes_saved(request: MemberRequest) -> HttpResponse:
    second_factor.note_saved(request.user)
    messages.success(request, "Good. Keep the codes where you find them without your phone.")
    return redirect("accounts:second_factor")


@form_page
@secret_code
@fresh_proof()
def disable(request: MemberRequest) -> HttpResponse:
    form = FactorForm(posted(request))
    if form.is_valid():
        try:
            second_factor.disable(
                request.user,
                form.cleaned_data["code"],
                request.session,
                caller=caller_of(request),
            )
        except WrongCode as refusal:
            form.add_error("code", refusal.message)
        else:
            messages.success(
                request, "No code is asked for any more. Everywhere else you have been logged out."
            )
            return redirect("accounts:second_factor")
    return render_form(request, "accounts/second_factor/disable.html", {"form": form})


@post_only
@fresh_proof(back="/account/security/factor/")
def distrust(request: MemberRequest, browser_id: int) -> HttpResponse:
    if not second_factor.distrust(request.user, browser_id, caller=caller_of(request)):
        raise Http404
    messages.success(request, "That browser is asked for a code again.")
    return redirect("accounts:second_factor")


def _show_codes(request: MemberRequest, codes: list[str], *, is_new: bool) -> HttpResponse:
    """The recovery codes, this once."""
    context = {"codes": [_grouped(code) for code in codes], "is_new": is_new}
    return render(request, "accounts/second_factor/codes.html", context)


def _grouped(text: str) -> str:
    """As people read and type it: in fours."""
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))
