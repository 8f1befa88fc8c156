from datetime import UTC, datetime

from django.http import HttpResponse
from django.shortcuts import render

from accounts.decorators import page
from accounts.requests import MemberRequest
from accounts.services import email_change
from accounts.services.login import LAST_LOGIN
from accounts.services.security import overview


@page
def security(request: MemberRequest) -> HttpResponse:
    """Where everything that keeps the account safe is found."""
    context = {
        "change": email_change.find_pending(request.user),
        "overview": overview(request.user),
    }
    return render(request, "accounts/security.html", context)


@page
def home(request: MemberRequest) -> HttpResponse:
    meta = request.session.meta
    assert meta
    # Put into words here: the template's own filter costs as much as the rest of the section.
    moments = {"created": meta.created, "ends": meta.ends, "expires": meta.expires}
    before = request.session.get(LAST_LOGIN)
    if before:
        moments["before"] = datetime.fromtimestamp(before["at"], UTC)
    words = {name: f"{moment:%-d %B %Y, %H:%M} UTC" for name, moment in moments.items()}
    context = {"session": meta, "moments": moments, "browser_before": before and before["browser"]}
    return render(request, "accounts/home.html", context | words)
