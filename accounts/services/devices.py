"""Devices that have logged in before, so that nobody elsewhere can lock their owner out.

After OWASP's "Device Cookies": the cookie names a device and carries a MAC over it and the
account, so it is worth nothing for another account and cannot be made up. The name begins with the
time it was given.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from accounts.models import User
from bottomline import keys

COOKIE_AGE = timedelta(days=365)
PURPOSE = "device-cookie"
ID_LENGTH, MAC_LENGTH = 22, 22  # base64url of 16 bytes each
TIME_LENGTH = 4  # bytes: seconds until the year 2106


def new_cookie(email: str) -> str:
    """A cookie for a browser that has just logged in to the account of that address."""
    given_at = int(timezone.now().timestamp()).to_bytes(TIME_LENGTH, "big")
    device = _encode(given_at + secrets.token_bytes(16 - TIME_LENGTH))
    tag = keys.mac(PURPOSE, _message(device, email))[:16]
    return f"{device}.{_encode(tag)}"


def known_device(cookie: str, email: str) -> str | None:
    """The device's id if this cookie was given to it for that account, within a year."""
    device, _, tag = cookie.partition(".")
    if len(device) != ID_LENGTH or len(tag) != MAC_LENGTH or not cookie.isascii():
        return None
    try:
        claimed = urlsafe_b64decode(tag + "==")
    except ValueError:
        return None
    if not keys.is_mac(PURPOSE, _message(device, email), claimed):
        return None
    return device if timezone.now() < _given_at(device) + COOKIE_AGE else None


def is_known(cookie: str, user: User) -> bool:
    """Whether this cookie was given to a device of the user since they last chose a password.

    One from before could be an intruder's, and the owner is to hear of its next login.
    """
    device = known_device(cookie, user.email)
    if device is None:
        return False
    changed_at = user.password_changed_at
    return changed_at is None or _given_at(device) >= changed_at.replace(microsecond=0)


def _given_at(device: str) -> datetime:
    seconds = int.from_bytes(urlsafe_b64decode(device + "==")[:TIME_LENGTH], "big")
    return datetime.fromtimestamp(seconds, UTC)


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _message(device: str, email: str) -> bytes:
    return f"{device}\0{email}".encode()
