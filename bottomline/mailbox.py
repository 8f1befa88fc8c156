"""The development mailbox: where mail goes while EMAIL_URL names no server."""

import email
import email.policy
import re
from collections.abc import Iterable
from email.message import EmailMessage as ParsedMessage
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

SHOWN = 50


class EmailBackend(BaseEmailBackend):
    """Writes each mail into a file named by its Message-ID, so sent twice it is still one."""

    def send_messages(self, email_messages: Iterable[EmailMessage]) -> int:
        settings.MAILBOX_DIR.mkdir(parents=True, exist_ok=True)
        messages = list(email_messages)
        for message in messages:
            raw = message.message()
            name = re.sub(r"[^\w.@-]", "", raw["Message-ID"])
            (settings.MAILBOX_DIR / f"{name}.eml").write_bytes(raw.as_bytes())
        return len(messages)


@login_not_required
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The newest mails, links clickable. Routed only where DEBUG is on."""
    files = sorted(
        settings.MAILBOX_DIR.glob("*.eml"), key=lambda file: file.stat().st_mtime, reverse=True
    )
    mails = [_read(file) for file in files[:SHOWN]]
    return render(request, "dev/mailbox.html", {"mails": mails})


def _read(file: Path) -> dict:
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert isinstance(message, ParsedMessage)
    body = message.get_body(("plain",))
    return {
        "id": file.stem,
        "subject": message["Subject"],
        "to": message["To"],
        "sent_at": message["Date"].datetime,
        "text": body.get_content() if body else "",
    }
