from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.cookies import half_login_of
from accounts.decorators import anonymous_only, for_everyone, form_page, link_page, post_only
from accounts.errors import ProofTooOld, TokenUnusable
from accounts.forms import LostFactorForm
from accounts.requests import MemberRequest
from accounts.services import factor_reset, lost_factor
from accounts.views.second_factor import begin_again
from bottomline.caller import caller_of
from bottomline.forms import posted, render_form
from bottomline.sessions.request import Request


@form_page
@anonymous_only
def ask(request: Request) -> HttpResponse:
    """Has the second factor ended of somebody who has just proved the first and lost the other."""
    half = half_login_of(request)
    if half is None:
        return begin_again(request)
    form = LostFactorForm(posted(request))
    if form.is_valid():
        try:
            lost_factor.request(half.user, form.cleaned_data["note"], caller=caller_of(request))
        except ProofTooOld:
            return begin_again(request)
        return redirect("accounts:lost_factor")
    if reset := factor_reset.find_open(half.user):
        return render(request, "accounts/lost_factor/asked.html", {"reset": reset})
    return render_form(request, "accounts/lost_factor/ask.html", {"form": form})


@form_page
@for_everyone
@link_page
def call_off(request: HttpRequest, token: str) -> HttpResponse:
    """Where the link lands of every mail about it; mail scanners open it, so a button acts."""
    caller = caller_of(request)
    try:
        if request.method == "POST":
            user = lost_factor.call_off_by_link(token, caller=caller)
            return render(
                request, "accounts/lost_factor/called_off.html", {"username": user.username}
            )
        reset = lost_factor.open_link(token, caller=caller)
    except TokenUnusable:
        return render(request, "accounts/lost_factor/unusable.html", status=410)
    context = {"username": reset.user.username, "reset": reset}
    return render(request, "accounts/lost_factor/call_off.html", context)


@post_only
def keep(request: MemberRequest) -> HttpResponse:
    """The button that every page of a member's has meanwhile. Closing a door wants no new proof."""
    if factor_reset.call_off(request.user, caller=caller_of(request)):
        said = "Called off: your second factor stays. If it was not you who asked, somebody knows "
        messages.success(request, said + "your password or reads your mail: choose a new password.")
    else:
        messages.info(request, "There was nothing to call off.")
    return redirect("accounts:second_factor")
