from django.apps import AppConfig


class OutboxConfig(AppConfig):
    name = "bottomline.outbox"
    label = "outbox"
    verbose_name = "Outbox"
