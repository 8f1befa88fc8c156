from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.cookies import begun_by, forget_google, forget_mailed_login, keep_google
from accounts.decorators import (
    anonymous_only,
    for_everyone,
    form_page,
    fresh_proof,
    link_page,
    page,
    post_only,
    secret_code,
    with_google,
)
from accounts.errors import (
    BadCredentials,
    BadReturn,
    IdentityTaken,
    LastWayIn,
    NotBegun,
    NotLinked,
    ProofTooOld,
)
from accounts.forms import RememberForm, ReturnForm
from accounts.provider import Told
from accounts.redirects import path_with_next, requested_next
from accounts.requests import MemberRequest
from accounts.services import google
from accounts.services.google import Begun, Returned
from accounts.views.finish import finish
from bottomline import refusals
from bottomline.caller import caller_of
from bottomline.forms import posted
from bottomline.sessions.request import Request

OWN_PAGE = "/account/security/google/"


def leave(request: HttpRequest, begun: Begun, *, back: str) -> HttpResponse:
    """On to the provider, by a page and not by a redirect; or `back` to where they were.

    After a form is posted, Chromium asks the policy of its page about every redirect that follows,
    also about those by which a provider sends people on to their own organisation: only a page that
    somebody leaves by itself needs no list of all those places.
    """
    place = google.place_of(begun, caller=caller_of(request))
    response = render(request, "accounts/google/leave.html", {"place": place, "back": back})
    keep_google(response, google.cookie_of(begun))
    return response


@post_only
@anonymous_only
@with_google
def log_in(request: HttpRequest) -> HttpResponse:
    form, wanted = RememberForm(posted(request)), requested_next(request)
    remember = form.is_valid() and form.cleaned_data["remember"]
    back = path_with_next("accounts:login", wanted)
    return leave(request, google.begin(next_url=wanted, remember=remember), back=back)


@form_page
@for_everyone
@link_page
@secret_code
@with_google
def come_back(request: Request) -> HttpResponse:
    """Where the provider sends the browser. Opening it changes nothing: the page goes on by itself.

    It is reached from another site, so the session's Strict cookie is not with it; the form that it
    sends is ours.
    """
    if request.method != "POST":
        form = ReturnForm(initial=request.GET.dict())
        return render(request, "accounts/google/callback.html", {"form": form})
    try:
        response = _come_back(request, ReturnForm(posted(request)))
    except BadReturn as refusal:
        refusals.note(request, "google.refused", reason=refusal.reason)
        response = render(request, "accounts/google/failed.html", status=410)
        if isinstance(refusal, NotBegun):  # any page elsewhere can send a browser here
            return response
    except NotLinked as refusal:
        refusals.note(request, "google.refused", reason=refusal.reason)
        response = render(request, "accounts/google/not_linked.html", status=403)
    except BadCredentials:  # which is noted already
        response = render(request, "accounts/google/not_linked.html", status=403)
    if settings.GOOGLE_COOKIE_NAME not in response.cookies:  # what was begun is over
        forget_google(response)
    return response


def _come_back(request: Request, form: ReturnForm) -> HttpResponse:
    caller = caller_of(request)
    if not form.is_valid():
        raise NotBegun("form")
    sent = form.cleaned_data
    returned = Returned(sent["code"], sent["state"], sent["iss"], sent["error"])
    begun, told = google.finish(begun_by(request), returned, caller=caller)
    if begun.member:
        return _link(request, begun, told)
    user = google.owner_of(told)
    if user is None:
        response = redirect("invites:join")
        keep_google(response, google.welcome(begun, told))
        forget_mailed_login(response)  # or that page could go by what was proved there
        return response
    return finish(
        request,
        user,
        method=google.METHOD,
        caller=caller,
        remember=begun.remember,
        next_url=begun.next or settings.LOGIN_REDIRECT_URL,
    )


def _link(request: Request, begun: Begun, told: Told) -> HttpResponse:
    if not request.user.is_authenticated:
        raise BadReturn("member")
    try:
        # Asked now, when the session has been read: it says when they proved who they are.
        google.link(request.user, begun, told, caller=caller_of(request))
    except ProofTooOld as refusal:
        messages.error(request, f"That took too long, so nothing was linked. {refusal.message}")
    except IdentityTaken as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{settings.GOOGLE_NAME} logs you in from now on.")
    return redirect(OWN_PAGE)


@page
@with_google
def own(request: MemberRequest) -> HttpResponse:
    """Whether it logs the member in, and what can be done about it."""
    return render(request, "accounts/google/own.html", {"identity": google.find_own(request.user)})


@post_only
@with_google
@fresh_proof(back=OWN_PAGE)
def link(request: MemberRequest) -> HttpResponse:
    begun = google.begin_linking(request.user, caller=caller_of(request))
    return leave(request, begun, back=OWN_PAGE)


@post_only
@with_google
@fresh_proof(back=OWN_PAGE)
def unlink(request: MemberRequest) -> HttpResponse:
    try:
        google.unlink(request.user, request.session, caller=caller_of(request))
    except LastWayIn as refusal:
        messages.error(request, refusal.message)
    else:
        done = f"{settings.GOOGLE_NAME} logs you in no more."
        messages.success(request, f"{done} Everywhere else you have been logged out.")
    return redirect(OWN_PAGE)
