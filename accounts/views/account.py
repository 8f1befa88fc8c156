from django.http import HttpResponse
from django.shortcuts import render

from accounts.decorators import page
from accounts.requests import MemberRequest


@page
def home(request: MemberRequest) -> HttpResponse:
    return render(request, "accounts/home.html", {"session": request.session.meta})
