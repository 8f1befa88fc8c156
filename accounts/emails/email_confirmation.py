from uuid import UUID

from django.conf import settings

from accounts.emails.composing import mail_to, token_named_after
from accounts.models import Purpose, Token, User
from bottomline.outbox.mails import Mail, register
from bottomline.outbox.models import OutboxMessage
from bottomline.outbox.services import enqueue


def confirm_email(token: Token) -> None:
    """Promise the link that confirms an address."""
    enqueue("confirm_email", token.public_id)


@register("confirm_email")
def _compose_confirm_email(message: OutboxMessage) -> Mail | None:
    token = Token.objects.usable().filter(public_id=message.subject).select_related("user").first()
    if token is None or token.user.is_confirmed:
        return None
    return _confirmation(token)


def confirm_again(user_id: UUID) -> None:
    """Promise a fresh link, if by the time it is sent the user is still unconfirmed."""
    enqueue("confirm_again", user_id)


@register("confirm_again")
def compose_confirm_again(message: OutboxMessage) -> Mail | None:
    user = User.objects.reachable().filter(pk=message.subject, email_confirmed_at=None).first()
    return confirm_instead(user, message) if user else None


def confirm_instead(user: User, message: OutboxMessage) -> Mail | None:
    """The mail for whoever asked for another, but has not yet confirmed that the address is theirs.

    They may only have missed this one, and the other would prove no more.
    """
    token = token_named_after(message, user, Purpose.EMAIL_CONFIRMATION)
    return _confirmation(token) if token else None


def _confirmation(token: Token) -> Mail | None:
    return mail_to(
        token.user,
        "confirm_email",
        link=f"{settings.SITE_URL}/invite/?confirmation={token.link_token}",
    )
