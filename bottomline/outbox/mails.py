"""What a mail is, and the register of the kinds of mail there are."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from bottomline.outbox.models import OutboxMessage


@dataclass(frozen=True)
class Mail:
    """One mail to one person, as templates/emails/<name>/{subject.txt,body.txt,body.html}."""

    name: str
    to: str
    context: dict[str, Any] = field(default_factory=dict)


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
        **mail.context,
    }
    folder = f"emails/{mail.name}"
    rendered = EmailMultiAlternatives(
        subject=" ".join(render_to_string(f"{folder}/subject.txt", context).split()),
        body=render_to_string(f"{folder}/body.txt", context),
        to=[mail.to],
        headers={
            "Message-ID": f"<{message.id.hex}@{settings.MAIL_DOMAIN}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    rendered.attach_alternative(render_to_string(f"{folder}/body.html", context), "text/html")
    return rendered
