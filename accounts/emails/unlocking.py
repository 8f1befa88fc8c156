from uuid import UUID

from django.conf import settings

from accounts.emails.composing import mail_to, token_named_after
from accounts.models import Purpose, User
from bottomline.outbox.mails import Mail, register
from bottomline.outbox.models import OutboxMessage
from bottomline.outbox.services import enqueue


def login_paused(user_id: UUID) -> None:
    """Promise an owner a way in for a new browser, if there is an account when it is sent."""
    enqueue("login_paused", user_id)


@register("login_paused")
def _compose_login_paused(message: OutboxMessage) -> Mail | None:
    members = User.objects.reachable().exclude(email_confirmed_at=None)
    user = members.filter(pk=message.subject).first()
    if user is None:
        return None
    token = token_named_after(message, user, Purpose.LOGIN_UNLOCK)
    if token is None:
        return None
    return mail_to(
        user,
        "login_paused",
        at=message.created_at,
        link=f"{settings.SITE_URL}/login/unlock/{token.link_token}/",
    )
