"""Telling owners what happened to their account."""

from accounts.emails.composing import event_of, mail_to, notice
from accounts.models import Event, User
from bottomline.outbox.mails import Mail, register
from bottomline.outbox.models import OutboxMessage
from bottomline.outbox.services import enqueue


def password_changed(event: Event) -> None:
    """Tell an owner that their password was changed."""
    enqueue("password_changed", event.pk)


@register("password_changed")
def _compose_password_changed(message: OutboxMessage) -> Mail | None:
    return notice("password_changed", message)


def sessions_ended(event: Event) -> None:
    """Tell an owner that all their other sessions were ended."""
    enqueue("sessions_ended", event.pk)


@register("sessions_ended")
def _compose_sessions_ended(message: OutboxMessage) -> Mail | None:
    return notice("sessions_ended", message)


def new_login(event: Event) -> None:
    """Tell an owner of a login on a device that is not known, or after a long time."""
    enqueue("new_login", event.pk)


@register("new_login")
def _compose_new_login(message: OutboxMessage) -> Mail | None:
    event = event_of(message)
    return notice("new_login", message, **event.details) if event else None


def already_member(user: User) -> None:
    """Tell an owner that somebody used an invite with their address."""
    enqueue("already_member", user.pk)


@register("already_member")
def _compose_already_member(message: OutboxMessage) -> Mail | None:
    members = User.objects.reachable().exclude(email_confirmed_at=None)
    user = members.filter(pk=message.subject).first()
    return mail_to(user, "already_member") if user else None
