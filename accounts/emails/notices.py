"""Telling owners what happened to their account."""

from collections.abc import Callable

from django.conf import settings

from accounts.emails.composing import mail_to, notice
from accounts.models import Event, User
from bottomline.outbox.mails import Mail, register
from bottomline.outbox.models import OutboxMessage
from bottomline.outbox.services import enqueue


def _telling(kind: str) -> Callable[[Event], None]:
    """What promises the owner the mail of that name about an event."""

    @register(kind)
    def compose(message: OutboxMessage) -> Mail | None:
        return notice(kind, message)

    def tell(event: Event) -> None:
        enqueue(kind, event.pk)

    return tell


password_changed = _telling("password_changed")
sessions_ended = _telling("sessions_ended")  # all but the one that asked for it
new_login = _telling("new_login")  # on a device that is not known, or after a long time
second_factor_on = _telling("second_factor_on")
second_factor_off = _telling("second_factor_off")
second_factor_refused = _telling("second_factor_refused")  # when the first was proved
recovery_code_used = _telling("recovery_code_used")
new_recovery_codes = _telling("new_recovery_codes")
passkey_added = _telling("passkey_added")
passkey_removed = _telling("passkey_removed")
passkey_copied = _telling("passkey_copied")  # refused, for there may be a copy of it


def identity_linked(event: Event) -> None:
    """Tell an owner that an account at a provider logs in to theirs from now on."""
    enqueue("identity_linked", event.pk)


@register("identity_linked")
def _compose_identity_linked(message: OutboxMessage) -> Mail | None:
    return notice("identity_linked", message, provider=settings.GOOGLE_NAME)


def identity_unlinked(event: Event) -> None:
    """Tell an owner that it does so no longer."""
    enqueue("identity_unlinked", event.pk)


@register("identity_unlinked")
def _compose_identity_unlinked(message: OutboxMessage) -> Mail | None:
    return notice("identity_unlinked", message, provider=settings.GOOGLE_NAME)


def already_member(user: User) -> None:
    """Tell an owner that somebody used an invite with their address."""
    enqueue("already_member", user.pk)


@register("already_member")
def _compose_already_member(message: OutboxMessage) -> Mail | None:
    members = User.objects.reachable().exclude(email_confirmed_at=None)
    user = members.filter(pk=message.subject).first()
    return mail_to(user, "already_member") if user else None
