import secrets
import uuid
from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models.user import User
from bottomline.tokens import new_public_id

DOWNLOAD_WITHIN = timedelta(days=7)
ONE_EVERY = timedelta(days=1)
# Above what a task may take (CELERY_TASK_TIME_LIMIT): it ends only when its worker is gone.
LEASE = timedelta(minutes=4)
MOST_ATTEMPTS = 5
FOLDER = "exports"


class ExportQuerySet(models.QuerySet["Export"]):
    def waiting(self) -> "ExportQuerySet":
        """What is still to be made, and no worker is at."""
        now = timezone.now()
        return self.filter(
            Q(lease_until=None) | Q(lease_until__lte=now), ready_at=None, failed_at=None
        )

    def claim(self, pk: uuid.UUID) -> "Export | None":
        """Take one for this worker alone, with a file name of its own; None where another has it.

        The attempt counts before the work: an export that kills its workers does not for ever.
        """
        lease = uuid.uuid4()
        claimed = self.waiting().filter(pk=pk, attempts__lt=MOST_ATTEMPTS)
        if not claimed.update(
            lease=lease,
            lease_until=timezone.now() + LEASE,
            attempts=F("attempts") + 1,
            # Noted before there is such a file: one that no row names belongs to nobody.
            name=f"{FOLDER}/{secrets.token_urlsafe(24)}.zip",
        ):
            return None
        return self.filter(pk=pk, lease=lease).first()

    def downloadable(self) -> "ExportQuerySet":
        return self.filter(ready_at__isnull=False, expires_at__gt=timezone.now()).exclude(name="")

    def over(self) -> "ExportQuerySet":
        """Whose file is to go."""
        return self.filter(Q(expires_at__lte=timezone.now()) | Q(failed_at__isnull=False)).exclude(
            name=""
        )


class Export(models.Model):
    """A copy of a member's data: asked for, made by a worker, and for some days to be had."""

    id = models.UUIDField(primary_key=True, default=new_public_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="exports")
    requested_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    name = models.CharField(max_length=100, blank=True)  # of the file; also while it is written
    size = models.PositiveBigIntegerField(null=True)
    ready_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)

    objects = ExportQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ready_at=None) | Q(expires_at__isnull=False, failed_at=None),
                name="export_ready_expires",
            )
        ]

    def __str__(self) -> str:
        return f"export {self.pk}"

    @property
    def is_downloadable(self) -> bool:
        return bool(self.name and self.expires_at and timezone.now() < self.expires_at)

    @property
    def next_from(self) -> datetime | None:
        """When its owner may ask for another; None if that is now, or if this one failed."""
        until = self.requested_at + ONE_EVERY
        return until if self.failed_at is None and timezone.now() < until else None

    def finish(self, size: int) -> bool:
        """Let it be had; False where the lease was lost, or the row is gone with its member."""
        now = timezone.now()
        return self._release(size=size, ready_at=now, expires_at=now + DOWNLOAD_WITHIN)

    def _release(self, **fields: object) -> bool:
        mine = Export.objects.filter(pk=self.pk, lease=self.lease)
        return bool(mine.update(lease=None, lease_until=None, **fields))
