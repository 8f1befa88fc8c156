from typing import Any

from django.conf import settings

from accounts.emails.composing import mail_to
from accounts.emails.email_confirmation import confirm_instead
from accounts.models import MailedLogin, User
from bottomline.outbox.mails import Mail, register
from bottomline.outbox.models import OutboxMessage
from bottomline.outbox.services import enqueue


def mailed_login(asked: MailedLogin) -> None:
    """Promise the link and the code, if by the time it is sent the address may log in by them."""
    enqueue("mailed_login", asked.public_id)


@register("mailed_login")
def _compose_mailed_login(message: OutboxMessage) -> Mail | None:
    asked = MailedLogin.objects.usable().filter(public_id=message.subject).first()
    if asked is None:
        return None
    user = User.objects.reachable().filter(email=asked.sent_to).first()
    if user is not None and user.is_confirmed:
        # A mailbox alone is not enough for those who look after everybody (ASVS 6.3.6).
        return None if user.is_staff else mail_to(user, "mailed_login", **_ways_in(asked))
    if asked.invite:
        return _mail_to_newcomer(asked)
    return confirm_instead(user, message) if user else None


def _mail_to_newcomer(asked: MailedLogin) -> Mail:
    """For somebody with an invite and no account yet.

    Who signed up with their address and did not confirm it may be somebody else.
    """
    return Mail("join_by_mail", to=asked.sent_to, context=_ways_in(asked), language=asked.language)


def _ways_in(asked: MailedLogin) -> dict[str, Any]:
    code = asked.code
    return {
        "link": f"{settings.SITE_URL}/login/link/{asked.link_token}/",
        "code": f"{code[:4]} {code[4:]}",
    }
