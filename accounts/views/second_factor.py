from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from accounts import qr
from accounts.cookies import forget_half_login
from accounts.decorators import anonymous_only, form_page, fresh_proof, page, post_only
from accounts.errors import BadCredentials, NotApplicable, WrongCode
from accounts.forms import AppCodeForm, FactorForm, VerifyForm
from accounts.models import RecoveryCode
from accounts.redirects import next_url, requested_next
from accounts.requests import MemberRequest
from accounts.services import half_login, second_factor
from accounts.views.finish import finish
from bottomline.caller import caller_of
from bottomline.forms import posted
from bottomline.responses import answers
from bottomline.sessions.request import Request

BEGIN_AGAIN = "That took too long, or there were too many codes. Log in once more."

secret_code = sensitive_post_parameters("code")


@answers(429, "accounts/second_factor/paused.html")
@form_page
@secret_code
@anonymous_only
def verify(request: Request) -> HttpResponse:
    """Asks for the second factor of somebody who has just proved the first."""
    caller = caller_of(request)
    half = half_login.read(request.COOKIES.get(settings.HALF_LOGIN_COOKIE_NAME, ""))
    if half is None:
        return _begin_again(request)
    form = VerifyForm(posted(request))
    if form.is_valid():
        if not half.spend_try():
            return _begin_again(request)
        try:
            kind = second_factor.prove(half.user, form.cleaned_data["code"], caller=caller)
            response = finish(
                request,
                half.user,
                method=f"{half.method}+{kind}",
                caller=caller,
                remember=half.remember,
                next_url=next_url(request),
                trust=form.cleaned_data["trust"],
            )
        except WrongCode as refusal:
            form.add_error("code", refusal.message)
        except BadCredentials:
            return _begin_again(request)
        else:
            if kind == second_factor.RECOVERY:
                left = RecoveryCode.objects.unused(half.user).count()
                messages.warning(request, f"That recovery code is used up. You have {left} left.")
            forget_half_login(response)
            return response
    context = {"form": form, "next": requested_next(request), "may_trust": not half.user.is_staff}
    status = 422 if form.is_bound else 200
    return render(request, "accounts/second_factor/verify.html", context, status=status)


def _begin_again(request: Request) -> HttpResponse:
    messages.error(request, BEGIN_AGAIN)
    response = redirect("accounts:login")
    forget_half_login(response)
    return response


@page
def own(request: MemberRequest) -> HttpResponse:
    """How things stand, and what can be done about it."""
    context = {"state": second_factor.find_state(request.user)}
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
    context = {"form": form, "secret": _grouped(pending.secret), "qr": qr.picture(pending.uri)}
    status = 422 if form.is_bound else 200
    return render(request, "accounts/second_factor/confirm.html", context, status=status)


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
    status = 422 if form.is_bound else 200
    return render(request, "accounts/second_factor/renew.html", {"form": form}, status=status)


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
    status = 422 if form.is_bound else 200
    return render(request, "accounts/second_factor/disable.html", {"form": form}, status=status)


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
