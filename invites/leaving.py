"""What invites keep of a member: for them to take along, and to be forgotten when they go."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import Prefetch, Q
from django.utils import timezone

from accounts.models import User
from accounts.services import erasure
from accounts.services.export import Part, as_json, as_list
from invites.models import Freeze, Invite, Redemption

EXPORTED_AT_ONCE = 500


def export(user: User) -> Part:
    """Who invited a member, and the invites they made: no links, and nobody else's address."""
    came_in, made = as_json(_came_in(user)), as_list(_made(user))
    pieces = chain(['{"came_in": '], came_in, [', "made": '], made, ["}\n"])
    return Part("invites.json", pieces)


def _came_in(user: User) -> dict[str, Any] | None:
    came = Redemption.objects.filter(user=user).select_related("invite__issuer").first()
    if came is None:
        return None
    issuer = came.invite.issuer
    return {"invited_by": str(issuer) if issuer else None, "at": came.redeemed_at}


def _made(user: User) -> Iterator[dict[str, Any]]:
    guests = Prefetch("redemptions", Redemption.objects.select_related("user").order_by("pk"))
    mine = Invite.objects.filter(issuer=user).order_by("pk").prefetch_related(guests)
    for invite in mine.iterator(EXPORTED_AT_ONCE):
        yield {
            "invite": invite.pk,
            "made_at": invite.created_at,
            "good_until": invite.expires_at,
            "revoked_at": invite.revoked_at,
            "label": invite.label,
            "note": invite.note,
            "for_one_address": bool(invite.email),
            "uses": invite.max_uses,
            "came_in": [
                {"username": str(guest.user), "at": guest.redeemed_at}
                for guest in invite.redemptions.all()
            ],
        }


@transaction.atomic
def forget(user: User) -> None:
    """Forget what invites say of somebody who is erased; who came in by whom stays.

    That is what they wrote on theirs, and what others wrote on those for them alone: for their
    address, or by which they came in. What is open among these can be used no more: without its
    address it would let in anybody.
    """
    by_them, for_them = Q(issuer=user), Q(redemptions__user=user, max_uses=1) | Q(email=user.email)
    ids = list(Invite.objects.filter(by_them | for_them).values_list("pk", flat=True).distinct())
    about = Invite.objects.filter(pk__in=ids)
    list(about.order_by("pk").select_for_update())  # of two who go at once, one waits
    now = timezone.now()
    about.filter(revoked_at=None, expires_at__gt=now).update(revoked_at=now)
    about.update(email="", label="", note="")
    erasure.forget_in_admin_log(Invite, ids, called="an invite")
    freezes = Freeze.objects.filter(root=user)
    freezes.update(reason="")
    erasure.forget_in_admin_log(Freeze, freezes.values_list("pk", flat=True), called="a freeze")
