"""The transactional outbox: a mail is promised in the transaction it belongs to, then delivered.

The row is the truth. Publishing to the broker only hurries the delivery; the sweep finds whatever
was never published or never finished.
"""

import logging
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.core.mail import get_connection
from django.db import transaction
from django.db.models import Count, Min
from django.utils import timezone

from bottomline import hints, metrics
from bottomline.afterwards import after_commit
from bottomline.outbox import mails
from bottomline.outbox.models import MOST_ATTEMPTS, OutboxMessage
from bottomline.outbox.signals import mail_sent

log = logging.getLogger(__name__)

DELIVER = "bottomline.outbox.tasks.deliver_message"
SWEEP_BATCH = 200


def enqueue(kind: str, subject: object) -> OutboxMessage:
    """Promise a mail, in the caller's transaction: it goes out if and only if that commits."""
    message = OutboxMessage.objects.create(kind=kind, subject=str(subject))
    after_commit(hints.publish, DELIVER, message.id)
    return message


def deliver(message_id: UUID) -> bool:
    """Send one message if it is due and nobody else is at it; safe to run any number of times.

    Returns False where the mail server cannot be reached, so whoever has more can stop trying.
    """
    message = OutboxMessage.objects.claim(message_id)
    if message is None:
        return True
    if message.attempts > MOST_ATTEMPTS:
        # Each attempt ended without a word, so this message kills its workers.
        message.finish(OutboxMessage.Status.DEAD, error="never finished")
        return True
    mail = mails.compose(message)
    if mail is None:
        message.finish(OutboxMessage.Status.MOOT)
        return True
    return _send(message, mail)


def sweep() -> int:
    """Deliver whatever is due, oldest first; returns how many were tried."""
    due = OutboxMessage.objects.due(timezone.now()).order_by("next_attempt_at")
    tried = 0
    for message_id in list(due.values_list("pk", flat=True)[:SWEEP_BATCH]):
        tried += 1
        try:
            if not deliver(message_id):
                break
        except Exception:
            # A fault in one mail must not hold up the others. Its attempt is counted and its lease
            # runs out, so it comes again, and is dead when it has had its share.
            log.exception("mail.crashed", extra={"id": str(message_id)})
    return tried


def retry(message_id: UUID) -> bool:
    """Give a dead message another life; False if it is not dead."""
    revived = retry_many([message_id])
    if revived:
        after_commit(hints.publish, DELIVER, message_id)
    return bool(revived)


@transaction.atomic
def retry_many(message_ids: Sequence[UUID]) -> int:
    """The same for many, which the sweep finds by and by; returns how many were dead."""
    # Who does this at the same time is not waited for: what they hold, they revive.
    dead = OutboxMessage.objects.dead().filter(pk__in=message_ids)
    held = dead.select_for_update(skip_locked=True).values_list("pk", flat=True)
    return OutboxMessage.objects.filter(pk__in=list(held)).update(
        status=OutboxMessage.Status.PENDING, attempts=0, next_attempt_at=timezone.now()
    )


@dataclass(frozen=True)
class Standing:
    """How many messages have which status, how late the latest is, and what died of what."""

    counts: dict[str, int]
    late: timedelta | None
    dead: list[tuple[str, str, int]]  # kind, error, how many


def standing() -> Standing:
    """How the outbox is doing. Late is what is due and waits: with workers well, for seconds."""
    counted = Count("pk")
    rows = OutboxMessage.objects.order_by().values_list("status").annotate(count=counted)
    found = dict(rows)
    dead = OutboxMessage.objects.dead().order_by("kind", "last_error")
    now = timezone.now()
    oldest = OutboxMessage.objects.due(now).aggregate(at=Min("next_attempt_at"))["at"]
    return Standing(
        counts={status: found.get(status, 0) for status in OutboxMessage.Status.values},
        late=now - oldest if oldest else None,
        dead=list(dead.values_list("kind", "last_error").annotate(count=counted)),
    )


def _send(message: OutboxMessage, mail: mails.Mail) -> bool:
    """Hand it to the mail server and note how that went; False where there is no server.

    A server may take the mail and the answer be lost: then it is sent again, with the same
    Message-ID and the same link. A lost mail would be worse.
    """
    connection = get_connection()
    try:
        connection.open()
    except (smtplib.SMTPException, OSError) as error:
        message.postpone(error=type(error).__name__, counts=False)
        _log(message, "postponed", error=type(error).__name__)
        return False
    try:
        rendered = mails.render(mail, message)
        rendered.connection = connection
        rendered.send()
    except smtplib.SMTPRecipientsRefused as refused:
        _note_refusal(message, min(code for code, _ in refused.recipients.values()))
    except smtplib.SMTPResponseException as refused:
        _note_refusal(message, refused.smtp_code)
    except (smtplib.SMTPException, OSError) as error:
        message.postpone(error=type(error).__name__)
        _log(message, "postponed", error=type(error).__name__)
    else:
        # Only then, and robustly: whatever a listener does, the mail is not sent a second time.
        if message.finish(OutboxMessage.Status.SENT):
            mail_sent.send_robust(sender=OutboxMessage, mail=mail)
        _log(message, "sent")
    finally:
        connection.close()
    return True


def _note_refusal(message: OutboxMessage, code: int) -> None:
    # RFC 5321, 4.2.1: 4yz may succeed later, 5yz will not.
    if code >= 500:
        message.finish(OutboxMessage.Status.DEAD, error=f"SMTP {code}")
        _log(message, "dead", error=f"SMTP {code}")
    else:
        message.postpone(error=f"SMTP {code}")
        _log(message, "postponed", error=f"SMTP {code}")


def _log(message: OutboxMessage, outcome: str, **fields: object) -> None:
    metrics.MAILS.labels(message.kind, outcome).inc()
    log.info(f"mail.{outcome}", extra={"mail": message.kind, "id": str(message.id), **fields})
