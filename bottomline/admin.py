"""The admin, entered through our own login: no second door (ASVS 6.3.4)."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.decorators import method_decorator

from bottomline import dashboard
from bottomline.sessions.request import Request


class Rows(admin.ModelAdmin):
    """Rows that come about by what people do: here they are looked at, not typed in nor deleted.

    They are filtered by what the page offers and by nothing else. Django lets an address name any
    column of the table, and so guess at a password's hash letter by letter, or send the database a
    regular expression.
    """

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        field, _, how = lookup.partition("__")
        is_offered = field in self.list_filter and how in {"", "exact", "isnull", "gte", "lt"}
        return is_offered and "\0" not in value  # which PostgreSQL takes in no text


class Records(Rows):
    """Rows that nobody changes either."""

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class TemporaryRedirect(HttpResponseRedirect):
    status_code = 307  # with the same method and body (RFC 9110, 15.4.8)


TWO_FACTORS = (
    "The admin opens only to staff who have proved a second factor. Set one up here, or log in "
    "again with the one you have, or with a passkey."
)

CLOSED = {"password_change", "password_change_done"}


class Site(admin.AdminSite):
    site_header = "The Bottom Line"
    site_title = "The Bottom Line"
    index_title = "Administration"

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff, in a session that has proved two factors (ASVS 6.3.3)."""
        return super().has_permission(request) and _has_two_factors(request)

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        """Not a login page: on to ours, or in, or no."""
        if self.has_permission(request):
            return redirect("admin:index")
        if super().has_permission(request):
            messages.warning(request, TWO_FACTORS)
            return redirect("/account/security/factor/")
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next", "/admin/"), "/login/")

    def index(self, request: HttpRequest, extra_context: dict | None = None) -> Any:
        """The front page, with how things stand above what there is."""
        panels = dashboard.panels(request.user.has_perm)
        return super().index(request, {"panels": panels} | (extra_context or {}))

    def logout(self, request: HttpRequest, extra_context: object = None) -> Any:
        """On to our own, method and form and all, so there is one way to log out."""
        return TemporaryRedirect("/logout/")

    def get_urls(self) -> list:
        return [url for url in super().get_urls() if getattr(url, "name", None) not in CLOSED]


def _has_two_factors(request: HttpRequest) -> bool:
    meta = cast(Request, request).session.meta
    return meta is not None and meta.has_two_factors
