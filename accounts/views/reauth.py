from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.decorators import credentials, form_page
from accounts.errors import TooManyProofs, WrongPassword
from accounts.forms import ReauthForm
from accounts.redirects import next_url, requested_next
from accounts.requests import MemberRequest
from accounts.services import reauth
from bottomline.caller import caller_of
from bottomline.forms import posted


@form_page
@credentials
def prove(request: MemberRequest) -> HttpResponse:
    """Asks for the password again; then back to what they were doing."""
    form = ReauthForm(posted(request))
    if form.is_valid():
        try:
            reauth.prove(
                request.user,
                form.cleaned_data["password"],
                request.session,
                caller=caller_of(request),
            )
        except WrongPassword as refusal:
            form.add_error("password", refusal.message)
        except TooManyProofs as refusal:
            messages.error(request, refusal.message)
            return redirect("accounts:login")
        else:
            return redirect(next_url(request))
    context = {"form": form, "next": requested_next(request)}
    status = 422 if form.is_bound else 200
    return render(request, "accounts/reauth/prove.html", context, status=status)
