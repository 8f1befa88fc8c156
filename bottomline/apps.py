from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class BottomlineConfig(AppConfig):
    name = "bottomline"

    def ready(self) -> None:
        from bottomline import checks  # noqa: F401  (registers what check --deploy asks)


class AdminConfig(admin_apps.AdminConfig):
    default_site = "bottomline.admin.Site"
