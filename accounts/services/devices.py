"""Devices that have logged in before, so that nobody elsewhere can lock their owner out.

After OWASP's "Device Cookies": the cookie names a device and carries a MAC over it and the
account, so it is worth nothing for another account and cannot be made up.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta

from bottomline import keys

COOKIE_AGE = timedelta(days=365)
PURPOSE = "device-cookie"
ID_LENGTH, MAC_LENGTH = 22, 22  # base64url of 16 bytes each


def new_cookie(email: str) -> str:
    """A cookie for a browser that has just logged in to the account of that address."""
    device = secrets.token_urlsafe(16)
    tag = keys.mac(PURPOSE, _message(device, email))[:16]
    return f"{device}.{urlsafe_b64encode(tag).rstrip(b'=').decode()}"


def known_device(cookie: str, email: str) -> str | None:
    """The device's id if this cookie was given to it for that account."""
    device, _, tag = cookie.partition(".")
    if len(device) != ID_LENGTH or len(tag) != MAC_LENGTH or not cookie.isascii():
        return None
    try:
        claimed = urlsafe_b64decode(tag + "==")
    except ValueError:
        return None
    return device if keys.is_mac(PURPOSE, _message(device, email), claimed) else None


def _message(device: str, email: str) -> bytes:
    return f"{device}\0{email}".encode()
