"""A member's sessions, seen from the account: listing, ending, and telling them of changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import transaction
from django.db.models import F

from accounts import emails
from accounts.errors import NoSuchSession
from accounts.events import SYSTEM, record
from accounts.models import User
from accounts.sentences import proof_in_words
from accounts.services import reauth
from bottomline.afterwards import after_commit
from bottomline.browsers import Browser, browser_of
from bottomline.caller import Caller, place_of
from bottomline.sessions import index
from bottomline.sessions.redis import client, digest_of
from bottomline.sessions.store import SessionStore


@dataclass(frozen=True)
class OwnSession:
    """A live session as its owner may know it: no id, no key, and of the address the network."""

    handle: str
    is_this: bool
    browser: Browser
    place: str
    proof: str
    is_remembered: bool
    created: datetime
    seen: datetime


def list_own(user: User, session: SessionStore) -> list[OwnSession]:
    """The member's live sessions: this one, then the others, the latest seen first."""
    assert session.session_key
    this = digest_of(session.session_key)
    own = [
        OwnSession(
            handle=one.handle,
            is_this=one.digest == this,
            browser=browser_of(one.meta.user_agent),
            place=place_of(one.meta.ip),
            proof=proof_in_words(one.meta.method),
            is_remembered=one.meta.remembered,
            created=one.meta.created,
            seen=one.meta.seen,
        )
        for one in index.list_live(user.pk)
    ]
    return sorted(own, key=lambda one: not one.is_this)


def end_one(user: User, handle: str, *, caller: Caller) -> None:
    """End one of the member's sessions. Raises NoSuchSession, and ProofTooOld (ASVS 7.5.2).

    It holds on that browser's next request: Redis writes it down before it answers.
    """
    reauth.require(caller)
    if not index.end_one(user.pk, handle):
        raise NoSuchSession
    record("session.ended", caller=caller, user=user)


@transaction.atomic
def log_out_elsewhere(user: User, session: SessionStore, *, caller: Caller) -> None:
    """End every session but this one because the member says so. Raises ProofTooOld."""
    reauth.require(caller)
    end_others(user, session)
    emails.sessions_ended(record("session.others_ended", caller=caller, user=user))


@transaction.atomic
def end_by_staff(user: User) -> None:
    """End every session of a member, who can log in again."""
    end_all(user)
    record("sessions.ended_by_staff", caller=SYSTEM, user=user)


def end_many_by_staff(user_ids: Sequence[UUID]) -> int:
    """End every session of these members, in one transaction; returns how many were logged in.

    Of all of them, also where Redis knows of no session now: one that it lost may come back. But
    only whoever was logged in has it in their history.
    """
    were_in = index.logged_in(user_ids)
    with transaction.atomic():
        # In one order, so that two who do this at once do not wait for each other.
        members = User.objects.filter(pk__in=user_ids)
        list(members.order_by("pk").select_for_update().values_list("pk"))
        members.update(session_epoch=F("session_epoch") + 1)
        for user_id in were_in:
            record("sessions.ended_by_staff", caller=SYSTEM, user=user_id)
        after_commit(index.end_all_of, user_ids)
    return len(were_in)


def require_reachable() -> None:
    """Raise RedisError or OSError where sessions could not be ended now."""
    client().ping()


def end_all(user: User) -> None:
    """End every session the member has, on their next request, whatever happens to Redis.

    The epoch is the truth: a session that a restored Redis brings back belongs to an older one.
    After commit, so a change that rolls back logs nobody out.
    """
    _raise_epoch(user)
    after_commit(index.end_all, user.pk)


def end_others(user: User, session: SessionStore) -> None:
    """End every session the member has but this one, which goes on under a new id.

    For after a change of credentials (ASVS 7.4.3). As with `end_all`, the epoch is the truth.
    Raises SessionInterrupted where somebody ended this one meanwhile: it stays ended, and what was
    asked for from it is not done.
    """
    held = User.objects.select_for_update().only("session_epoch").get(pk=user.pk)
    if session.snapshot is None or session.snapshot["session_epoch"] != held.session_epoch:
        raise SessionInterrupted("The session was ended while this request ran.")
    _raise_epoch(user)
    user.refresh_from_db(fields=["session_epoch", "password"])
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.snapshot = user.snapshot()
    session.cycle_key()
    assert session.session_key
    after_commit(index.end_all, user.pk, spare=digest_of(session.session_key))


def _raise_epoch(user: User) -> None:
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
