from typing import Any
from uuid import UUID

from django.conf import settings

from accounts.emails.composing import mail_to, token_named_after
from accounts.emails.email_confirmation import confirm_instead
from accounts.models import Purpose, Token, User
from bottomline.outbox.mails import Mail, register
from bottomline.outbox.models import OutboxMessage
from bottomline.outbox.services import enqueue


def reset_password(user_id: UUID) -> None:
    """Promise a link to choose a new password, if by the time it is sent there is an account."""
    enqueue("reset_password", user_id)


@register("reset_password")
def _compose_reset_password(message: OutboxMessage) -> Mail | None:
    user = User.objects.reachable().filter(pk=message.subject).first()
    if user is None:
        return None
    if not user.is_confirmed:
        return confirm_instead(user, message)
    token = token_named_after(message, user, Purpose.PASSWORD_RESET)
    if token is None:
        return None
    return mail_to(user, "reset_password", **reset_link(token))


def reset_link(token: Token) -> dict[str, Any]:
    """The link to choose a new password."""
    return {"link": f"{settings.SITE_URL}/password/reset/{token.link_token}/"}
