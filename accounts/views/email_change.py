from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts import resume
from accounts.addresses import masked
from accounts.decorators import for_everyone, form_page, fresh_proof, link_page, post_only
from accounts.errors import AddressTaken, SameAddress, TokenUnusable
from accounts.forms import EmailChangeForm
from accounts.requests import MemberRequest
from accounts.services import email_change
from bottomline.caller import caller_of
from bottomline.forms import posted, render_form


@form_page
@fresh_proof()
def change(request: MemberRequest) -> HttpResponse:
    form = EmailChangeForm(posted(request), initial=resume.take(request))
    if form.is_valid():
        try:
            email_change.start(request.user, form.cleaned_data["email"], caller=caller_of(request))
        except SameAddress as refusal:
            form.add_error("email", refusal.message)
        else:
            messages.success(request, "The link is on its way. Look in your new mailbox.")
            return redirect("accounts:change_email")
    context = {"form": form, "change": email_change.find_pending(request.user)}
    return render_form(request, "accounts/email_change/change.html", context)


@post_only
def cancel(request: MemberRequest) -> HttpResponse:
    email_change.cancel(request.user, caller=caller_of(request))
    messages.success(request, "Your address stays as it is. The link we sent no longer works.")
    return redirect("accounts:security")


@post_only
def send_again(request: MemberRequest) -> HttpResponse:
    if email_change.send_again(request.user, caller=caller_of(request)):
        messages.success(request, "The same link is on its way once more.")
    else:
        messages.error(request, "There is no change to confirm any more. Start again.")
    return redirect("accounts:security")


@form_page
@for_everyone
@link_page
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Where the link to the new address lands. A button, because mail scanners open links."""
    caller = caller_of(request)
    try:
        if request.method != "POST":
            opened = email_change.open_confirmation(token, caller=caller)
            context = {"change": opened, "old_email": masked(opened.old_email)}
            return render(request, "accounts/email_change/confirm.html", context)
        email_change.confirm(token, caller=caller)
    except (TokenUnusable, AddressTaken) as refusal:
        return _unusable(request, "confirm", refusal)
    messages.success(
        request, "Your address is changed. You are logged out everywhere: log in with the new one."
    )
    return redirect("accounts:login")


@form_page
@for_everyone
@link_page
def undo(request: HttpRequest, token: str) -> HttpResponse:
    """Where the links to the old address land."""
    caller = caller_of(request)
    try:
        if request.method != "POST":
            opened = email_change.open_undo(token, caller=caller)
            context = {
                "change": opened,
                "new_email": masked(opened.new_email),
                "has_passkeys": opened.user.passkeys.exists(),
            }
            return render(request, "accounts/email_change/undo.html", context)
        email_change.undo(token, caller=caller)
    except (TokenUnusable, AddressTaken) as refusal:
        return _unusable(request, "undo", refusal)
    messages.success(
        request,
        "It is done: the account has your address again, and everybody is logged out of it. Its "
        "old password no longer works. We are mailing you a link to choose a new one: open it "
        "first, then log in here.",
    )
    return redirect("accounts:login")


def _unusable(
    request: HttpRequest, link: str, refusal: TokenUnusable | AddressTaken
) -> HttpResponse:
    context = {"link": link, "reason": refusal.reason}
    return render(request, "accounts/email_change/unusable.html", context, status=410)
