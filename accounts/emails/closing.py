from accounts.emails.composing import event_of, mail_to, notice
from accounts.models import Event, User
from accounts.models.user import COME_BACK_WITHIN
from bottomline.outbox.mails import Mail, register
from bottomline.outbox.models import OutboxMessage
from bottomline.outbox.services import enqueue


def account_closing(event: Event) -> None:
    """Tell somebody who left until when they can come back."""
    enqueue("account_closing", event.pk)


@register("account_closing")
def _compose_account_closing(message: OutboxMessage) -> Mail | None:
    event = event_of(message)
    # Not where they have come back since: that mail is on its way as well, and the newer one.
    left = User.objects.reachable().exclude(closed_at=None)
    user = left.filter(pk=event.user_id).first() if event and event.user_id else None
    if user is None or user.closed_at is None:
        return None
    assert event
    by_staff = event.kind == "account.closed_by_staff"
    until = user.closed_at + COME_BACK_WITHIN
    return notice("account_closing", message, until=until, by_staff=by_staff)


def account_kept(event: Event) -> None:
    """Tell somebody who came back that nothing is deleted."""
    enqueue("account_kept", event.pk)


@register("account_kept")
def _compose_account_kept(message: OutboxMessage) -> Mail | None:
    return notice("account_kept", message)


def account_erased(user: User) -> OutboxMessage:
    """Promise the last mail to somebody who left; they are erased when it is sent."""
    return enqueue("account_erased", user.pk)


@register("account_erased")
def _compose_account_erased(message: OutboxMessage) -> Mail | None:
    user = User.objects.lapsed().filter(pk=message.subject).first()
    return mail_to(user, "account_erased", closed=user.closed_at) if user else None
