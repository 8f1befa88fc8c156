"""What staff do about a branch: who came in by a member, and by them, and so on.

Written into the history of the member it begins with, without the address of staff; which of them
it was is in the admin's own log.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import Value
from django.utils import timezone

from accounts.events import SYSTEM, record
from accounts.models import User
from invites import services
from invites.lineage import Below
from invites.models import Freeze, Invite, InviteQuerySet


@transaction.atomic
def freeze(root: User, *, reason: str, by: User) -> bool:
    """Stop all inviting in a member's branch; False if it was stopped there already."""
    # The constraint has the last word: of two at once one finds the other's row.
    row = {"reason": reason, "frozen_by": by}
    _, is_new = Freeze.objects.get_or_create(root=root, thawed_at=None, defaults=row)
    if is_new:
        record("invites.frozen", caller=SYSTEM, user=root)
    return is_new


@transaction.atomic
def thaw(root: User) -> bool:
    """Let the branch invite again, and its open invites open; False if it was not frozen there."""
    thawed = Freeze.objects.active().filter(root=root).update(thawed_at=timezone.now())
    if thawed:
        record("invites.thawed", caller=SYSTEM, user=root)
    return bool(thawed)


def open_invites(root: User) -> InviteQuerySet:
    """Every invite of the branch that could let somebody in, were it not frozen."""
    branch = Below(Value(root.pk))
    return Invite.objects.with_a_use_left().filter(issuer__in=branch).select_related("issuer")


@transaction.atomic
def revoke(root: User, chosen: Iterable[UUID]) -> list[Invite]:
    """Revoke those of the branch's open invites that were chosen; returns them."""
    invites = list(open_invites(root).filter(public_id__in=chosen))
    for invite in invites:
        services.revoke(invite)
    return invites
