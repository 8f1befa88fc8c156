"""Logging in with Google, or another provider of OpenID Connect: beginning it, and what comes back.

What a browser has begun is in a sealed cookie of ten minutes, and good once. Who somebody is there
says the issuer and the subject, and never an address: an account that is here already is linked
from within, by a member who has just proved who they are, and by nothing else.
"""

import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import emails, limits, provider, ways_in
from accounts.errors import (
    BadReturn,
    IdentityTaken,
    NotBegun,
    NotLinked,
    TokenUnusable,
)
from accounts.events import record
from accounts.models import LinkedIdentity, User, holder_of
from accounts.provider import Told
from accounts.services import reauth, sessions
from accounts.services.proved import Proved
from bottomline import once, sealing
from bottomline.caller import Caller
from bottomline.limits import spend
from bottomline.sessions.store import SessionStore

METHOD = "google"
GOOD_FOR = timedelta(minutes=10)

MOST_NEXT = 500  # bytes of where they were going; browsers drop a cookie of more than 4 KiB

# What the cookie holds: one that was sealed for the one is nothing to the other.
BEGUN, WELCOMED = "google-begun", "google-welcomed"


@dataclass(frozen=True)
class Begun:
    """What a browser has begun, and what for."""

    state: str
    nonce: str
    verifier: str
    next: str = ""
    remember: bool = False
    invite: str = ""  # the invite to sign up on
    member: str = ""  # the member to link it to


@dataclass(frozen=True)
class Returned:
    """What the provider sent the browser back with."""

    code: str
    state: str
    issuer: str
    error: str


# --- beginning ---


def begin(
    *,
    next_url: str = "",
    remember: bool = False,
    invite: UUID | None = None,
    member: User | None = None,
) -> Begun:
    """A new try to log in; with an invite to sign up, or for a member to link it to them."""
    return Begun(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),  # 64 characters (RFC 7636, 4.1)
        next=next_url if len(next_url.encode()) <= MOST_NEXT else "",
        remember=remember,
        invite=invite.hex if invite else "",
        member=member.pk.hex if member else "",
    )


def begin_linking(member: User, *, caller: Caller) -> Begun:
    """The same, for a member who has just proved who they are. Raises ProofTooOld."""
    reauth.require(caller)
    return begin(member=member)


def place_of(begun: Begun, *, caller: Caller) -> str:
    """Where to send the browser. Raises ProviderAway, TooManyAttempts."""
    spend((limits.GOOGLE_BEGIN_BY_NETWORK, caller.network))
    return provider.authorization_url(state=begun.state, nonce=begun.nonce, verifier=begun.verifier)


def cookie_of(begun: Begun) -> str:
    return _seal(vars(begun), BEGUN)


# --- coming back ---


def finish(cookie: str, returned: Returned, *, caller: Caller) -> tuple[Begun, Told]:
    """Whom the provider sent back, to the browser that began it, once.

    Raises NotBegun, BadReturn, ProviderAway, TooManyAttempts.
    """
    begun = _read(cookie, returned)
    # Not before: any page elsewhere can send a browser here, and would use up its network's.
    spend((limits.GOOGLE_BY_NETWORK, caller.network))
    _end(begun, returned)
    return begun, provider.ask(returned.code, nonce=begun.nonce, verifier=begun.verifier)


def _read(cookie: str, returned: Returned) -> Begun:
    kept = _open(cookie, BEGUN)
    begun = Begun(**kept) if kept else None
    if begun is None or not hmac.compare_digest(begun.state.encode(), returned.state.encode()):
        raise NotBegun("state")
    return begun


def _end(begun: Begun, returned: Returned) -> None:
    if not once.spend("google", begun.state.encode(), GOOD_FOR):
        raise BadReturn("spent")
    # Who names themselves has to be the one that was asked (RFC 9207).
    if returned.issuer and returned.issuer != provider.issuer():
        raise BadReturn("issuer")
    if returned.error or not returned.code:
        raise BadReturn("declined")


def owner_of(told: Told) -> User | None:
    """Whose account it opens; None where nobody has linked it."""
    known = LinkedIdentity.objects.select_related("user")
    identity = known.filter(issuer=told.issuer, subject=told.subject).first()
    if identity is None:
        return None
    if told.email and told.email != identity.email:
        LinkedIdentity.objects.filter(pk=identity.pk).update(email=told.email)
    return identity.user


# --- signing up ---


def welcome(begun: Begun, told: Told) -> str:
    """What the browser is to keep of somebody who has an invite and is to choose a name now.

    Raises NotLinked to anybody else: who has no invite, whose address the provider cannot know to
    be theirs, and where there is an account with it, which is linked from within alone.
    """
    if not (begun.invite and told.is_address_proved):
        raise NotLinked
    holder = holder_of(told.email)
    if holder and holder.is_confirmed:
        raise NotLinked
    kept = {"issuer": told.issuer, "subject": told.subject, "email": told.email}
    return _seal({**kept, "invite": begun.invite}, WELCOMED)


def find_newcomer(cookie: str) -> Proved | None:
    """Who was welcomed in this browser and is still to sign up."""
    kept = _open(cookie, WELCOMED)
    if kept is None:
        return None
    identity = LinkedIdentity(issuer=kept["issuer"], subject=kept["subject"], email=kept["email"])
    return Proved(kept["email"], UUID(kept["invite"]), METHOD, partial(_attach, identity))


def _attach(identity: LinkedIdentity, user: User) -> None:
    """Give the account that was made its identity, in that transaction. Raises TokenUnusable."""
    same = LinkedIdentity.objects.filter(issuer=identity.issuer, subject=identity.subject)
    if same.exists():
        raise TokenUnusable
    # Nothing that is here from before is the newcomer's: see `invites.signup.join`.
    user.identities.all().delete()
    identity.user = user
    identity.save()


# --- linking ---


def find_own(user: User) -> LinkedIdentity | None:
    return user.identities.filter(issuer=provider.issuer()).first()


def link(user: User, begun: Begun, told: Told, *, caller: Caller) -> None:
    """Have the member log in by it from now on, and tell them by mail.

    Raises BadReturn where another member began it, ProofTooOld, IdentityTaken.
    """
    if begun.member != user.pk.hex:
        raise BadReturn("member")
    reauth.require(caller)
    try:
        with transaction.atomic():
            row = reauth.hold(user)
            row.identities.create(issuer=told.issuer, subject=told.subject, email=told.email)
            emails.identity_linked(record("identity.linked", caller=caller, user=row))
    except IntegrityError:
        raise IdentityTaken from None


def unlink(user: User, session: SessionStore, *, caller: Caller) -> None:
    """Have it log nobody in any more; every other session ends. Raises ProofTooOld, LastWayIn."""
    reauth.require(caller)
    with transaction.atomic():
        row = reauth.hold(user)
        if not row.identities.exists():
            return  # pressed twice
        ways_in.require_another(row, ways_in.GOOGLE.name)
        row.identities.all().delete()
        sessions.end_others(row, session)
        emails.identity_unlinked(record("identity.unlinked", caller=caller, user=row))


def forget(user: User, *, caller: Caller) -> None:
    """Unlink all there is, in the transaction in which somebody takes their account back.

    All and not the latest: nobody knows when an intruder came, or which of them is the owner's. Who
    takes it back has just proved the mailbox, and links again in a minute.
    """
    if user.identities.all().delete()[0]:
        record("identity.unlinked", caller=caller, user=user)


# --- the cookie ---


def _seal(content: dict[str, Any], place: str) -> str:
    ends = (timezone.now() + GOOD_FOR).timestamp()
    sealed = sealing.seal(json.dumps({**content, "ends": ends}).encode(), place=place)
    return urlsafe_b64encode(sealed).decode()


def _open(cookie: str, place: str) -> dict[str, Any] | None:
    try:
        sealed = urlsafe_b64decode(cookie.encode())
        content: dict[str, Any] = json.loads(sealing.open_sealed(sealed, place=place))
    except (sealing.CannotOpen, ValueError):
        return None
    return content if content.pop("ends") > timezone.now().timestamp() else None
