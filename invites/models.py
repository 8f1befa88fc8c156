from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Count, F, Q
from django.utils import timezone

from accounts.addresses import EMAIL_LENGTH
from accounts.models import User
from bottomline import tokens

PURPOSE = "invite"
LIFETIME = timedelta(days=7)
LABEL_LENGTH = 60
NOTE_LENGTH = 100
MOST_USES = 1000


class InviteQuerySet(models.QuerySet["Invite"]):
    def with_redemptions(self) -> "InviteQuerySet":
        return self.annotate(redemption_count=Count("redemptions"))

    def redeemable(self) -> "InviteQuerySet":
        """In time, not revoked, with a use left, and from somebody who may still invite."""
        now = timezone.now()
        return self.with_redemptions().filter(  # type: ignore[misc]  # it knows no annotations
            Q(issuer=None) | Q(issuer__blocked_until=None) | Q(issuer__blocked_until__lte=now),
            # Whoever is no longer an owner makes no owners.
            Q(grants_staff=False) | Q(issuer=None) | Q(issuer__is_superuser=True),
            revoked_at=None,
            expires_at__gt=now,
            redemption_count__lt=F("max_uses"),
        )

    def find(self, token: str) -> "Invite | None":
        """The redeemable invite a link carries; looking spends nothing."""
        public_id = tokens.find(PURPOSE, token)
        if public_id is None:
            return None
        return self.redeemable().select_related("issuer").filter(public_id=public_id).first()

    def lock(self, token: str) -> "Invite | None":
        """The redeemable invite, held until the transaction ends: of two arriving, one waits.

        The row is locked before its redemptions are counted, or two could count the same. SQLite
        has no row locks; there our transactions take the write lock when they begin.
        """
        public_id = tokens.find(PURPOSE, token)
        if public_id is None or not self.select_for_update().filter(public_id=public_id).first():
            return None
        return self.find(token)


class Invite(models.Model):
    """A door held open: for one person or several, until a day, perhaps for one address."""

    redemption_count: int  # from `with_redemptions`

    public_id = models.UUIDField(unique=True, default=tokens.new_public_id, editable=False)
    issuer = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="invites"
    )
    email = models.CharField("for this address only", max_length=EMAIL_LENGTH, blank=True)
    label = models.CharField(
        max_length=LABEL_LENGTH, blank=True, help_text="For the inviter's own eyes."
    )
    note = models.CharField(
        max_length=NOTE_LENGTH, blank=True, help_text="Shown to the person invited."
    )
    max_uses = models.PositiveIntegerField("uses", default=1)
    grants_staff = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = InviteQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(max_uses__gte=1, max_uses__lte=MOST_USES), name="invite_has_uses"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="invite_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=Q(email="") | Q(max_uses=1), name="invite_for_one_address_has_one_use"
            ),
        ]
        indexes = [models.Index(fields=["issuer", "-created_at"], name="invite_by_issuer")]

    def __str__(self) -> str:
        return self.label or f"invite {self.pk}"

    @property
    def link(self) -> str:
        """The address that opens it; the same however often it is looked up."""
        return f"{settings.SITE_URL}/invite/{tokens.make(PURPOSE, self.public_id)}/"

    @property
    def inviter_name(self) -> str:
        return self.issuer.display_name if self.issuer else ""

    def admits(self, email: str) -> bool:
        return self.email in {"", email}

    # What follows needs `with_redemptions`.

    @property
    def uses_left(self) -> int:
        return max(0, self.max_uses - self.redemption_count)

    @property
    def status(self) -> str:
        if self.revoked_at:
            return "revoked"
        if not self.uses_left:
            return "used"
        if self.issuer and self.issuer.is_blocked:
            return "closed"
        return "open" if timezone.now() < self.expires_at else "expired"

    @property
    def is_redeemable(self) -> bool:
        return self.status == "open"


class Redemption(models.Model):
    """Who came in on which invite. Goes with an account nobody confirmed, which frees the use."""

    invite = models.ForeignKey(Invite, on_delete=models.PROTECT, related_name="redemptions")
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="redemption")
    redeemed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.user_id} by {self.invite_id}"
