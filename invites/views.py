from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.addresses import InvalidUsername
from accounts.decorators import (
    anonymous_only,
    credentials,
    for_everyone,
    form_page,
    link_page,
    page,
    post_only,
)
from accounts.errors import UsernameTaken, WeakPassword
from accounts.requests import MemberRequest
from accounts.services import usernames
from bottomline.caller import caller_of
from bottomline.forms import posted
from invites import services
from invites.errors import InviteUnusable
from invites.forms import CodeForm, InviteForm, SignUpForm
from invites.models import Invite

PER_PAGE = 20


@form_page
@credentials
@for_everyone
@link_page
def welcome(request: HttpRequest, token: str) -> HttpResponse:
    """Where an invite link lands: who invites, until when, and the sign-up form."""
    if request.user.is_authenticated:
        return render(request, "invites/already_member.html")
    caller = caller_of(request)
    form = SignUpForm(posted(request))
    try:
        invite = services.open_link(token, caller=caller)
        if form.is_valid():
            services.sign_up(token, **form.cleaned_data, caller=caller)
            return _check_email(request, form.cleaned_data["email"])
    except InviteUnusable:
        return render(request, "invites/unusable.html", status=410)
    except UsernameTaken as refusal:
        form.add_error("username", refusal.message)
    except WeakPassword as refusal:
        form.add_error("password", refusal.message)
    context = {"form": form, "invite": invite}
    status = 422 if form.is_bound else 200
    return render(request, "invites/welcome.html", context, status=status)


@form_page
@anonymous_only
def enter_code(request: HttpRequest) -> HttpResponse:
    form = CodeForm(posted(request))
    if form.is_valid():
        return redirect("invites:welcome", token=form.cleaned_data["code"])
    status = 422 if form.is_bound else 200
    return render(request, "invites/enter_code.html", {"form": form}, status=status)


@page
@for_everyone
def username_check(request: HttpRequest) -> HttpResponse:
    """Tells the sign-up form whether a name is free while it is typed."""
    try:
        free = usernames.is_free(request.GET.get("u", ""), caller=caller_of(request))
    except InvalidUsername as error:
        return JsonResponse({"free": False, "message": str(error)})
    message = "That name is free." if free else UsernameTaken.message
    return JsonResponse({"free": free, "message": message})


@form_page
def mine(request: MemberRequest) -> HttpResponse:
    form = InviteForm(posted(request))
    if form.is_valid():
        services.issue(issuer=request.user, **form.to_invite())
        messages.success(request, "Your invite is ready. Copy its link and pass it on.")
        return redirect("invites:mine")
    invites = Invite.objects.filter(issuer=request.user).with_redemptions().select_related("issuer")
    shown = Paginator(invites.order_by("-created_at", "-pk"), PER_PAGE).get_page(
        request.GET.get("page")
    )
    context = {"form": form, "invites": shown.object_list, "page": shown}
    status = 422 if form.is_bound else 200
    return render(request, "invites/mine.html", context, status=status)


@post_only
def revoke(request: MemberRequest, public_id: str) -> HttpResponse:
    services.revoke(get_object_or_404(Invite, issuer=request.user, public_id=public_id))
    messages.success(request, "The invite is revoked. Its link no longer works.")
    return redirect("invites:mine")


def _check_email(request: HttpRequest, email: str) -> HttpResponse:
    return render(request, "invites/check_email.html", {"email": email})
