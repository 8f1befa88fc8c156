"""Devices that have logged in before, so that nobody elsewhere can lock their owner out.

After OWASP's "Device Cookies": the cookie says which accounts have let the browser in, and by which
id each knows it, under one MAC, so that it is worth nothing for another account and cannot be made
up. It holds several, for people share a browser, and names them by id: an address may change.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from bottomline import keys

COOKIE_AGE = timedelta(days=365)
PURPOSE = "device-cookie"
MOST_ACCOUNTS = 5  # in one browser; the next drops the one that was given longest ago
ID_LENGTH, TIME_LENGTH = 16, 4  # bytes; the time in seconds until the year 2106
LENGTH = 2 * ID_LENGTH  # of what is kept for one account: its id, and ours of the device
MAC_LENGTH = 22  # base64url of 16 bytes
LONGEST = 300  # of a cookie: one that names five accounts has 237 characters


@dataclass(frozen=True)
class Device:
    """A browser, as one account knows it."""

    user_id: UUID
    id: bytes

    @property
    def given_at(self) -> datetime:
        return datetime.fromtimestamp(int.from_bytes(self.id[:TIME_LENGTH], "big"), UTC)

    def is_known(self, user: User) -> bool:
        """Whether that account was opened to it, within a year, and since its password was chosen.

        One from before could be an intruder's: it has no budget of its own, and the owner is to
        hear of its next login.
        """
        since = user.password_changed_at
        return (
            self.user_id == user.pk
            and timezone.now() < self.given_at + COOKIE_AGE
            and (since is None or self.given_at >= since.replace(microsecond=0))
        )


def new_cookie(user: User, before: str) -> str:
    """A cookie for a browser that may be known to that account now; others that it holds stay."""
    given_at = int(timezone.now().timestamp()).to_bytes(TIME_LENGTH, "big")
    new = Device(user.pk, given_at + secrets.token_bytes(ID_LENGTH - TIME_LENGTH))
    others = [device for device in _read(before) if device.user_id != user.pk]
    devices = [new, *others][:MOST_ACCOUNTS]
    body = b"".join(device.user_id.bytes + device.id for device in devices)
    return f"{_encode(keys.mac(PURPOSE, body)[:16])}.{_encode(body)}"


def find_known(cookie: str, email: str) -> str | None:
    """The id of this device for the account of that address, if it is known there.

    Asks for the accounts that the cookie names, and never for the one that was typed: neither the
    queries nor their time tell whether that one exists.
    """
    devices = _read(cookie)
    if not devices:
        return None
    users = User.objects.only("email", "password_changed_at")
    held = users.in_bulk([device.user_id for device in devices])
    for device in devices:
        user = held.get(device.user_id)
        if user is not None and user.email == email and device.is_known(user):
            return device.id.hex()
    return None


def is_known(cookie: str, user: User) -> bool:
    """Whether the device of this cookie is known to that account."""
    return any(device.is_known(user) for device in _read(cookie))


def digest_of(cookie: str, user: User) -> str | None:
    """By what to keep this device for that account, if it is known there."""
    known = (device for device in _read(cookie) if device.is_known(user))
    return next((sha256(device.id).hexdigest() for device in known), None)


def _read(cookie: str) -> list[Device]:
    """What a cookie of ours holds; of any other nothing."""
    tag, _, body = cookie.partition(".")
    if len(tag) != MAC_LENGTH or len(cookie) > LONGEST or not cookie.isascii():
        return []
    try:
        claimed, kept = urlsafe_b64decode(tag + "=="), urlsafe_b64decode(body + "==")
    except ValueError:
        return []
    if not keys.is_mac(PURPOSE, kept, claimed):
        return []
    each = [kept[at : at + LENGTH] for at in range(0, len(kept), LENGTH)]
    return [Device(UUID(bytes=part[:ID_LENGTH]), part[ID_LENGTH:]) for part in each]


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
