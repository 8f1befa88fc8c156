from django.apps import AppConfig


class BottomlineConfig(AppConfig):
    name = "bottomline"

    def ready(self) -> None:
        from bottomline import checks  # noqa: F401  (registers what check --deploy asks)
