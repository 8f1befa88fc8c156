from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from accounts.decorators import fresh_proof, page, post_only
from accounts.errors import NoSuchSession
from accounts.requests import MemberRequest
from accounts.services import sessions
from bottomline.caller import caller_of


@page
def own(request: MemberRequest) -> HttpResponse:
    """Where the member is logged in. Asks Redis alone."""
    live = sessions.list_own(request.user, request.session)
    context = {"sessions": live, "most": settings.SESSIONS_PER_USER}
    return render(request, "accounts/sessions/own.html", context)


@post_only
@fresh_proof(back="/account/sessions/")
def end(request: MemberRequest, handle: str) -> HttpResponse:
    try:
        sessions.end_one(request.user, handle, caller=caller_of(request))
    except NoSuchSession as refusal:
        raise Http404 from refusal
    messages.success(request, "That session is ended. That browser is logged out.")
    return redirect("accounts:sessions")


@post_only
@fresh_proof(back="/account/sessions/")
def end_others(request: MemberRequest) -> HttpResponse:
    sessions.log_out_elsewhere(request.user, request.session, caller=caller_of(request))
    messages.success(request, "You are logged out everywhere but here.")
    return redirect("accounts:sessions")
