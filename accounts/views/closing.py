from datetime import UTC, datetime
from urllib.parse import urlencode

from django.core.signing import BadSignature, Signer
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts import resume
from accounts.cookies import forget_member
from accounts.decorators import for_everyone, form_page, fresh_proof, page
from accounts.errors import LastOwner, WrongName
from accounts.forms import CloseForm
from accounts.requests import MemberRequest
from accounts.services import closing
from bottomline.caller import caller_of
from bottomline.forms import posted, render_form
from bottomline.responses import answers

signer = Signer(salt="closed-until")


@answers(503, "accounts/closing/away.html")
@form_page
@fresh_proof()
def delete(request: MemberRequest) -> HttpResponse:
    """Says what happens when, and asks for the name of the account."""
    form = CloseForm(posted(request), initial=resume.take(request))
    if form.is_valid():
        try:
            until = closing.close(
                request.user, form.cleaned_data["username"], caller=caller_of(request)
            )
        except (WrongName, LastOwner) as refusal:
            form.add_error("username", refusal.message)
        else:
            return _closed(request, until)
    context = {
        "form": form,
        "is_last_owner": closing.is_last_owner(request.user),
    }
    return render_form(request, "accounts/closing/delete.html", context)


@page
@for_everyone
def closed(request: HttpRequest) -> HttpResponse:
    """Says until when they can come back; the day is in the address, signed, for they have left."""
    try:
        stamp = int(signer.unsign(request.GET.get("until", "")))
    except BadSignature:
        return redirect("accounts:login")
    until = datetime.fromtimestamp(stamp, UTC)
    return render(request, "accounts/closing/closed.html", {"until": until})


def _closed(request: MemberRequest, until: datetime) -> HttpResponse:
    # What is done is done, and this page must not fail any more: Redis is not asked again.
    request.session.forget()
    query = urlencode({"until": signer.sign(str(int(until.timestamp())))})
    response = redirect(f"{reverse('accounts:closed')}?{query}")
    forget_member(response)
    return response
