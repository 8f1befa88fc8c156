"""The mails of this app: promising one, and composing it when it is sent."""

from uuid import UUID

from django.conf import settings

from accounts.models import Purpose, Token, User
from accounts.models.token import LIFETIMES
from bottomline.outbox.mails import Mail, register
from bottomline.outbox.models import OutboxMessage
from bottomline.outbox.services import enqueue
from bottomline.tokens import new_public_id


def confirm_email(token: Token) -> None:
    """Promise the link that confirms an address."""
    enqueue("confirm_email", token.public_id)


def confirm_again(user_id: UUID) -> None:
    """Promise a fresh link, if by the time it is sent the user is still unconfirmed."""
    enqueue("confirm_again", user_id)


def already_member(user: User) -> None:
    """Tell an owner that somebody used an invite with their address."""
    enqueue("already_member", user.pk)


def nobody() -> UUID:
    """The id of no user, for promises that must look the same whether there is one or not."""
    return new_public_id()


@register("confirm_email")
def _compose_confirm_email(message: OutboxMessage) -> Mail | None:
    token = Token.objects.usable().filter(public_id=message.subject).select_related("user").first()
    if token is None or token.user.is_confirmed:
        return None
    return _confirmation(token)


@register("confirm_again")
def _compose_confirm_again(message: OutboxMessage) -> Mail | None:
    user = User.objects.filter(pk=message.subject, email_confirmed_at=None).first()
    if user is None:
        return None
    # Named after the message, so a second attempt finds the token of the first: the same link.
    token = Token.objects.filter(public_id=message.pk).select_related("user").first()
    if token is None:
        newer = user.tokens.filter(purpose=Purpose.CONFIRM_EMAIL, created_at__gt=message.created_at)
        if newer.exists():
            return None  # asked again since: that link must stay good
        token = Token.objects.issue(user, Purpose.CONFIRM_EMAIL, public_id=message.pk)
    return _confirmation(token)


@register("already_member")
def _compose_already_member(message: OutboxMessage) -> Mail | None:
    user = User.objects.filter(pk=message.subject).exclude(email_confirmed_at=None).first()
    if user is None:
        return None
    return Mail("already_member", to=user.email, context={"link": f"{settings.SITE_URL}/login/"})


def _confirmation(token: Token) -> Mail:
    hours = int(LIFETIMES[Purpose.CONFIRM_EMAIL].total_seconds() // 3600)
    context = {
        "username": token.user.username,
        "link": f"{settings.SITE_URL}/invite/?confirmation={token.link_token}",
        "hours": hours,
    }
    return Mail("confirm_email", to=token.sent_to, context=context)
