from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.cookies import remember_device
from accounts.decorators import for_everyone, form_page, link_page, page, post_only
from accounts.errors import TokenUnusable
from accounts.forms import ResendForm
from accounts.services import email_confirmation
from bottomline.caller import caller_of
from bottomline.forms import posted, render_form


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
        return _unusable(request)
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
        return _unusable(request)
    if user.has_usable_password():
        messages.success(request, "Your address is confirmed. You can log in now.")
    else:
        messages.success(
            request,
            "Your address is confirmed. Somebody signed up with it more than once, so choose your "
            "password now: the link is in your mail.",
        )
    response = redirect("accounts:login")
    # Whoever reads the mailbox is not kept out by strangers who tried the address before.
    remember_device(request, response, user)
    return response


@form_page
@for_everyone
def resend(request: HttpRequest) -> HttpResponse:
    caller = caller_of(request)
    form = ResendForm(posted(request), caller=caller)
    if form.is_valid():
        email_confirmation.request(form.cleaned_data["email"], caller=caller)
        return redirect("accounts:resend_confirmation_sent")
    return render_form(request, "accounts/email_confirmation/request.html", {"form": form})


@page
@for_everyone
def sent(request: HttpRequest) -> HttpResponse:
    """The one answer for every address; loading it again sends nothing."""
    return render(request, "accounts/email_confirmation/requested.html")


def _unusable(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/email_confirmation/unusable.html", status=410)
