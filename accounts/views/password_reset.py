from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.cookies import remember_device
from accounts.decorators import credentials, for_everyone, form_page, link_page, page
from accounts.errors import TokenUnusable, WeakPassword
from accounts.forms import ForgotForm, NewPasswordForm
from accounts.services import passkeys, password_reset
from bottomline.caller import caller_of
from bottomline.forms import posted, render_form


@form_page
@for_everyone
def forgot(request: HttpRequest) -> HttpResponse:
    caller = caller_of(request)
    form = ForgotForm(posted(request), caller=caller)
    if form.is_valid():
        password_reset.request(form.cleaned_data["email"], caller=caller)
        return redirect("accounts:forgot_password_sent")
    return render_form(request, "accounts/password_reset/request.html", {"form": form})


@page
@for_everyone
def sent(request: HttpRequest) -> HttpResponse:
    """The one answer for every address; loading it again sends nothing."""
    return render(request, "accounts/password_reset/requested.html")


@form_page
@credentials
@for_everyone
@link_page
def choose(request: HttpRequest, token: str) -> HttpResponse:
    """Where the mailed link lands: the form itself, with no session and no redirect behind it."""
    caller = caller_of(request)
    form = NewPasswordForm(posted(request))
    try:
        row = password_reset.open_link(token, caller=caller)
        if form.is_valid():
            user = password_reset.finish(token, form.cleaned_data["password"], caller=caller)
            messages.success(request, "Your password is changed. Log in with the new one.")
            response = redirect("accounts:login")
            # Whoever reads the mailbox is not kept out by strangers who used the budget up.
            remember_device(request, response, user)
            return response
    except TokenUnusable:
        return render(request, "accounts/password_reset/unusable.html", status=410)
    except WeakPassword as refusal:
        form.add_error("password", refusal.message)
    context = {
        "form": form,
        "username": row.user.username,
        "ends_passkeys": passkeys.recent(row.user).exists(),
    }
    return render_form(request, "accounts/password_reset/choose.html", context)
