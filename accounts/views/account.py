from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.decorators import page


@page
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/home.html", {"session": request.session.meta})
