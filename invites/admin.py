from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from bottomline.admin import Rows
from invites import services
from invites.forms import InviteForm
from invites.models import Invite

SHOWN = [
    "issuer",
    "email",
    "label",
    "note",
    "max_uses",
    "grants_staff",
    "created_at",
    "expires_at",
    "revoked_at",
]


class IssueForm(InviteForm, forms.ModelForm):
    """What a member may say about an invite, and whether it makes its user staff."""

    staff = forms.BooleanField(required=False, label="Whoever uses it becomes staff")

    class Meta:
        model = Invite
        fields: list[str] = []


@admin.register(Invite)
class InviteAdmin(Rows):
    """Issue and revoke. What was issued does not change afterwards, and its link is not shown."""

    list_display = ["__str__", "issuer", "state", "used", "max_uses", "created_at", "expires_at"]
    list_select_related = ["issuer"]
    list_filter = ["grants_staff", "created_at", "expires_at", "revoked_at"]
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
        invite = services.issue(issuer=cast(User, request.user), **arguments)
        self.message_user(request, f"The link to pass on: {invite.link}")
        return Invite.objects.with_redemptions().get(pk=invite.pk)

    def save_model(self, request: HttpRequest, obj: Invite, form: Any, change: bool) -> None:
        """Nothing left to do: the service has saved it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing either."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
