from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.decorators import for_everyone, form_page, link_page, page, post_only
from accounts.errors import TokenUnusable
from accounts.forms import ResendForm
from accounts.services import email_confirmation
from bottomline.caller import caller_of
from bottomline.forms import posted


@page
@for_everyone
@link_page
def confirm_page(request: HttpRequest) -> HttpResponse:
    """Where the mailed link lands. A button, because mail scanners open links."""
    carried = request.GET.get("confirmation", "")
    if not carried:
        return redirect("invites:enter_code")
    try:
        token = email_confirmation.open_link(carried, caller=caller_of(request))
    except TokenUnusable:
        return _failed(request)
    context = {"token": carried, "username": token.user.username}
    return render(request, "accounts/email_confirmation/confirm.html", context)


@post_only
@for_everyone
def confirm(request: HttpRequest) -> HttpResponse:
    try:
        user = email_confirmation.confirm(
            request.POST.get("confirmation", ""), caller=caller_of(request)
        )
    except TokenUnusable:
        return _failed(request)
    if user.has_usable_password():
        messages.success(request, "Your address is confirmed. You can log in now.")
    else:
        messages.success(
            request,
            "Your address is confirmed. Somebody signed up with it more than once, so choose your "
            "password now: the link is in your mail.",
        )
    return redirect("accounts:login")


@form_page
@for_everyone
def resend(request: HttpRequest) -> HttpResponse:
    form = ResendForm(posted(request))
    if form.is_valid():
        email_confirmation.request(form.cleaned_data["email"], caller=caller_of(request))
        return render(request, "accounts/email_confirmation/requested.html")
    status = 422 if form.is_bound else 200
    context = {"form": form}
    return render(request, "accounts/email_confirmation/request.html", context, status=status)


def _failed(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/email_confirmation/failed.html", status=410)
