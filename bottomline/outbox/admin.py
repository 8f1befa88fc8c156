from django.contrib import admin, messages
from django.http import HttpRequest

from bottomline.admin import Rows
from bottomline.outbox import services
from bottomline.outbox.models import OutboxMessage


@admin.register(OutboxMessage)
class OutboxMessageAdmin(Rows):
    """What was promised and what came of it. Dead letters can be given another life."""

    list_display = ["kind", "status", "attempts", "last_error", "created_at", "sent_at"]
    list_filter = ["status", "kind"]
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    readonly_fields = [
        "kind",
        "subject",
        "status",
        "attempts",
        "next_attempt_at",
        "lease_until",
        "last_error",
        "created_at",
        "sent_at",
    ]
    actions = ["retry_dead"]

    @admin.action(description="Retry the selected dead messages", permissions=["change"])
    def retry_dead(self, request: HttpRequest, queryset) -> None:
        revived = sum(services.retry(message.pk) for message in queryset)
        self.message_user(
            request,
            f"{revived} will be tried again. Only dead messages can be.",
            messages.SUCCESS if revived else messages.WARNING,
        )
