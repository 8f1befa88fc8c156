"""Telling owners what happened to their account."""

from django.conf import settings

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


def second_factor_on(event: Event) -> None:
    """Tell an owner that a second factor was set up."""
    enqueue("second_factor_on", event.pk)


@register("second_factor_on")
def _compose_second_factor_on(message: OutboxMessage) -> Mail | None:
    return notice("second_factor_on", message)


def second_factor_off(event: Event) -> None:
    """Tell an owner that their second factor was turned off."""
    enqueue("second_factor_off", event.pk)


@register("second_factor_off")
def _compose_second_factor_off(message: OutboxMessage) -> Mail | None:
    return notice("second_factor_off", message)


def recovery_code_used(event: Event) -> None:
    """Tell an owner that a recovery code was used, and how many are left."""
    enqueue("recovery_code_used", event.pk)


@register("recovery_code_used")
def _compose_recovery_code_used(message: OutboxMessage) -> Mail | None:
    event = event_of(message)
    return notice("recovery_code_used", message, **event.details) if event else None


def new_recovery_codes(event: Event) -> None:
    """Tell an owner that new recovery codes were made."""
    enqueue("new_recovery_codes", event.pk)


@register("new_recovery_codes")
def _compose_new_recovery_codes(message: OutboxMessage) -> Mail | None:
    return notice("new_recovery_codes", message)


def passkey_added(event: Event) -> None:
    """Tell an owner that a passkey was added."""
    enqueue("passkey_added", event.pk)


@register("passkey_added")
def _compose_passkey_added(message: OutboxMessage) -> Mail | None:
    return notice("passkey_added", message)


def passkey_removed(event: Event) -> None:
    """Tell an owner that a passkey was removed."""
    enqueue("passkey_removed", event.pk)


@register("passkey_removed")
def _compose_passkey_removed(message: OutboxMessage) -> Mail | None:
    return notice("passkey_removed", message)


def passkey_copied(event: Event) -> None:
    """Tell an owner that a passkey was refused, for there may be a copy of it."""
    enqueue("passkey_copied", event.pk)


@register("passkey_copied")
def _compose_passkey_copied(message: OutboxMessage) -> Mail | None:
    return notice("passkey_copied", message)


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
