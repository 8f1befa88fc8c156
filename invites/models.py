from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.addresses import EMAIL_LENGTH, mailbox, unlinked
from accounts.models import User
from bottomline import keys, tokens
from invites.lineage import Above
from invites.words import for_a_stranger

PURPOSE = "invite"
DECLINE = "invite-decline"
LIFETIME = timedelta(days=7)
LABEL_LENGTH = 60
NOTE_LENGTH = 100
MOST_USES = 1000
ENDED_KEPT = timedelta(days=90)  # till then its inviter may look at it, or open it again
SHOWN_GUESTS = 20
REASON_LENGTH = 200


class InviteQuerySet(models.QuerySet["Invite"]):
    def with_redemptions(self) -> "InviteQuerySet":
        """What each has been used for, and whether its issuer may invite just now."""
        # Counted beside, not joined: what needs no count, such as a page's number, is spared it.
        used = Redemption.objects.filter(invite=OuterRef("pk")).order_by().values("invite")
        return self.annotate(
            redemption_count=Coalesce(used.annotate(count=Count("pk")).values("count"), 0),
            is_paused=Exists(Freeze.objects.over(OuterRef("issuer"))),
        )

    def with_guests(self) -> "InviteQuerySet":
        """Who came in on each, the first of them at least."""
        guests = Redemption.objects.select_related("user").order_by("redeemed_at", "pk")
        return self.select_related("issuer").prefetch_related(
            Prefetch("redemptions", guests[:SHOWN_GUESTS], to_attr="guests")
        )

    def standing(self) -> "InviteQuerySet":
        """Ended by nobody; perhaps by its day, or used up."""
        return self.filter(revoked_at=None, declined_at=None)

    def unexpired(self) -> "InviteQuerySet":
        """Ended neither by anybody nor by its day; perhaps used up."""
        return self.standing().filter(expires_at__gt=timezone.now())

    def over(self) -> "InviteQuerySet":
        """What ended so long ago that nobody opens it again, and by which nobody came in.

        One that somebody used stays for ever: who invited whom hangs on it, and what its issuer has
        spent. One that nobody used counts for nothing once it has ended.
        """
        long_ago = timezone.now() - ENDED_KEPT
        has_ended = (
            Q(expires_at__lte=long_ago) | Q(revoked_at__lte=long_ago) | Q(declined_at__lte=long_ago)
        )
        used = Redemption.objects.filter(invite=OuterRef("pk"))
        return self.filter(has_ended, ~Exists(used))

    def with_a_use_left(self) -> "InviteQuerySet":
        """What could still let somebody in, if its issuer may invite, or when they may again."""
        unused = Q(redemption_count__lt=F("max_uses"))
        return self.unexpired().with_redemptions().filter(unused)

    def redeemable(self) -> "InviteQuerySet":
        """In time, not revoked, with a use left, and from somebody who may still invite."""
        now = timezone.now()
        return self.with_a_use_left().filter(
            Q(issuer=None) | Q(issuer__blocked_until=None) | Q(issuer__blocked_until__lte=now),
            # Whoever is no longer an owner makes no owners.
            Q(grants_staff=False) | Q(issuer=None) | Q(issuer__is_superuser=True),
            Q(is_paused=False),
            issuer__closed_at=None,
            issuer__erased_at=None,
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
        return self.lock_named(public_id) if public_id else None

    def lock_named(self, public_id: UUID) -> "Invite | None":
        """The same, by the name in its row, of one that was opened before."""
        if not self.select_for_update().filter(public_id=public_id).first():
            return None
        return self.redeemable().select_related("issuer").filter(public_id=public_id).first()


class Invite(models.Model):
    """A door held open: for one person or several, until a day, perhaps for one address."""

    redemption_count: int  # from `with_redemptions`, as is the next
    is_paused: bool

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
    declined_at = models.DateTimeField(null=True, editable=False)
    # When its page was first opened, and when its issuer last asked for it to be mailed.
    opened_at = models.DateTimeField(null=True, editable=False)
    mailed_at = models.DateTimeField(null=True, editable=False)

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
        indexes = [
            models.Index(fields=["issuer", "-created_at"], name="invite_by_issuer"),
            models.Index(fields=["created_at"], name="invite_by_age"),
            models.Index(
                fields=["opened_at"],
                condition=Q(opened_at__isnull=False),
                name="invite_by_opening",
            ),
        ]

    def __str__(self) -> str:
        return self.label or f"invite {self.pk}"

    @property
    def link(self) -> str:
        """The address that opens it; the same however often it is looked up."""
        return f"{settings.SITE_URL}/invite/{tokens.make(PURPOSE, self.public_id)}/"

    @property
    def decline_link(self) -> str:
        """The address that declines it, for the mail alone: whoever has it reads that mailbox."""
        return f"{settings.SITE_URL}/invite/{tokens.make(DECLINE, self.public_id)}/decline/"

    @property
    def inviter_name(self) -> str:
        """Who invites, for somebody who does not know them: a name, and never a site's."""
        if self.issuer is None:
            return ""
        return for_a_stranger(self.issuer.display_name) or unlinked(self.issuer.username)

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
        if self.declined_at:
            return "declined"
        if not self.uses_left:
            return "used"
        if self.issuer and (self.issuer.is_blocked or self.issuer.is_closed):
            return "closed"
        if self.is_paused and timezone.now() < self.expires_at:
            return "paused"
        return "open" if timezone.now() < self.expires_at else "expired"

    @property
    def is_redeemable(self) -> bool:
        return self.status == "open"

    @property
    def is_revocable(self) -> bool:
        return self.status in {"open", "paused"}

    @property
    def is_extendable(self) -> bool:
        """Whether more time would change anything worth a button."""
        soon = timezone.now() + LIFETIME - timedelta(days=1)
        return self.status in {"open", "expired"} and self.expires_at < soon


class Redemption(models.Model):
    """Who came in on which invite. Goes with an account nobody confirmed, which frees the use."""

    invite = models.ForeignKey(Invite, on_delete=models.PROTECT, related_name="redemptions")
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="redemption")
    redeemed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.user_id} by {self.invite_id}"


class FreezeQuerySet(models.QuerySet["Freeze"]):
    def active(self) -> "FreezeQuerySet":
        return self.filter(thawed_at=None)

    def over(self, member: User | OuterRef) -> "FreezeQuerySet":
        """What keeps a member from inviting: a freeze of theirs or of anybody's above them."""
        whom = Value(member.pk) if isinstance(member, User) else member
        return self.active().filter(root__in=Above(whom))


class Freeze(models.Model):
    """No invites from a member and from everybody below them, until thawed."""

    root = models.ForeignKey(User, on_delete=models.CASCADE, related_name="freezes")
    frozen_by = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name="by"
    )
    reason = models.CharField(max_length=REASON_LENGTH)
    frozen_at = models.DateTimeField(default=timezone.now)
    thawed_at = models.DateTimeField(null=True)

    objects = FreezeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["root"], condition=Q(thawed_at=None), name="one_freeze_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"freeze {self.pk}"


class AddressBlockQuerySet(models.QuerySet["AddressBlock"]):
    def add(self, email: str) -> None:
        """Never mail an invite to that address again."""
        self.get_or_create(mac=_block_macs(email)[0])

    def holds(self, email: str) -> bool:
        return self.filter(mac__in=_block_macs(email)).exists()


class AddressBlock(models.Model):
    """An address whose owner wants no more invites: a keyed MAC, so nobody can read which.

    Of the mailbox, not of one of its +tags, which whoever pesters them could make up. It is found
    as long as the key it was made under is in use.
    """

    mac = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = AddressBlockQuerySet.as_manager()

    def __str__(self) -> str:
        return f"block {self.pk}"


def _block_macs(email: str) -> list[str]:
    return [mac.hex() for mac in keys.macs("invite-block", mailbox(email).encode())]
