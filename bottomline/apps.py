from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.utils.module_loading import autodiscover_modules


class BottomlineConfig(AppConfig):
    name = "bottomline"

    def ready(self) -> None:
        """Load what registers itself: in every app, as the admin finds its own."""
        autodiscover_modules("checks", "emails", "signals", "cleaning", "dashboard")


class AdminConfig(admin_apps.AdminConfig):
    default_site = "bottomline.admin.Site"
