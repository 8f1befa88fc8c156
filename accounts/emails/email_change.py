from datetime import timedelta

from django.conf import settings

from accounts.addresses import masked
from accounts.emails.composing import circumstances, event_of, mail_to, notice, token_named_after
from accounts.emails.password_reset import reset_link
from accounts.models import EmailChange, Event, Holder, Purpose, holder_of
from bottomline.outbox.mails import Mail, register
from bottomline.outbox.models import OutboxMessage
from bottomline.outbox.services import enqueue

MOST_WANTED_A_DAY = 3  # mails to one address that others want to have it


def confirm_new_email(change: EmailChange) -> None:
    """Promise the new address its link; or word that it was wanted, where it is somebody's."""
    enqueue("confirm_new_email", change.public_id)


@register("confirm_new_email")
def _compose_confirm_new_email(message: OutboxMessage) -> Mail | None:
    change = EmailChange.objects.pending().filter(public_id=message.subject).first()
    if change is None:
        return None
    holder = holder_of(change.new_email)
    if holder and holder.is_confirmed and holder.user != change.user:
        return _address_wanted(message, change, holder)
    return mail_to(
        change.user,
        "confirm_new_email",
        address=change.new_email,
        link=f"{settings.SITE_URL}/email/confirm/{change.confirm_token}/",
        old_email=masked(change.old_email),
        until=change.confirm_until,
    )


def _address_wanted(message: OutboxMessage, change: EmailChange, holder: Holder) -> Mail | None:
    """Word to whoever has the address; a few times a day, whoever else asks and how often."""
    same = OutboxMessage.objects.filter(kind=message.kind, subject=message.subject)
    wanted = EmailChange.objects.filter(
        new_email=change.new_email,
        requested_at__gt=change.requested_at - timedelta(days=1),
        pk__lt=change.pk,
    )
    is_repeated = same.filter(created_at__lt=message.created_at).exists()
    if is_repeated or wanted.count() >= MOST_WANTED_A_DAY:
        return None
    until = holder.moved_away and holder.moved_away.undo_until
    return mail_to(holder.user, "address_wanted", address=change.new_email, until=until)


def email_change_requested(event: Event) -> None:
    """Tell the old address where its account is going, and how to stop it."""
    enqueue("email_change_requested", event.pk)


@register("email_change_requested")
def _compose_email_change_requested(message: OutboxMessage) -> Mail | None:
    _, change = _event_and_change(message)
    if change is not None and change.confirmed_at:
        return None  # it has been overtaken by the mail that says so
    return _to_old_address("email_change_requested", message)


def email_changed(event: Event) -> None:
    """Tell both addresses: the new one what is true now, the old one how to take it back."""
    enqueue("email_changed", event.pk)
    enqueue("email_moved_away", event.pk)


@register("email_changed")
def _compose_email_changed(message: OutboxMessage) -> Mail | None:
    _, change = _event_and_change(message)
    if change is None or change.user.email != change.new_email:
        return None
    return notice(
        "email_changed", message, old_email=masked(change.old_email), until=change.undo_until
    )


@register("email_moved_away")
def _compose_email_moved_away(message: OutboxMessage) -> Mail | None:
    return _to_old_address("email_moved_away", message)


def _to_old_address(name: str, message: OutboxMessage) -> Mail | None:
    event, change = _event_and_change(message)
    if event is None or change is None or change.undone_at:
        return None
    return mail_to(
        change.user,
        name,
        address=change.old_email,
        new_email=masked(change.new_email),
        link=f"{settings.SITE_URL}/email/undo/{change.undo_token}/",
        until=change.undo_until,
        **circumstances(event),
    )


def email_restored(event: Event) -> None:
    """Tell an owner that the account is theirs again, with a link to choose a password."""
    enqueue("email_restored", event.pk)


@register("email_restored")
def _compose_email_restored(message: OutboxMessage) -> Mail | None:
    event, change = _event_and_change(message)
    if event is None or change is None or change.user.email != change.old_email:
        return None
    token = token_named_after(message, change.user, Purpose.PASSWORD_RESET)
    if token is None:
        return None
    return mail_to(change.user, "email_restored", **reset_link(token), **circumstances(event))


def email_taken_back(change: EmailChange) -> None:
    """Tell the address that a change had led to that it is not the account's any more."""
    enqueue("email_taken_back", change.public_id)


@register("email_taken_back")
def _compose_email_taken_back(message: OutboxMessage) -> Mail | None:
    change = _change(message.subject)
    return mail_to(change.user, "email_taken_back", address=change.new_email) if change else None


def address_held(change: EmailChange) -> None:
    """Tell somebody who signed up that an account may yet come back to their address."""
    enqueue("address_held", change.public_id)


@register("address_held")
def _compose_address_held(message: OutboxMessage) -> Mail | None:
    change = _change(message.subject)
    if change is None or change.undone_at:
        return None
    return mail_to(change.user, "address_held", address=change.old_email, until=change.undo_until)


def _event_and_change(message: OutboxMessage) -> tuple[Event | None, EmailChange | None]:
    event = event_of(message)
    return event, _change(event.details["change"]) if event else None


def _change(public_id: str) -> EmailChange | None:
    return EmailChange.objects.filter(public_id=public_id).select_related("user").first()
