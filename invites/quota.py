"""How many people a member may still invite: counted from what is there, kept in no column.

So nothing has to be given back. An invite that expires, is revoked or declined no longer counts,
nor does a sign-up that nobody confirmed once it is removed; and whoever is blocked or leaves stops
counting for their inviter.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from accounts.addresses import mailbox
from accounts.models import User
from invites.errors import QuotaSpent
from invites.models import Invite, Redemption


@dataclass(frozen=True)
class Quota:
    allowance: int
    used: int

    @property
    def left(self) -> int:
        return max(0, self.allowance - self.used)


def of(member: User) -> Quota | None:
    """What the member may do and has done; None for staff, who are not limited."""
    if member.is_staff:
        return None
    return Quota(allowance=settings.INVITE_ALLOWANCE + _earned(member), used=_used(member))


def require(member: User, uses: int) -> None:
    """Raise QuotaSpent where the member may not invite so many more people.

    For inside a transaction that holds the member's row, or two could count the same.
    """
    quota = of(member)
    if quota is not None and uses > quota.left:
        raise QuotaSpent(quota.left)


def _earned(member: User) -> int:
    """More for everybody who came in by them and stayed.

    Whoever invites their own other addresses earns nothing by it.
    """
    if not settings.INVITE_EARNED:
        return 0
    since = timezone.now() - timedelta(days=settings.INVITE_EARNED_AFTER_DAYS)
    stayed = User.objects.standing().filter(
        redemption__invite__issuer=member, email_confirmed_at__lte=since
    )
    mailboxes = {mailbox(email) for email in stayed.values_list("email", flat=True)}
    return settings.INVITE_EARNED * len(mailboxes - {mailbox(member.email)})


def _used(member: User) -> int:
    """Who came in, and who still could."""
    mine = Invite.objects.filter(issuer=member)
    open_ones = mine.unexpired().aggregate(uses=Sum("max_uses", default=0))["uses"]
    closed = Redemption.objects.filter(invite__in=mine).exclude(invite__in=mine.unexpired())
    return open_ones + closed.count()
