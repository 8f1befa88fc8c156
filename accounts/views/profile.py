from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from accounts.decorators import form_page, page, post_only
from accounts.forms import PictureForm, ProfileForm
from accounts.models import User
from accounts.requests import MemberRequest
from accounts.services import profile
from bottomline.caller import caller_of
from bottomline.forms import posted
from bottomline.pictures.squares import BadPicture

# A picture opened by itself is a document of its own, which may do nothing.
SEALED = (
    "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
    f"object-src 'none'; sandbox; {settings.CSP_REPORTING}"
)


@form_page
def edit(request: MemberRequest) -> HttpResponse:
    person = _person(request)
    form = ProfileForm(posted(request), initial=_shown(person))
    if form.is_valid():
        profile.update(person, **form.cleaned_data, caller=caller_of(request))
        messages.success(request, "Your profile is saved.")
        return redirect("accounts:profile")
    return _page(request, person, form=form)


@form_page
def picture(request: MemberRequest) -> HttpResponse:
    """Where a new picture is sent; with nothing sent, back to the page that has the form."""
    if request.method != "POST":
        return redirect("accounts:profile")
    form = PictureForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            profile.set_picture(
                request.user, form.cleaned_data["picture"], caller=caller_of(request)
            )
        except BadPicture as refusal:
            form.add_error("picture", refusal.message)
        else:
            messages.success(request, "Your new picture is in place.")
            return redirect("accounts:profile")
    return _page(request, _person(request), picture_form=form)


@post_only
def remove_picture(request: MemberRequest) -> HttpResponse:
    profile.remove_picture(request.user, caller=caller_of(request))
    messages.success(request, "Your picture is removed.")
    return redirect("accounts:profile")


@page
def show_picture(request: MemberRequest, name: UUID, size: int) -> HttpResponse:
    """A square of somebody's picture, for as long as they show it."""
    content = profile.read_picture(name, size)
    if content is None:
        raise Http404
    response = HttpResponse(content, content_type="image/webp")
    response["Content-Disposition"] = 'inline; filename="picture.webp"'
    response["Content-Security-Policy"] = SEALED
    return response


def _person(request: MemberRequest) -> User:
    """The member as the database has them; a session remembers less."""
    return User.objects.get(pk=request.user.pk)


def _shown(person: User) -> dict[str, str]:
    return {name: getattr(person, name) for name in ProfileForm.base_fields}


def _page(
    request: MemberRequest,
    person: User,
    *,
    form: ProfileForm | None = None,
    picture_form: PictureForm | None = None,
) -> HttpResponse:
    form = form or ProfileForm(initial=_shown(person))
    picture_form = picture_form or PictureForm()
    context = {"form": form, "picture_form": picture_form, "person": person}
    status = 422 if form.is_bound or picture_form.is_bound else 200
    return render(request, "accounts/profile/edit.html", context, status=status)
