"""The mail that says that a copy of somebody's data is ready."""

from accounts.emails.composing import notice
from accounts.models import Event, Export
from bottomline.outbox.mails import Mail, register
from bottomline.outbox.models import OutboxMessage
from bottomline.outbox.services import enqueue


def export_ready(export: Export) -> None:
    """Tell a member that the copy of their data can be had."""
    enqueue("export_ready", export.pk)


@register("export_ready")
def _compose_export_ready(message: OutboxMessage) -> Mail | None:
    export = Export.objects.downloadable().filter(pk=message.subject).first()
    if export is None:
        return None
    # When, from where and on what device it was asked for, should it not have been its owner.
    asked = Event.objects.filter(
        user_id=export.user_id, kind="export.requested", details__export=str(export.pk)
    ).first()
    return notice("export_ready", message, asked, until=export.expires_at) if asked else None
