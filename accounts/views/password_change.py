from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.cookies import remember_device
from accounts.decorators import credentials, for_everyone, form_page, page
from accounts.errors import TooManyProofs, WeakPassword, WrongPassword
from accounts.forms import ChangePasswordForm
from accounts.lifetimes import LIFETIMES, in_words
from accounts.models import Purpose
from accounts.requests import MemberRequest
from accounts.services import password_change, password_reset
from bottomline.caller import caller_of
from bottomline.forms import posted, render_form


@form_page
@credentials
def change(request: MemberRequest) -> HttpResponse:
    if not request.user.has_usable_password():
        return _set_first(request)
    form = ChangePasswordForm(posted(request))
    if form.is_valid():
        try:
            password_change.change(
                request.user,
                form.cleaned_data["current"],
                form.cleaned_data["password"],
                request.session,
                caller=caller_of(request),
            )
        except WrongPassword as refusal:
            form.add_error("current", refusal.message)
        except WeakPassword as refusal:
            form.add_error("password", refusal.message)
        except TooManyProofs as refusal:
            messages.error(request, refusal.message)
            return redirect("accounts:login")
        else:
            messages.success(
                request, "Your password is changed. Everywhere else you have been logged out."
            )
            response = redirect("accounts:security")
            # This browser is the only one that is still known; the others are told of when they
            # log in again.
            remember_device(request, response, request.user)
            return response
    return render_form(request, "accounts/password_change/change.html", {"form": form})


@page
@for_everyone
def well_known(request: HttpRequest) -> HttpResponse:
    """Where password managers look for the page (W3C, a well-known URL for changing passwords)."""
    return redirect("accounts:change_password")


def _set_first(request: MemberRequest) -> HttpResponse:
    """There is no password to prove, so the mailbox proves who it is: by the link that resets."""
    if request.method == "POST":
        password_reset.request(request.user.email, caller=caller_of(request))
        messages.success(
            request,
            "A link to set your password is on its way to you. It works for "
            f"{in_words(LIFETIMES[Purpose.PASSWORD_RESET])}.",
        )
        return redirect("accounts:change_password")
    return render(request, "accounts/password_change/set_first.html")
