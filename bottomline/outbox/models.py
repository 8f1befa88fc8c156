import uuid
from datetime import datetime, timedelta
from random import SystemRandom

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

# Twice what a delivery may take (EMAIL_TIMEOUT is per socket operation, the task has two minutes),
# so a lease ends only when its worker is gone.
LEASE = timedelta(minutes=4)

# Full jitter between these (AWS Architecture Blog, "Exponential Backoff and Jitter").
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(hours=1)
MOST_ATTEMPTS = 12

DONE_KEPT = timedelta(days=30)
DEAD_KEPT = timedelta(days=90)


class OutboxQuerySet(models.QuerySet["OutboxMessage"]):
    def due(self, now: datetime) -> "OutboxQuerySet":
        """What should be delivered by now and no worker is at."""
        return self.filter(
            Q(lease_until=None) | Q(lease_until__lte=now),
            status=OutboxMessage.Status.PENDING,
            next_attempt_at__lte=now,
        )

    def dead(self) -> "OutboxQuerySet":
        """What is not tried again, unless somebody says so."""
        return self.filter(status=OutboxMessage.Status.DEAD)

    def over(self) -> "OutboxQuerySet":
        """What is to be forgotten: done, or dead for so long that nobody will retry it."""
        now = timezone.now()
        is_done = Q(status__in=[OutboxMessage.Status.SENT, OutboxMessage.Status.MOOT])
        # When it was last due is when it was last tried, by a few minutes.
        return self.filter(
            is_done & Q(next_attempt_at__lte=now - DONE_KEPT)
            | Q(status=OutboxMessage.Status.DEAD, next_attempt_at__lte=now - DEAD_KEPT)
        )

    def claim(self, pk: uuid.UUID) -> "OutboxMessage | None":
        """Take a due message for this worker alone; None where another has it or it is done.

        One UPDATE on the row's own columns, so of two workers one wins on any database. The
        attempt counts before the work: a message that kills its worker does not do so for ever.
        """
        now, lease = timezone.now(), uuid.uuid4()
        claimed = self.due(now).filter(pk=pk)
        if not claimed.update(lease=lease, lease_until=now + LEASE, attempts=F("attempts") + 1):
            return None
        # Not whatever lease the row has by now, should this worker have been frozen in between.
        return self.filter(pk=pk, lease=lease).first()


class OutboxMessage(models.Model):
    """A mail that was promised: its kind and the id of what it is about.

    No body, no address and no token is kept. Whoever delivers it looks at the subject again, and
    sends nothing if the mail no longer makes sense.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        MOOT = "moot"
        DEAD = "dead"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=50)
    subject = models.CharField(max_length=64, help_text="The id of what the mail is about.")
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    lease = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)

    objects = OutboxQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status="sent", sent_at__isnull=False) | ~Q(status="sent"),
                name="outbox_sent_has_a_time",
            )
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(status="pending"), name="outbox_due"
            ),
            models.Index(fields=["created_at"], condition=Q(status="dead"), name="outbox_dead"),
            models.Index(fields=["sent_at"], condition=Q(status="sent"), name="outbox_sent"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    def finish(self, status: str, *, error: str = "") -> bool:
        """Close the message; False if the lease was lost and another worker has it."""
        return self._release(
            status=status,
            last_error=error,
            sent_at=timezone.now() if status == self.Status.SENT else None,
        )

    def postpone(self, *, error: str, counts: bool = True) -> bool:
        """Try again later; an attempt that never reached the mail server does not count."""
        if counts and self.attempts >= MOST_ATTEMPTS:
            return self.finish(self.Status.DEAD, error=error)
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self.attempts, 10))
        seconds = SystemRandom().uniform(FIRST_WAIT.total_seconds() / 2, wait.total_seconds())
        if not counts:
            seconds = min(seconds, FIRST_WAIT.total_seconds())
        return self._release(
            attempts=self.attempts if counts else self.attempts - 1,
            last_error=error,
            next_attempt_at=timezone.now() + timedelta(seconds=seconds),
        )

    def _release(self, **fields: object) -> bool:
        # The lease is a fence: a worker that was frozen past its end changes nothing.
        mine = OutboxMessage.objects.filter(pk=self.pk, lease=self.lease)
        return bool(mine.update(lease=None, lease_until=None, **fields))
