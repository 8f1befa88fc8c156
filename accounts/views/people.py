from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from accounts.decorators import page
from accounts.requests import MemberRequest
from accounts.services import people


@page
def person(request: MemberRequest, username: str) -> HttpResponse:
    found = people.find(username)
    if found is None:
        raise Http404
    if found.username != username:
        # Not for good: a name that was given up is somebody else's one day.
        return redirect("accounts:person", username=found.username)
    return render(request, "accounts/people/person.html", {"person": found})
