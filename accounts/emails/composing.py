"""What the mails of this app are put together from."""

from typing import Any
from uuid import UUID

from django.conf import settings

from accounts.addresses import unlinked
from accounts.models import Event, Purpose, Token, User
from bottomline.browsers import browser_of
from bottomline.caller import place_of
from bottomline.outbox.mails import Mail
from bottomline.outbox.models import OutboxMessage
from bottomline.tokens import new_public_id


def mail_to(user: User, name: str, *, address: str = "", **context: Any) -> Mail | None:
    """A mail to a member, in their language and time; nothing for a former member.

    To a mailbox that is not known to be theirs it may come from a stranger, who chose the name.
    """
    if user.is_erased:
        return None
    is_theirs = user.is_confirmed and address in {"", user.email}
    username = user.username if is_theirs else unlinked(user.username)
    return Mail(
        name,
        to=address or user.email,
        context={"username": username, **context},
        language=user.language,
        time_zone=user.time_zone,
        about=str(user.pk),
    )


def notice(
    name: str, message: OutboxMessage, event: Event | None = None, **context: Any
) -> Mail | None:
    """A mail about an event: when, on what device and from where, and what to do if it was not you.

    The event is the subject of the message, unless the caller knows better; its details are for the
    template too. Nothing is sent where the account is gone.
    """
    event = event or event_of(message)
    if event is None or event.user_id is None:
        return None
    user = User.objects.reachable().filter(pk=event.user_id).first()
    if user is None:
        return None
    token = Token.objects.filter(public_id=message.pk).first() or Token.objects.issue(
        user, Purpose.DISOWN, public_id=message.pk
    )
    not_me = f"{settings.SITE_URL}/account/not-me/{token.link_token}/"
    more = event.details | circumstances(event) | context
    return mail_to(user, name, not_me=not_me, **more)


def circumstances(event: Event) -> dict[str, Any]:
    """When and from where, for templates/emails/components/circumstances."""
    return {
        "at": event.at,
        "browser": browser_of(event.user_agent),
        "place": place_of(event.ip),
    }


def event_of(message: OutboxMessage) -> Event | None:
    """The event that a message is about, where its subject is one."""
    return Event.objects.filter(pk=message.subject).first()


def token_named_after(message: OutboxMessage, user: User, purpose: Purpose) -> Token | None:
    """The token of this message: a second attempt finds the first one's, so the link is the same.

    None where it is spent, where a newer link was asked for since, which must stay good, or where
    the password was changed since: a mail that was held up must not open what that closed.
    """
    if user.password_changed_at and message.created_at < user.password_changed_at:
        return None
    usable = Token.objects.usable().select_related("user")
    token = usable.filter(public_id=message.pk, purpose=purpose).first()
    if token is not None:
        return token
    newer = user.tokens.filter(purpose=purpose, created_at__gt=message.created_at)
    if newer.exists() or Token.objects.filter(public_id=message.pk).exists():
        return None
    return Token.objects.issue(user, purpose, public_id=message.pk)


def nobody() -> UUID:
    """The id of no user, for promises that must look the same whether there is one or not."""
    return new_public_id()
