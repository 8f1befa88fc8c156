"""Who invited whom, up and down, in one query each.

A line goes from whoever redeemed an invite to whoever issued it, and neither row is ever removed
while anybody hangs on it, so the tree outlives the accounts in it. Whoever is above somebody was
there before them, which is why ordering by time keeps parents before their children.
"""

from dataclasses import dataclass, field

from django.db.models import Func, QuerySet, Value

from accounts.models import User

SHOWN_GUESTS = 50  # on a profile page
SHOWN_MEMBERS = 300  # of a branch
SHOWN_LEVELS = 8


class Above(Func):
    """The ids of a member and of everybody above them.

    UNION, which drops what it has seen, would end even where the rows made a ring.
    """

    template = """(
        WITH RECURSIVE above(id) AS (
            SELECT %(expressions)s
            UNION
            SELECT invite.issuer_id
            FROM above
            JOIN invites_redemption redemption ON redemption.user_id = above.id
            JOIN invites_invite invite ON invite.id = redemption.invite_id
            WHERE invite.issuer_id IS NOT NULL
        )
        SELECT id FROM above
    )"""


class Below(Func):
    """The ids of a member and of everybody below them: their branch."""

    template = """(
        WITH RECURSIVE below(id) AS (
            SELECT %(expressions)s
            UNION
            SELECT redemption.user_id
            FROM below
            JOIN invites_invite invite ON invite.issuer_id = below.id
            JOIN invites_redemption redemption ON redemption.invite_id = invite.id
        )
        SELECT id FROM below
    )"""


@dataclass(frozen=True)
class Lineage:
    """What a profile page says of a member: by whom they came, and whom they brought."""

    inviter: User | None
    guests: list[User]
    guest_count: int


@dataclass
class Node:
    """A member in a branch, and those of the next level below them that are shown."""

    member: User
    level: int
    below: list["Node"] = field(default_factory=list)
    is_cut: bool = False  # there are levels below that are not shown


def of(member: User) -> Lineage:
    """Of those brought in only whoever is a member now; the inviter whatever became of them."""
    inviter = User.objects.filter(invites__redemptions__user=member).first()
    guests = User.objects.standing().filter(redemption__invite__issuer=member)
    shown = list(guests.order_by("redemption__redeemed_at", "pk")[: SHOWN_GUESTS + 1])
    count = len(shown) if len(shown) <= SHOWN_GUESTS else guests.count()
    return Lineage(inviter, shown[:SHOWN_GUESTS], count)


def above(member: User) -> list[User]:
    """Everybody above a member, the first of them first."""
    everybody = User.objects.filter(pk__in=Above(Value(member.pk)))
    return list(everybody.exclude(pk=member.pk).order_by("created_at"))


def branch(member: User) -> QuerySet[User]:
    """Everybody below a member, confirmed or not, in the order they came."""
    everybody = User.objects.filter(pk__in=Below(Value(member.pk))).exclude(pk=member.pk)
    return everybody.order_by("redemption__redeemed_at", "pk")


def tree(member: User) -> Node:
    """A member and the first so many of their branch, so many levels down."""
    root = Node(member, 0)
    nodes = {member.pk: root}
    for guest in branch(member).select_related("redemption__invite")[:SHOWN_MEMBERS]:
        inviter = guest.redemption.invite.issuer_id
        parent = nodes.get(inviter) if inviter else None
        if parent is None:
            continue  # below somebody who is not shown
        if parent.level == SHOWN_LEVELS:
            parent.is_cut = True
            continue
        nodes[guest.pk] = Node(guest, parent.level + 1)
        parent.below.append(nodes[guest.pk])
    return root
