from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.addresses import EMAIL_LENGTH
from accounts.models.user import User
from bottomline import tokens

CONFIRM = "email_change"
UNDO = "email_undo"

CONFIRM_WITHIN = timedelta(hours=1)  # they sit at the page that says “look into the new mailbox”
UNDO_WITHIN = timedelta(days=7)  # and the old mailbox may be looked into after a holiday


class EmailChangeQuerySet(models.QuerySet["EmailChange"]):
    def open(self) -> "EmailChangeQuerySet":
        """What was asked for and is neither done nor given up, though it may be too late."""
        return self.filter(confirmed_at=None, ended_at=None, undone_at=None)

    def pending(self) -> "EmailChangeQuerySet":
        """What its new address can still confirm."""
        begun_after = timezone.now() - CONFIRM_WITHIN
        return self.open().filter(requested_at__gt=begun_after)

    def undoable(self) -> "EmailChangeQuerySet":
        """What its old address can still take back, also where it never came to anything.

        Whoever asked for it had the member's password, so to say “that was not me” must end more
        than the change; and what its requester has cancelled since is no less suspicious.
        """
        earliest = timezone.now() - UNDO_WITHIN
        since = Q(confirmed_at__gt=earliest) | Q(confirmed_at=None, requested_at__gt=earliest)
        return self.filter(since, undone_at=None)

    def holding(self, email: str) -> "EmailChangeQuerySet":
        """The changes by which an account may yet come back to that address."""
        return self.undoable().filter(old_email=email).exclude(confirmed_at=None)

    def over(self) -> "EmailChangeQuerySet":
        """What can be neither confirmed nor undone any more."""
        earliest = timezone.now() - UNDO_WITHIN
        by_request = Q(confirmed_at=None, requested_at__lte=earliest)
        return self.filter(by_request | Q(confirmed_at__lte=earliest))

    def find(self, token: str, purpose: str) -> "EmailChange | None":
        """The change a link is good for; looking spends nothing."""
        public_id = tokens.find(purpose, token)
        if public_id is None:
            return None
        good = self.pending() if purpose == CONFIRM else self.undoable()
        return good.select_related("user").filter(public_id=public_id).first()


class EmailChange(models.Model):
    """An account on its way from one address to another, and for a week perhaps back.

    Both links are derived from this row, one for each mailbox, so neither can be used for an
    address that it was not sent to.
    """

    public_id = models.UUIDField(unique=True, default=tokens.new_public_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="email_changes")
    old_email = models.CharField(max_length=EMAIL_LENGTH)
    new_email = models.CharField(max_length=EMAIL_LENGTH)
    requested_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)  # cancelled, or replaced by a newer one
    undone_at = models.DateTimeField(null=True)

    objects = EmailChangeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(confirmed_at=None, ended_at=None, undone_at=None),
                name="email_change_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(new_email=F("old_email")), name="email_change_changes"
            ),
            models.CheckConstraint(
                condition=Q(confirmed_at=None) | Q(ended_at=None),
                name="email_change_is_confirmed_or_ended",
            ),
        ]
        indexes = [models.Index(fields=["old_email"], name="email_change_by_old_address")]

    def __str__(self) -> str:
        return f"email change {self.pk}"

    @property
    def confirm_token(self) -> str:
        """What the link to the new address carries; the same however often it is sent."""
        return tokens.make(CONFIRM, self.public_id)

    @property
    def undo_token(self) -> str:
        """What the links to the old address carry, before and after it is confirmed."""
        return tokens.make(UNDO, self.public_id)

    @property
    def confirm_until(self) -> datetime:
        return self.requested_at + CONFIRM_WITHIN

    @property
    def undo_until(self) -> datetime:
        return (self.confirmed_at or self.requested_at) + UNDO_WITHIN


@dataclass(frozen=True)
class Holder:
    """Whose an address is: the account's that has it, or one's that has only just moved away."""

    user: User
    moved_away: EmailChange | None = None

    @property
    def is_confirmed(self) -> bool:
        """False where anybody may have typed the address: an account that nobody confirmed."""
        return self.user.is_confirmed


def holder_of(email: str, *, lock: bool = False) -> Holder | None:
    """Whose an address is now, or for the days in which somebody may come back to it.

    Every door that gives out addresses asks this. Asked in this order, it misses nobody who moves
    away meanwhile: they are found before they have moved, or the way back that they keep is. And
    both are always asked, so that the time does not tell which of them knew.
    """
    users = User.objects.select_for_update() if lock else User.objects.all()
    user = users.filter(email=email).first()
    held = EmailChange.objects.holding(email).select_related("user").order_by("-confirmed_at")
    change = held.first()
    if user is not None:
        return Holder(user)
    return Holder(change.user, change) if change else None
