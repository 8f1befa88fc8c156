from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language_from_request

from accounts.addresses import InvalidUsername
from accounts.cookies import begun_by, forget_google, forget_mailed_login, kept_by
from accounts.decorators import (
    anonymous_only,
    credentials,
    for_everyone,
    form_page,
    link_page,
    page,
    post_only,
    with_google,
)
from accounts.errors import AddressTaken, TokenUnusable, UsernameTaken, WeakPassword
from accounts.events import log_only
from accounts.forms import AskForMailForm
from accounts.lifetimes import in_words
from accounts.redirects import next_url
from accounts.requests import MemberRequest
from accounts.services import google, mailed_login, usernames
from accounts.services.proved import Proved
from accounts.views.finish import finish
from accounts.views.google import leave
from accounts.views.mailed_login import on_its_way
from bottomline.caller import caller_of
from bottomline.forms import posted, render_form
from bottomline.sessions.request import Request
from invites import quota, services, signup
from invites.errors import InviteUnusable, InvitingPaused, OwnAddress, QuotaSpent, WrongAddress
from invites.forms import CodeForm, DeclineForm, JoinForm, MemberInviteForm, SignUpForm
from invites.models import LIFETIME, Freeze, Invite

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
    form = SignUpForm(posted(request), caller=caller)
    try:
        invite = services.open_link(token, caller=caller)
        if request.method == "GET":
            services.note_opened(invite)
        if form.is_valid():
            typed = form.cleaned_data
            if typed.pop("website"):
                log_only("signup.trapped", caller=caller)
            else:
                language = get_language_from_request(request)
                signup.sign_up(invite, **typed, language=language, caller=caller)
            return _check_email(request, typed["email"])
    except InviteUnusable:
        return render(request, "invites/unusable.html", status=410)
    except WrongAddress as refusal:
        form.add_error("email", refusal.message)
    except UsernameTaken as refusal:
        form.add_error("username", refusal.message)
    except WeakPassword as refusal:
        form.add_error("password", refusal.message)
    return render_form(request, "invites/welcome.html", {"form": form, "invite": invite})


@form_page
@anonymous_only
@link_page
def by_mail(request: HttpRequest, token: str) -> HttpResponse:
    """Signing up without a password: the mailbox is proved first, the name is chosen then."""
    caller = caller_of(request)
    form = AskForMailForm(posted(request), caller=caller)
    try:
        invite = services.open_link(token, caller=caller)
        if form.is_valid():
            email, language = form.cleaned_data["email"], get_language_from_request(request)
            kept = signup.ask_by_mail(invite, email, language=language, caller=caller)
            return on_its_way(request, kept)
    except InviteUnusable:
        return render(request, "invites/unusable.html", status=410)
    except WrongAddress as refusal:
        form.add_error("email", refusal.message)
    return render_form(request, "invites/by_mail.html", {"form": form, "invite": invite})


@post_only
@anonymous_only
@link_page
@with_google
def by_google(request: HttpRequest, token: str) -> HttpResponse:
    """Signing up without a password: a provider says whose the address is."""
    try:
        caller = caller_of(request)
        invite = services.open_link(token, caller=caller)
        signup.require_no_staff(invite, caller=caller)
    except InviteUnusable:
        return render(request, "invites/unusable.html", status=410)
    back = reverse("invites:welcome", args=[token])
    return leave(request, google.begin(invite=invite.public_id), back=back)


@form_page
@anonymous_only
def join(request: Request) -> HttpResponse:
    """Where somebody who has proved their address chooses a name, and is a member then."""
    caller = caller_of(request)
    proved = _find_newcomer(request)
    if proved is None:
        return render(request, "invites/too_late.html", status=410)
    form = JoinForm(posted(request))
    try:
        if form.is_valid():
            language = get_language_from_request(request)
            user = signup.join(proved, **form.cleaned_data, language=language, caller=caller)
            response = finish(
                request, user, method=proved.method, caller=caller, next_url=next_url(request)
            )
            forget_mailed_login(response)
            forget_google(response)
            return response
        signup.find_invite(proved, caller=caller)
    except TokenUnusable:
        return render(request, "invites/too_late.html", status=410)
    except (InviteUnusable, WrongAddress):
        return render(request, "invites/unusable.html", status=410)
    except (UsernameTaken, AddressTaken) as refusal:
        form.add_error("username" if refusal.reason == "username_taken" else None, refusal.message)
    context = {"form": form, "email": proved.email}
    return render_form(request, "invites/join.html", context)


@form_page
@for_everyone
@link_page
def decline(request: HttpRequest, token: str) -> HttpResponse:
    """Where "No, thank you" leads. A button, because mail scanners follow links."""
    caller = caller_of(request)
    form = DeclineForm(posted(request))
    try:
        invite = services.open_to_decline(token, caller=caller)
        if not invite.email:
            raise Http404
        if form.is_valid():
            block = services.decline(token, block=form.cleaned_data["block"], caller=caller)
            return render(request, "invites/declined.html", {"block": block})
    except InviteUnusable:
        return render(request, "invites/unusable.html", status=410)
    context = {"form": form, "invite": invite, "may_block": services.comes_by_mail(token)}
    return render(request, "invites/decline.html", context)


@form_page
@anonymous_only
def enter_code(request: HttpRequest) -> HttpResponse:
    form = CodeForm(posted(request))
    if form.is_valid():
        return redirect("invites:welcome", token=form.cleaned_data["code"])
    return render_form(request, "invites/enter_code.html", {"form": form})


@page
@for_everyone
def username_check(request: HttpRequest) -> HttpResponse:
    """Tells whoever chooses a name whether it is free, while they type."""
    member = request.user if request.user.is_authenticated else None
    try:
        free = usernames.is_free(request.GET.get("u", ""), caller=caller_of(request), user=member)
    except InvalidUsername as error:
        return JsonResponse({"free": False, "message": str(error)})
    message = "That name is free." if free else UsernameTaken.message
    return JsonResponse({"free": free, "message": message})


@form_page
def mine(request: MemberRequest) -> HttpResponse:
    form = MemberInviteForm(posted(request))
    if form.is_valid() and _issue(request, form):
        return redirect("invites:mine")
    invites = Invite.objects.filter(issuer=request.user).with_redemptions().with_guests()
    shown = Paginator(invites.order_by("-created_at", "-pk"), PER_PAGE).get_page(
        request.GET.get("page")
    )
    context = {
        "form": form,
        "lifetime": LIFETIME,
        "invites": shown.object_list,
        "page": shown,
        "paused": Freeze.objects.over(request.user).exists(),
        "quota": quota.of(request.user),
        "earned": settings.INVITE_EARNED,
        "earned_after_days": settings.INVITE_EARNED_AFTER_DAYS,
    }
    return render_form(request, "invites/mine.html", context)


@post_only
def mail(request: MemberRequest, public_id: str) -> HttpResponse:
    invite = _mine(request, public_id)
    try:
        services.mail(invite, caller=caller_of(request))
    except InviteUnusable:
        messages.error(request, "That invite can’t be used any more, so it was not mailed.")
    except InvitingPaused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"We are writing to {invite.email}, with the same link.")
    return redirect("invites:mine")


@post_only
def extend(request: MemberRequest, public_id: str) -> HttpResponse:
    try:
        services.extend(_mine(request, public_id), caller=caller_of(request))
    except InviteUnusable:
        messages.error(request, "That invite was used, revoked or declined. Make another.")
    except (QuotaSpent, InvitingPaused) as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(
            request, f"The invite is good for {in_words(LIFETIME)} from now, under the same link."
        )
    return redirect("invites:mine")


@post_only
def revoke(request: MemberRequest, public_id: str) -> HttpResponse:
    invite = _mine(request, public_id)
    services.revoke(invite, caller=caller_of(request))
    messages.success(request, "The invite is revoked. Its link no longer works.")
    return redirect("invites:mine")


def _find_newcomer(request: HttpRequest) -> Proved | None:
    """Who has proved an address in this browser, one way or the other."""
    by_google = google.find_newcomer(begun_by(request))
    return by_google or mailed_login.find_newcomer(kept_by(request))


def _mine(request: MemberRequest, public_id: str) -> Invite:
    return get_object_or_404(Invite, issuer=request.user, public_id=public_id)


def _issue(request: MemberRequest, form: MemberInviteForm) -> bool:
    """Make the invite the form describes, or say in the form why not."""
    try:
        services.issue(issuer=request.user, **form.to_invite(), caller=caller_of(request))
    except QuotaSpent as refusal:
        form.add_error("uses" if refusal.left else None, refusal.message)
        return False
    except OwnAddress as refusal:
        form.add_error("email", refusal.message)
        return False
    except InvitingPaused as refusal:
        form.add_error(None, refusal.message)
        return False
    if form.cleaned_data["mail"]:
        done = "Your invite is ready, and we are writing to them. You can also pass its link on."
    else:
        done = "Your invite is ready. Copy its link and pass it on."
    messages.success(request, done)
    return True


def _check_email(request: HttpRequest, email: str) -> HttpResponse:
    return render(request, "invites/check_email.html", {"email": email})
