"""The mails of this app: promising one, and composing it when it is sent."""

from django.conf import settings

from accounts.addresses import unlinked
from accounts.emails import mail_to
from accounts.models import User
from bottomline.outbox.mails import Mail, register
from bottomline.outbox.models import OutboxMessage
from bottomline.outbox.services import enqueue
from invites.models import AddressBlock, Invite, Redemption
from invites.words import for_a_stranger


def invite(invite: Invite) -> None:
    """Promise the link to the address it is for, if by the time it is sent that may still be."""
    enqueue("invite", invite.public_id)


def guest_joined(redemption: Redemption) -> None:
    """Tell an inviter that somebody came in on their invite: by which name, not which address."""
    enqueue("guest_joined", redemption.pk)


@register("invite")
def _compose_invite(message: OutboxMessage) -> Mail | None:
    """None where its address has an account, or wants no invites. Its inviter learns neither."""
    usable = Invite.objects.redeemable().select_related("issuer")
    invite = usable.filter(public_id=message.subject).exclude(email="").first()
    if invite is None or invite.issuer is None or AddressBlock.objects.holds(invite.email):
        return None
    if User.objects.exclude(email_confirmed_at=None).filter(email=invite.email).exists():
        return None
    # What a member chose goes under our name to somebody who has not asked for it.
    context = {
        "inviter": _in_full(invite.inviter_name, invite.issuer.username),
        "note": for_a_stranger(invite.note),
        "link": invite.link,
        "decline_link": invite.decline_link,
        "expires_at": invite.expires_at,
    }
    # Of whoever is invited we know no language; their inviter's is the best guess there is.
    return Mail(
        "invite",
        to=invite.email,
        context=context,
        language=invite.issuer.language,
        time_zone=invite.issuer.time_zone,
    )


@register("guest_joined")
def _compose_guest_joined(message: OutboxMessage) -> Mail | None:
    """None where the inviter may not log in any more, or the guest has gone again."""
    redemption = (
        Redemption.objects.filter(pk=message.subject, user__in=User.objects.standing())
        .select_related("user", "invite__issuer")
        .first()
    )
    inviter = redemption.invite.issuer if redemption else None
    if redemption is None or inviter is None or not inviter.is_standing:
        return None
    return mail_to(
        inviter,
        "guest_joined",
        guest=unlinked(redemption.user.username),
        page=f"{settings.SITE_URL}/people/{redemption.user.username}/",
        label=redemption.invite.label,
        joined_at=redemption.user.email_confirmed_at,
    )


def _in_full(name: str, username: str) -> str:
    """The name they chose, and the one that is theirs alone."""
    theirs = unlinked(username)
    return name if name in {username, theirs} else f"{name} ({theirs})"
