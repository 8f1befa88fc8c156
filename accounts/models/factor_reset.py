from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models.user import User
from bottomline import tokens

CALL_OFF = "factor_reset_link"

# Long enough that somebody who looks into their mail on Monday reads what was asked on Friday.
WAIT = timedelta(hours=72)
REMIND_BEFORE = timedelta(hours=24)
APPROVE_WITHIN = timedelta(days=14)  # then it was for nothing, and they may ask again
KEPT = timedelta(days=90)  # after its end, for staff who are asked what happened

NOTE_LENGTH = 500


class Outcome(models.TextChoices):
    DONE = "done"
    REFUSED = "refused"
    CALLED_OFF = "called off"
    LAPSED = "lapsed"


class FactorResetQuerySet(models.QuerySet["FactorReset"]):
    def open(self) -> "FactorResetQuerySet":
        """What somebody waits for."""
        return self.filter(ended_at=None)

    def ripe(self) -> "FactorResetQuerySet":
        """What is approved, and has waited for long enough."""
        approved = self.open().exclude(approved_at=None)
        return approved.filter(requested_at__lte=timezone.now() - WAIT)

    def soon(self) -> "FactorResetQuerySet":
        """What is about to have waited for long enough, without anybody having been reminded."""
        latest = timezone.now() - (WAIT - REMIND_BEFORE)
        waiting = self.open().filter(reminded_at=None, requested_at__lte=latest)
        return waiting.filter(requested_at__gt=timezone.now() - WAIT)

    def stale(self) -> "FactorResetQuerySet":
        """What nobody approved in time."""
        return self.open().filter(requested_at__lte=timezone.now() - APPROVE_WITHIN)

    def over(self) -> "FactorResetQuerySet":
        """What ended so long ago that nobody asks for it."""
        return self.filter(ended_at__lte=timezone.now() - KEPT)

    def find(self, token: str) -> "FactorReset | None":
        """What a link calls off; looking changes nothing."""
        public_id = tokens.find(CALL_OFF, token)
        if public_id is None:
            return None
        return self.open().select_related("user").filter(public_id=public_id).first()


class FactorReset(models.Model):
    """The wish of somebody who lost their second factor, until it ends one way or the other.

    That one is open says the member's row as well, for their sessions to know it without asking.
    From where it was asked for is in the history.
    """

    public_id = models.UUIDField(unique=True, default=tokens.new_public_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="factor_resets")
    requested_at = models.DateTimeField(default=timezone.now)
    note = models.TextField(blank=True)  # to staff
    reminded_at = models.DateTimeField(null=True)
    approved_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True)

    objects = FactorResetQuerySet.as_manager()

    class Meta:
        verbose_name = "reset of a second factor"
        verbose_name_plural = "resets of second factors"
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(ended_at=None), name="factor_reset_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, outcome="") | Q(ended_at__isnull=False) & ~Q(outcome=""),
                name="factor_reset_ends_somehow",
            ),
            models.CheckConstraint(
                condition=~Q(outcome="done") | Q(approved_at__isnull=False),
                name="factor_reset_done_is_approved",
            ),
        ]

    def __str__(self) -> str:
        return f"reset {self.pk}"

    @property
    def token(self) -> str:
        """What the link carries that calls it off; the same in every mail about it."""
        return tokens.make(CALL_OFF, self.public_id)

    @property
    def due_at(self) -> datetime:
        """When it takes effect, if it is approved by then."""
        return self.requested_at + WAIT

    @property
    def lapses_at(self) -> datetime:
        return self.requested_at + APPROVE_WITHIN

    @property
    def is_ripe(self) -> bool:
        return self.approved_at is not None and timezone.now() >= self.due_at
