from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.urls import reverse

from accounts.addresses import unlinked
from accounts.emails.composing import circumstances, event_of, mail_to, notice
from accounts.models import EmailChange, Event, FactorReset, User
from bottomline.outbox.mails import Mail, register
from bottomline.outbox.models import OutboxMessage
from bottomline.outbox.services import enqueue

ELSEWHERE = "_elsewhere"  # behind the kind of a mail, for addresses that were the member's


def factor_reset_requested(reset: FactorReset) -> None:
    """Tell every address with a say that a second factor is to end, and how to call it off."""
    _tell_everywhere("factor_reset_requested", reset)


@register("factor_reset_requested")
def _compose_requested(message: OutboxMessage) -> Mail | None:
    return _to_member("factor_reset_requested", message)


@register(f"factor_reset_requested{ELSEWHERE}")
def _compose_requested_elsewhere(message: OutboxMessage) -> Mail | None:
    return _to_old_address("factor_reset_requested", message)


def factor_reset_soon(reset: FactorReset) -> None:
    """The same once more, before it happens."""
    _tell_everywhere("factor_reset_soon", reset)


@register("factor_reset_soon")
def _compose_soon(message: OutboxMessage) -> Mail | None:
    return _to_member("factor_reset_soon", message)


@register(f"factor_reset_soon{ELSEWHERE}")
def _compose_soon_elsewhere(message: OutboxMessage) -> Mail | None:
    return _to_old_address("factor_reset_soon", message)


def factor_reset_waits(reset: FactorReset, staff: Iterable[User]) -> None:
    """Tell these of staff that somebody waits for one of them to decide."""
    for person in staff:
        enqueue("factor_reset_waits", f"{reset.pk}:{person.pk.hex}")


@register("factor_reset_waits")
def _compose_waits(message: OutboxMessage) -> Mail | None:
    reset_id, _, staff_id = message.subject.partition(":")
    undecided = FactorReset.objects.open().filter(approved_at=None).select_related("user")
    reset = undecided.filter(pk=reset_id).first()
    person = User.objects.standing().filter(pk=staff_id, is_staff=True).first()
    if reset is None or person is None:
        return None
    return mail_to(
        person,
        "factor_reset_waits",
        member=unlinked(reset.user.username),
        due=reset.due_at,
        lapses=reset.lapses_at,
        link=f"{settings.SITE_URL}{reverse('admin:accounts_factorreset_change', args=[reset.pk])}",
    )


def factor_reset_over(event: Event) -> None:
    """Tell an owner that the second factor stays, and why."""
    enqueue("factor_reset_over", event.pk)


@register("factor_reset_over")
def _compose_over(message: OutboxMessage) -> Mail | None:
    event = event_of(message)
    if event is None or event.user_id is None:
        return None
    user = User.objects.reachable().filter(pk=event.user_id).first()
    why = event.kind.rpartition(".")[2]
    return mail_to(user, "factor_reset_over", why=why) if user else None


def factor_reset_done(event: Event) -> None:
    """Tell an owner that the second factor has ended."""
    enqueue("factor_reset_done", event.pk)


@register("factor_reset_done")
def _compose_done(message: OutboxMessage) -> Mail | None:
    event = event_of(message)
    by_operator = event is not None and event.kind == "second_factor.ended_by_operator"
    return notice("factor_reset_done", message, by_operator=by_operator)


def _tell_everywhere(kind: str, reset: FactorReset) -> None:
    """To the member's address, and to each that the account may yet come back to.

    Not to one that a change leads to: whoever asked for both may have chosen it.
    """
    enqueue(kind, reset.public_id)
    theirs = EmailChange.objects.undoable().filter(user=reset.user).order_by("pk")
    by_address = {change.old_email: change for change in theirs}
    by_address.pop(reset.user.email, None)
    for change in by_address.values():
        enqueue(f"{kind}{ELSEWHERE}", change.public_id)


def _to_member(name: str, message: OutboxMessage) -> Mail | None:
    opened = FactorReset.objects.open().select_related("user")
    reset = opened.filter(public_id=message.subject).first()
    return mail_to(reset.user, name, **_about(reset)) if reset else None


def _to_old_address(name: str, message: OutboxMessage) -> Mail | None:
    change = EmailChange.objects.undoable().filter(public_id=message.subject).first()
    opened = FactorReset.objects.open().select_related("user")
    reset = opened.filter(user=change.user_id).first() if change else None
    if change is None or reset is None:
        return None
    return mail_to(reset.user, name, address=change.old_email, **_about(reset))


def _about(reset: FactorReset) -> dict[str, Any]:
    asked = Event.objects.filter(
        user_id=reset.user_id,
        kind="factor_reset.requested",
        details__reset=str(reset.public_id),
    ).first()
    return {
        "due": reset.due_at,
        "is_approved": reset.approved_at is not None,
        "link": f"{settings.SITE_URL}/account/security/factor/lost/{reset.token}/",
        **(circumstances(asked) if asked else {}),
    }
