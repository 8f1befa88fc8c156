from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from accounts.acts import ACTS, Act, perform, require_may_act
from accounts.decorators import fresh_proof, post_only
from accounts.errors import BadBlock, NotApplicable, OwnersOnly
from accounts.models import Event, FactorReset, User
from accounts.services import lost_factor, members
from bottomline import refusals
from bottomline.admin import Records, Rows
from bottomline.errors import TooManyAttempts
from bottomline.responses import View

# A form has so many fields (DATA_UPLOAD_MAX_NUMBER_FIELDS), with some to spare.
CHOSEN_AT_ONCE = 80

STANDING = ["is_staff", "is_superuser"]
BLOCK = ["blocked_until", "block_reason"]
SHOWN = [
    "username",
    "display_name",
    "bio",
    "email",
    "email_confirmed_at",
    *BLOCK,
    *STANDING,
    "created_at",
    "last_login",
    "second_factor_at",
    "closed_at",
    "erased_at",
]
TOMBSTONE = ["created_at", "email_confirmed_at", "closed_at", "erased_at"]


class Proven(Rows):
    """Rows whose form makes staff, so that it wants a fresh proof of who sends it (ASVS 7.5.1)."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        view: View = super().changeform_view
        if request.method == "POST":  # looking is free
            view = fresh_proof(back=request.path)(view)
        return view(request, *args, **kwargs)


class UserForm(ModelForm):
    class Meta:
        help_texts: ClassVar = {
            "blocked_until": "An account that is being deleted is erased on its day, blocked or "
            "not: take out before then what has to be kept of it."
        }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        until = data.get("blocked_until")
        if until and set(BLOCK) & set(self.changed_data):
            try:
                members.require_sound_block(until, data.get("block_reason", ""))
            except BadBlock as refusal:
                self.add_error("blocked_until", refusal.message)
        return data


def action_of(act: Act) -> Callable[..., HttpResponseBase]:
    """An act as an entry in the list's menu: asked first, then done to each who was chosen.

    The proof is wanted here and not where the form is read, so that no way of sending it avoids it.
    """

    @admin.action(description=act.label, permissions=["change"])
    def action(
        user_admin: "UserAdmin", request: HttpRequest, chosen: QuerySet[User]
    ) -> HttpResponseBase:
        def ask_or_perform(request: HttpRequest) -> HttpResponseBase:
            return user_admin.ask_or_perform(request, act, list(chosen[: CHOSEN_AT_ONCE + 1]))

        view: View = ask_or_perform
        if act.is_dangerous:
            view = fresh_proof(back=request.get_full_path())(view)
        return view(request)

    action.__name__ = act.name
    return action


@admin.register(User)
class UserAdmin(Proven):
    """Who is here, and what staff may do about it; nobody types another person's password.

    Not Django's UserAdmin, whose pages set passwords (ASVS 6.4.6). Nor can a row simply go: that
    would reopen the invite it came by.
    """

    form = UserForm
    list_display = ["name", "address", "email_confirmed_at", "blocked_until", "is_staff"]
    list_filter = ["is_staff", "email_confirmed_at", "blocked_until", "created_at", "closed_at"]
    search_fields = ["username", "email", "display_name"]
    ordering = ["-created_at"]
    list_per_page = CHOSEN_AT_ONCE
    list_max_show_all = CHOSEN_AT_ONCE
    actions = tuple(action_of(act) for act in ACTS)

    @admin.display(description="username", ordering="username")
    def name(self, user: User) -> str:
        return str(user)

    @admin.display(description="email address", ordering="email")
    def address(self, user: User) -> str:
        return "" if user.is_erased else user.email

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kw: Any) -> Any:
        user = context["original"]
        if self.has_change_permission(request, user) and self._may_act(request, user):
            context["acts"] = ACTS
        return super().render_change_form(request, context, *args, **kw)

    def ask_or_perform(
        self, request: HttpRequest, act: Act, chosen: Sequence[User]
    ) -> HttpResponseBase:
        """A page that says what will happen and to whom; then the doing, a sentence for each."""
        if len(chosen) > CHOSEN_AT_ONCE:
            at_once = f"Choose {CHOSEN_AT_ONCE} members at most at once. Nothing was done."
            self.message_user(request, at_once, messages.ERROR)
            return redirect(request.get_full_path())
        if "sure" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": act.label,
                "act": act,
                "chosen": chosen,
            }
            return TemplateResponse(request, "admin/accounts/user/act.html", context)
        for user in chosen:
            self._perform(request, act, user)
        return redirect(request.get_full_path())

    def _perform(self, request: HttpRequest, act: Act, user: User) -> None:
        try:
            with transaction.atomic():
                perform(act, cast(User, request.user), user)
                self.log_change(request, user, act.done)
        except NotApplicable as refusal:
            if isinstance(refusal, OwnersOnly):
                refusals.note(request, "access.refused", reason=refusal.reason)
            self.message_user(request, f"For {user}: {refusal.message}", messages.WARNING)
        except TooManyAttempts:
            often = f"For {user}: That was sent often enough for today. Try again tomorrow."
            self.message_user(request, often, messages.WARNING)
        else:
            self.message_user(request, f"For {user}: {act.done}", messages.SUCCESS)

    def save_model(self, request: HttpRequest, user: User, form: ModelForm, change: bool) -> None:
        until = form.cleaned_data.get("blocked_until")
        if until and set(BLOCK) & set(form.changed_data):
            members.block(user, until=until, reason=form.cleaned_data["block_reason"])
        elif "blocked_until" in form.changed_data:
            members.unblock(User.objects.get(pk=user.pk))  # as it was before the form
        if set(STANDING) & set(form.changed_data):
            members.set_standing(
                user,
                is_staff=form.cleaned_data["is_staff"],
                is_superuser=form.cleaned_data["is_superuser"],
            )

    def _may_act(self, request: HttpRequest, user: User) -> bool:
        try:
            require_may_act(cast(User, request.user), user)
        except NotApplicable:
            return False
        return True

    def get_fields(self, request: HttpRequest, user: Any = None) -> Any:
        return TOMBSTONE if user is not None and user.is_erased else SHOWN

    def get_readonly_fields(self, request: HttpRequest, user: Any = None) -> list[str]:
        if user is not None and user.is_erased:
            return TOMBSTONE
        if user is not None and user.pk == request.user.pk:
            return SHOWN  # nobody blocks or demotes themselves by mistake; others of staff can
        if user is not None and not self._may_act(request, user):
            return SHOWN
        # Only an owner makes staff, or a member of staff could make themselves owner.
        changeable = {*BLOCK, *(STANDING if request.user.is_superuser else [])}
        return [name for name in SHOWN if name not in changeable]


@admin.register(Event)
class EventAdmin(Records):
    """The security history, to be read. `manage.py verify_events` says whether it is untouched."""

    list_display = ["at", "kind", "user_id", "ip", "details"]
    list_filter = ["kind", "at"]
    search_fields = ["=user_id"]
    search_help_text = "The id of a member, as in the address of their page here."
    ordering = ["-pk"]
    fields = ("at", "kind", "user_id", "details", "ip", "user_agent", "position")
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, event: Any = None) -> Any:
        return self.fields


DECISIONS = {
    "approve": (lost_factor.approve, "Approved."),
    "refuse": (lost_factor.refuse, "Refused: the second factor stays."),
}


@admin.register(FactorReset)
class FactorResetAdmin(Records):
    """Who asked for the end of a second factor, and what to go by; then yes or no.

    On the page of each alone, and from no menu of the list: nobody is to agree unseen.
    """

    list_display = ["user", "requested_at", "due_at", "approved_at", "outcome", "ended_at"]
    list_select_related = ["user"]
    list_filter = ["outcome", "requested_at", "approved_at", "ended_at"]
    search_fields = ["user__username"]
    ordering = ["-requested_at"]

    def get_urls(self) -> list:
        view = self.admin_site.admin_view(post_only(self.decide))
        decisions = [
            path(f"<int:pk>/{one}/", view, {"decision": one}, name=f"accounts_factorreset_{one}")
            for one in DECISIONS
        ]
        return [*decisions, *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kw: Any) -> Any:
        reset = context["original"]
        context |= {
            "title": f"Has {reset.user} lost the second factor?",
            "reset": reset,
            "facts": lost_factor.facts_of(reset),
        }
        if reset.ended_at is None and _may_decide(request):
            try:
                lost_factor.require_may_decide(cast(User, request.user), reset.user)
                context["may_decide"] = True
            except NotApplicable as refusal:
                context["why_not"] = refusal.message
        return super().render_change_form(request, context, *args, **kw)

    def decide(self, request: HttpRequest, pk: int, decision: str) -> HttpResponseBase:
        """Approve or refuse, with a fresh proof of who does it (ASVS 7.5.3)."""
        if not _may_decide(request):
            raise PermissionDenied
        page = reverse("admin:accounts_factorreset_change", args=[pk])

        def act(request: HttpRequest) -> HttpResponseBase:
            self._decide(request, get_object_or_404(FactorReset, pk=pk), *DECISIONS[decision])
            return redirect(page)

        view: View = fresh_proof(back=page)(act)
        return view(request)

    def _decide(
        self, request: HttpRequest, reset: FactorReset, act: Callable[..., None], done: str
    ) -> None:
        try:
            with transaction.atomic():
                act(reset, staff=cast(User, request.user))
                self.log_change(request, reset, done)
        except NotApplicable as refusal:
            if isinstance(refusal, OwnersOnly):
                refusals.note(request, "access.refused", reason=refusal.reason)
            self.message_user(request, refusal.message, messages.WARNING)
        else:
            self.message_user(request, done, messages.SUCCESS)


def _may_decide(request: HttpRequest) -> bool:
    return cast(User, request.user).has_perm(lost_factor.MAY_DECIDE)
