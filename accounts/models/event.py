"""What happened to accounts, in a chain that shows when somebody has been at it."""

import json
import secrets
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone

from bottomline import keys
from bottomline.caller import USER_AGENT_LENGTH, Caller

KEY = "event-chain"


class EventQuerySet(models.QuerySet["Event"]):
    def keep(
        self, kind: str, *, caller: Caller | None, user_id: UUID | None, details: dict[str, Any]
    ) -> "Event":
        """A new event, not yet in the chain: see services.events.seal."""
        event = Event(kind=kind, user_id=user_id, details=details)
        if caller is not None:
            event.ip, event.user_agent = caller.ip, caller.user_agent
        event.salt = secrets.token_bytes(16)
        event.origin = event.origin_digest()
        event.mac = keys.mac(KEY, event.content()).hex()
        event.save(force_insert=True)
        return event

    def chained(self) -> "EventQuerySet":
        """What belongs in the chain: all that concerns a member, and the chain itself."""
        return self.filter(Q(user_id__isnull=False) | Q(kind__startswith="events."))

    def forget_origin(self) -> int:
        """Drop where these came from. Their seals stay good: they cover a digest of it."""
        return self.update(ip="", user_agent="", salt=None)


class Event(models.Model):
    """One thing that happened. It names people by id alone, so it may outlive an account.

    The MAC is over the row, and the seal over the MAC and the seal before it, both under a key that
    is not in the database: a row that was changed, left out, put in or moved does not fit any more.
    Where a person was is kept apart, behind a salted digest, so that it can be forgotten.
    """

    kind = models.CharField(max_length=60)
    at = models.DateTimeField(default=timezone.now)
    user_id = models.UUIDField(null=True)  # no foreign key: the account may go, the id may stay
    details = models.JSONField(default=dict)

    ip = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    salt = models.BinaryField(max_length=16, null=True)
    origin = models.CharField(max_length=64)  # the digest of these three
    mac = models.CharField(max_length=64, unique=True)

    position = models.PositiveBigIntegerField(null=True, unique=True)
    previous = models.CharField(max_length=64, blank=True)
    seal = models.CharField(max_length=64, blank=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["user_id", "-id"], name="event_by_user"),
            # A few changes among a hundred thousand failed logins are found without reading those.
            models.Index(fields=["user_id", "kind", "-id"], name="event_by_user_and_kind"),
            models.Index(fields=["at"], name="event_by_age"),
            models.Index(fields=["id"], condition=Q(position=None), name="event_unsealed"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    def take_place(self, position: int, previous: str) -> None:
        """Follow the event with that seal in the chain."""
        self.position, self.previous = position, previous
        self.seal = keys.mac(KEY, self._place()).hex()

    def is_genuine(self) -> bool:
        """Whether this row is as we wrote it, under any key in use."""
        return self._has_own_origin() and _is_mac(self.content(), self.mac)

    def _has_own_origin(self) -> bool:
        if self.salt is None:  # forgotten, so there is nothing that anybody could have put there
            return not self.ip and not self.user_agent
        return self.origin == self.origin_digest()

    def has_good_seal(self) -> bool:
        """Whether it was we who gave it this place."""
        return _is_mac(self._place(), self.seal)

    def origin_digest(self) -> str:
        assert self.salt
        parts = (bytes(self.salt), self.ip.encode(), self.user_agent.encode(errors="replace"))
        return sha256(b"\0".join(parts)).hexdigest()

    def content(self) -> bytes:
        user_id = str(self.user_id or "")
        row = (self.kind, self.at.isoformat(), user_id, self.details, self.origin)
        return json.dumps(row, sort_keys=True, separators=(",", ":")).encode()

    def _place(self) -> bytes:
        return f"{self.position} {self.previous} {self.mac}".encode()


def _is_mac(message: bytes, claimed: str) -> bool:
    try:
        digest = bytes.fromhex(claimed)
    except ValueError:
        return False
    return len(digest) == 32 and keys.is_mac(KEY, message, digest)
