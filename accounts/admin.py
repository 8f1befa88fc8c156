from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from accounts.models import User
from accounts.services import members, sessions
from bottomline.admin import Rows

STANDING = ["is_staff", "is_superuser"]
SHOWN = [
    "username",
    "display_name",
    "email",
    "email_confirmed_at",
    "blocked_until",
    *STANDING,
    "created_at",
    "last_login",
]


@admin.register(User)
class UserAdmin(Rows):
    """Who is here. Staff block and end sessions; nobody types another person's password.

    Not Django's UserAdmin, whose pages set passwords (ASVS 6.4.6).
    """

    list_display = ["username", "email", "email_confirmed_at", "blocked_until", "is_staff"]
    list_filter = ["is_staff", "email_confirmed_at", "blocked_until", "created_at"]
    search_fields = ["username", "email", "display_name"]
    ordering = ["-created_at"]
    fields = (*SHOWN,)
    actions = ["end_sessions"]

    @admin.action(description="End all sessions of the selected members", permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            sessions.end_all(user)
            self.log_change(request, user, "Ended all sessions.")
        self.message_user(request, "Their sessions are ended. They can log in again.")

    def save_model(self, request: HttpRequest, user: User, form: ModelForm, change: bool) -> None:
        if "blocked_until" in form.changed_data:
            members.block(user, until=form.cleaned_data["blocked_until"])
        if set(STANDING) & set(form.changed_data):
            members.set_standing(
                user,
                is_staff=form.cleaned_data["is_staff"],
                is_superuser=form.cleaned_data["is_superuser"],
            )

    def get_readonly_fields(self, request: HttpRequest, user: Any = None) -> list[str]:
        if user is not None and user.pk == request.user.pk:
            return (
                SHOWN  # nobody blocks or demotes themselves by mistake; another member of staff can
            )
        # Only an owner makes staff, or a member of staff could make themselves owner.
        changeable = {"blocked_until", *(STANDING if request.user.is_superuser else [])}
        return [name for name in SHOWN if name not in changeable]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, user: Any = None) -> bool:
        """A row cannot simply go: it would reopen the invite it came by. Block instead."""
        return False
