"""One session as it is kept: three JSON fields of a Redis hash."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

TOUCH_EVERY = timedelta(minutes=1)  # "last seen" is written at most this often
FRESH_FOR = timedelta(seconds=60)  # how long a snapshot of the user is believed


def is_two_factors(method: str) -> bool:
    """Whether that is more than one: what came on top stands after a plus.

    A passkey is two by itself: the device that keeps it, and the PIN, finger or face that opens it.
    """
    return "+" in method or method == "passkey"


@dataclass
class Meta:
    """When a session began, was last seen and ends, and how and where who it is was proved."""

    created: datetime
    seen: datetime
    expires: datetime  # the absolute end; nothing moves it
    idle: timedelta
    ip: str = ""
    user_agent: str = ""
    method: str = ""
    proved: datetime | None = None
    proved_where: str = ""  # the caller's `where`
    remembered: bool = False

    @classmethod
    def begin(
        cls,
        *,
        lifetime: timedelta = settings.SESSION_LIFETIME,
        idle: timedelta = settings.SESSION_IDLE,
        **known: Any,
    ) -> "Meta":
        now = timezone.now()
        return cls(created=now, seen=now, expires=now + lifetime, idle=idle, **known)

    def prove(self, where: str) -> None:
        """Note a proof, which is fresh from now on, for callers from there."""
        self.proved, self.proved_where = timezone.now(), where

    @property
    def has_two_factors(self) -> bool:
        """Whether more than one was proved."""
        return is_two_factors(self.method)

    @property
    def ends(self) -> datetime:
        """When it ends if nobody comes back: the idle end or the absolute one."""
        return min(self.seen + self.idle, self.expires)

    def is_live(self, now: datetime) -> bool:
        return now < self.ends

    def is_due_for_touch(self, now: datetime) -> bool:
        return now - self.seen >= TOUCH_EVERY

    def dumps(self) -> str:
        return json.dumps(
            {
                "created": _stamp(self.created),
                "seen": _stamp(self.seen),
                "expires": _stamp(self.expires),
                "idle": int(self.idle.total_seconds()),
                "ip": self.ip,
                "user_agent": self.user_agent,
                "method": self.method,
                "proved": _stamp(self.proved) if self.proved else None,
                "proved_where": self.proved_where,
                "remembered": self.remembered,
            },
            separators=(",", ":"),
        )

    @classmethod
    def loads(cls, raw: bytes) -> "Meta":
        kept = json.loads(raw)
        return cls(
            created=_moment(kept["created"]),
            seen=_moment(kept["seen"]),
            expires=_moment(kept["expires"]),
            idle=timedelta(seconds=kept["idle"]),
            ip=kept["ip"],
            user_agent=kept["user_agent"],
            method=kept["method"],
            proved=_moment(kept["proved"]) if kept["proved"] else None,
            # Sessions of a version before this one have none, and are asked for a proof.
            proved_where=kept.get("proved_where", ""),
            remembered=kept["remembered"],
        )


@dataclass
class Record:
    """A session read back: what Django keeps in it, who it belongs to, and its meta."""

    meta: Meta
    data: dict[str, Any] = field(default_factory=dict)
    user: dict[str, Any] | None = None

    @classmethod
    def loads(cls, data: bytes | None, user: bytes | None, meta: bytes | None) -> "Record | None":
        """The record in three raw fields; None where there is none or it cannot be read."""
        if data is None or meta is None:
            return None
        try:
            record = cls(
                data=json.loads(data),
                user=json.loads(user) if user else None,
                meta=Meta.loads(meta),
            )
        except (ValueError, KeyError, TypeError, OverflowError):
            return None
        is_readable = isinstance(record.data, dict) and isinstance(record.user, dict | None)
        return record if is_readable else None


def _stamp(moment: datetime) -> float:
    return round(moment.timestamp(), 3)


def _moment(stamp: float) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)
