from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.cookies import remember_device
from accounts.decorators import for_everyone, form_page, link_page
from accounts.errors import TokenUnusable
from accounts.services import unlocking
from bottomline.caller import caller_of


@form_page
@for_everyone
@link_page
def unlock(request: HttpRequest, token: str) -> HttpResponse:
    """Where the link lands that lets a new browser in; mail scanners open it, so a button acts."""
    caller = caller_of(request)
    try:
        if request.method != "POST":
            row = unlocking.open_link(token, caller=caller)
            return render(
                request, "accounts/unlocking/unlock.html", {"username": row.user.username}
            )
        user = unlocking.finish(token, caller=caller)
    except TokenUnusable:
        return render(request, "accounts/unlocking/unusable.html", status=410)
    messages.success(request, "You can log in here now, whoever else keeps trying.")
    response = redirect("accounts:login")
    remember_device(request, response, user)
    return response
