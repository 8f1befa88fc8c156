"""What a mail is, and the register of the kinds of mail there are."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone, translation

from bottomline.outbox.models import OutboxMessage


@dataclass(frozen=True)
class Mail:
    """One mail to one person, in their language and with the time of their zone.

    English is templates/emails/<name>/{subject.txt,body.txt,body.html}; another language has the
    same three in a folder of its own below it. Whole texts, because that is how people write them.
    """

    name: str
    to: str
    context: dict[str, Any] = field(default_factory=dict)
    language: str = settings.LANGUAGE_CODE
    time_zone: str = settings.TIME_ZONE
    about: str = ""  # an id that means something to whoever listens to `mail_sent`


# Looks at a message's subject again; None where the mail no longer makes sense.
Compose = Callable[[OutboxMessage], Mail | None]

_kinds: dict[str, Compose] = {}


def register(kind: str) -> Callable[[Compose], Compose]:
    """Make a function the composer of that kind of mail. Kinds are found when apps load."""

    def decorate(compose: Compose) -> Compose:
        _kinds[kind] = compose
        return compose

    return decorate


def compose(message: OutboxMessage) -> Mail | None:
    """The mail a message promises, as things stand now. Raises KeyError for an unknown kind."""
    return _kinds[message.kind](message)


def render(mail: Mail, message: OutboxMessage) -> EmailMultiAlternatives:
    """The mail as it goes out: text first, one recipient, the same Message-ID on every attempt."""
    context = {
        "site_url": settings.SITE_URL,
        "support_url": settings.SUPPORT_URL,
        "language": mail.language,
        **mail.context,
    }
    folder = f"emails/{mail.name}"
    if mail.language != settings.LANGUAGE_CODE:
        folder += f"/{mail.language}"
    with translation.override(mail.language), timezone.override(ZoneInfo(mail.time_zone)):
        subject, text, page = (
            render_to_string(f"{folder}/{name}", context)
            for name in ("subject.txt", "body.txt", "body.html")
        )
    rendered = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=text,
        to=[mail.to],
        headers={
            "Message-ID": f"<{message.id.hex}@{settings.MAIL_DOMAIN}>",
            "Auto-Submitted": "auto-generated",
            "Content-Language": mail.language,
        },
    )
    rendered.attach_alternative(page, "text/html")
    return rendered
