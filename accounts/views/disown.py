from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.decorators import for_everyone, form_page, link_page
from accounts.errors import TokenUnusable
from accounts.services import disown
from bottomline.caller import caller_of


@form_page
@for_everyone
@link_page
def not_me(request: HttpRequest, token: str) -> HttpResponse:
    """Where “this wasn’t me” lands: says what the button does, and only the button does it."""
    caller = caller_of(request)
    try:
        if request.method == "POST":
            user = disown.finish(token, caller=caller)
            context = {"username": user.username, "has_factor": user.second_factor_at is not None}
            return render(request, "accounts/disown/done.html", context)
        row = disown.open_link(token, caller=caller)
    except TokenUnusable:
        return render(request, "accounts/disown/unusable.html", status=410)
    context = {
        "username": row.user.username,
        "is_closed": row.user.is_closed,
        "has_passkeys": row.user.passkeys.exists(),
        "ends_factor": disown.ends_second_factor(row, row.user),
    }
    return render(request, "accounts/disown/confirm.html", context)
