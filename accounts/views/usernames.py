from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from accounts.decorators import form_page
from accounts.errors import UsernameChangedRecently, UsernameTaken
from accounts.forms import UsernameForm
from accounts.models import User
from accounts.requests import MemberRequest
from accounts.services import usernames
from bottomline.caller import caller_of
from bottomline.forms import posted, render_form


@form_page
def change(request: MemberRequest) -> HttpResponse:
    person = User.objects.get(pk=request.user.pk)
    form = UsernameForm(posted(request))
    if form.is_valid():
        try:
            usernames.change(person, form.cleaned_data["username"], caller=caller_of(request))
        except UsernameTaken as refusal:
            form.add_error("username", refusal.message)
        except UsernameChangedRecently as refusal:
            form.add_error(None, refusal.message)
        else:
            messages.success(request, "You have a new username.")
            return redirect("accounts:profile")
    context = {
        "form": form,
        "person": person,
        "from": usernames.changeable_from(person),
        "former": person.former_usernames.held().order_by("-given_up_at"),
    }
    return render_form(request, "accounts/usernames/change.html", context)
