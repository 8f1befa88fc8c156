"""How the promised mail is doing, on the admin's front page."""

from typing import Any

from django.db.models import Count, Min

from bottomline import dashboard
from bottomline.dashboard import May, today
from bottomline.outbox.models import OutboxMessage


def mail(may: May) -> dict[str, Any]:
    """What waits and since when, what is dead, and what was sent today."""
    if not may("outbox.view_outboxmessage"):
        return {}
    rows, status = OutboxMessage.objects, OutboxMessage.Status
    waiting = rows.filter(status=status.PENDING).aggregate(
        number=Count("pk"), oldest=Min("created_at")
    )
    return {
        "waiting": waiting,
        "dead": rows.dead().count(),
        "sent": rows.filter(status=status.SENT, sent_at__gte=today()).count(),
    }


dashboard.register("Mail", "admin/dashboard/mail.html", mail)
