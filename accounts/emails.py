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


def reset_password(user_id: UUID) -> None:
    """Promise a link to choose a new password, if by the time it is sent there is an account."""
    enqueue("reset_password", user_id)


def password_changed(user: User) -> None:
    """Tell an owner that their password was changed."""
    enqueue("password_changed", user.pk)


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
    token = _token_named_after(message, user, Purpose.EMAIL_CONFIRMATION)
    return _confirmation(token) if token else None


@register("reset_password")
def _compose_reset_password(message: OutboxMessage) -> Mail | None:
    user = User.objects.filter(pk=message.subject).first()
    if user is None:
        return None
    if not user.is_confirmed:
        # Whoever waits for this may only have missed the other mail; a reset proves no more.
        return _compose_confirm_again(message)
    token = _token_named_after(message, user, Purpose.PASSWORD_RESET)
    if token is None:
        return None
    context = {
        "username": user.username,
        "link": f"{settings.SITE_URL}/password/reset/{token.link_token}/",
        "minutes": int(LIFETIMES[Purpose.PASSWORD_RESET].total_seconds() // 60),
    }
    return Mail("reset_password", to=token.sent_to, context=context)


@register("password_changed")
def _compose_password_changed(message: OutboxMessage) -> Mail | None:
    user = User.objects.filter(pk=message.subject).first()
    if user is None:
        return None
    context = {"username": user.username, "changed_at": message.created_at}
    return Mail("password_changed", to=user.email, context=context)


@register("already_member")
def _compose_already_member(message: OutboxMessage) -> Mail | None:
    user = User.objects.filter(pk=message.subject).exclude(email_confirmed_at=None).first()
    if user is None:
        return None
    return Mail("already_member", to=user.email, context={"username": user.username})


def _token_named_after(message: OutboxMessage, user: User, purpose: Purpose) -> Token | None:
    """The token of this message: a second attempt finds the first one's, so the link is the same.

    None where it is spent, or a newer link was asked for since; that one must stay good.
    """
    usable = Token.objects.usable().select_related("user")
    token = usable.filter(public_id=message.pk, purpose=purpose).first()
    if token is not None:
        return token
    newer = user.tokens.filter(purpose=purpose, created_at__gt=message.created_at)
    if newer.exists() or Token.objects.filter(public_id=message.pk).exists():
        return None
    return Token.objects.issue(user, purpose, public_id=message.pk)


def _confirmation(token: Token) -> Mail:
    hours = int(LIFETIMES[Purpose.EMAIL_CONFIRMATION].total_seconds() // 3600)
    context = {
        "username": token.user.username,
        "link": f"{settings.SITE_URL}/invite/?confirmation={token.link_token}",
        "hours": hours,
    }
    return Mail("confirm_email", to=token.sent_to, context=context)
