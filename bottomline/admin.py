"""The admin, entered through our own login: no second door (ASVS 6.3.4)."""

from typing import Any

from django.contrib import admin, auth
from django.contrib.admin.apps import AdminConfig
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import urlencode

CLOSED = {"password_change", "password_change_done"}


class Site(admin.AdminSite):
    site_header = "The Bottom Line"
    site_title = "The Bottom Line"
    index_title = "Administration"

    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        if request.user.is_authenticated:
            raise PermissionDenied
        wanted = urlencode({"next": request.GET.get("next", request.path)})
        return HttpResponseRedirect(f"/login/?{wanted}")

    def logout(self, request: HttpRequest, extra_context: object = None) -> Any:
        auth.logout(request)
        return redirect("/login/")

    def get_urls(self) -> list:
        return [url for url in super().get_urls() if getattr(url, "name", None) not in CLOSED]


class SiteConfig(AdminConfig):
    default_site = "bottomline.admin.Site"
