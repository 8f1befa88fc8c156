from contextlib import suppress
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from accounts.admin import Proven
from accounts.models import User
from bottomline.admin import Records
from bottomline.caller import caller_of
from bottomline.forms import posted
from invites import freezing, lineage, services
from invites.forms import FreezeForm, InviteForm
from invites.models import Freeze, Invite

SHOWN = [
    "issuer",
    "email",
    "label",
    "note",
    "max_uses",
    "grants_staff",
    "created_at",
    "expires_at",
    "mailed_at",
    "opened_at",
    "declined_at",
    "revoked_at",
]

# As many as a form may have fields (DATA_UPLOAD_MAX_NUMBER_FIELDS), with some to spare.
REVIEWED_AT_ONCE = 80


class IssueForm(InviteForm, forms.ModelForm):
    """What a member may say about an invite, and whether it makes its user staff."""

    staff = forms.BooleanField(required=False, label="Whoever uses it becomes staff")

    class Meta:
        model = Invite
        fields: list[str] = []


@admin.register(Invite)
class InviteAdmin(Proven):
    """Issue and revoke. What was issued does not change afterwards, and its link is not shown."""

    list_display = ["__str__", "issuer", "state", "used", "max_uses", "created_at", "expires_at"]
    list_select_related = ["issuer"]
    list_filter = ["grants_staff", "created_at", "expires_at", "revoked_at", "declined_at"]
    search_fields = ["label", "email", "issuer__username"]
    ordering = ["-created_at"]
    actions = ["revoke"]

    @admin.action(description="Revoke the selected invites", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invite]) -> None:
        for invite in queryset:
            services.revoke(invite)
            self.log_change(request, invite, "Revoked.")
        self.message_user(request, "The selected invites are revoked.")

    @admin.display(description="state")
    def state(self, invite: Invite) -> str:
        return invite.status

    @admin.display(description="used")
    def used(self, invite: Invite) -> int:
        return invite.redemption_count

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invite]:
        return Invite.objects.with_redemptions()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return super().get_form(request, obj, change, **kwargs) if obj else IssueForm

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            return [*SHOWN, "state", "used"]
        # Only an owner makes staff, or a member of staff could make another of themselves.
        return [n for n in IssueForm.base_fields if n != "staff" or request.user.is_superuser]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*SHOWN, "state", "used"] if obj else []

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Issue it, and show its link this once."""
        if change:
            return form.instance
        arguments = form.to_invite()
        arguments["staff"] = arguments["staff"] and request.user.is_superuser
        invite = services.issue(issuer=_staff(request), **arguments, caller=caller_of(request))
        self.message_user(request, f"The link to pass on: {invite.link}")
        return Invite.objects.with_redemptions().get(pk=invite.pk)

    def save_model(self, request: HttpRequest, obj: Invite, form: Any, change: bool) -> None:
        """Nothing left to do: the service has saved it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing either."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        staff = _staff(request)
        return staff.has_perm("invites.add_invite") and not Freeze.objects.over(staff).exists()


@admin.register(Freeze)
class FreezeAdmin(Records):
    """Where inviting is stopped, and the page of each member's branch, where that is done."""

    list_display = ["branch", "reason", "frozen_by", "frozen_at", "thawed_at"]
    list_display_links = None
    list_select_related = ["root", "frozen_by"]
    list_filter = ["frozen_at", "thawed_at"]
    search_fields = ["root__username", "reason"]
    ordering = ["-frozen_at"]

    @admin.display(description="branch of")
    def branch(self, freeze: Freeze) -> str:
        return format_html('<a href="{}">{}</a>', _branch_url(freeze.root), freeze.root.username)

    def get_urls(self) -> list:
        view = self.admin_site.admin_view
        return [
            path("of/<uuid:pk>/", view(self.branch_page), name="invites_branch"),
            path("of/<uuid:pk>/revoke/", view(self.revoke_page), name="invites_branch_revoke"),
            *super().get_urls(),
        ]

    def branch_page(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Who invited whom, above and below a member; freezing and thawing their branch."""
        self._require(request, "invites.view_freeze")
        root = get_object_or_404(User, pk=pk)
        form = FreezeForm(posted(request))
        if "thaw" in request.POST:
            self._require(request, "invites.change_freeze")
            if freezing.thaw(root):
                self.log_change(request, root, "Thawed the branch: it may invite again.")
            return redirect(_branch_url(root))
        if form.is_valid():
            self._require(request, "invites.add_freeze")
            reason = form.cleaned_data["reason"]
            if freezing.freeze(root, reason=reason, by=_staff(request)):
                self.log_change(request, root, f"Froze the branch: {reason}")
            return redirect(_branch_url(root))
        context = {
            "title": f"Who invited whom: {root.username}",
            "above": lineage.above(root),
            "tree": lineage.tree(root),
            "count": lineage.branch(root).count(),
            "most": lineage.SHOWN_MEMBERS,
            "freezes": Freeze.objects.over(root).select_related("root", "frozen_by"),
            "own": Freeze.objects.active().filter(root=root).first(),
            "open_count": freezing.open_invites(root).count(),
            "form": form,
        }
        return self._page(request, "branch", root, context, 422 if form.is_bound else 200)

    def revoke_page(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The open invites of a branch, to look through before they are revoked."""
        self._require(request, "invites.change_invite")
        root = get_object_or_404(User, pk=pk)
        if request.method == "POST":
            chosen = _public_ids(request.POST.getlist("invite"))
            revoked = freezing.revoke(root, chosen)
            for invite in revoked:
                # By id: the log of another's invite outlives the name of whoever is erased.
                self.log_change(request, invite, f"Revoked with the branch of {root.pk}.")
            self.message_user(request, f"{len(revoked)} invites of this branch are revoked.")
            return redirect(_branch_url(root))
        invites = freezing.open_invites(root)
        context = {
            "title": f"Revoke the open invites of {root.username} and everybody below",
            "invites": invites.order_by("created_at", "pk")[:REVIEWED_AT_ONCE],
            "count": invites.count(),
        }
        return self._page(request, "revoke", root, context)

    def _require(self, request: HttpRequest, permission: str) -> None:
        if not _staff(request).has_perm(permission):
            raise PermissionDenied

    def _page(
        self, request: HttpRequest, name: str, root: User, context: dict, status: int = 200
    ) -> HttpResponse:
        everywhere = self.admin_site.each_context(request)
        context = {**everywhere, "opts": self.opts, "root": root, **context}
        return TemplateResponse(request, f"admin/invites/{name}.html", context, status=status)


def _staff(request: HttpRequest) -> User:
    return cast(User, request.user)


def _branch_url(root: User) -> str:
    return reverse("admin:invites_branch", args=[root.pk])


def _public_ids(given: list[str]) -> list[UUID]:
    found = []
    for text in given:
        with suppress(ValueError):
            found.append(UUID(text))
    return found
