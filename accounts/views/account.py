from django.http import HttpResponse
from django.shortcuts import render

from accounts.decorators import page
from accounts.requests import MemberRequest


@page
def home(request: MemberRequest) -> HttpResponse:
    meta = request.session.meta
    assert meta
    # Put into words here: the template's own filter costs as much as the rest of the section.
    moments = {"created": meta.created, "ends": meta.ends, "expires": meta.expires}
    words = {name: f"{moment:%-d %B %Y, %H:%M} UTC" for name, moment in moments.items()}
    return render(request, "accounts/home.html", {"session": meta, **words})
