"""The session cookie: `sid.signature`, so a forged one is refused before Redis is asked."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from bottomline import keys

PURPOSE = "session-cookie"
SID_LENGTH = 43  # base64url of 32 bytes, without padding
LENGTH = SID_LENGTH + 1 + 43


def new_sid() -> str:
    """A session id: 256 random bits (ASVS 7.2.3)."""
    return secrets.token_urlsafe(32)


def sign(sid: str) -> str:
    """The cookie's value for a session id."""
    return f"{sid}.{_encode(keys.mac(PURPOSE, sid.encode()))}"


def read(value: str) -> str | None:
    """The session id in a cookie we made, None for anything else."""
    if len(value) != LENGTH or not value.isascii() or value[SID_LENGTH] != ".":
        return None
    sid, signature = value[:SID_LENGTH], value[SID_LENGTH + 1 :]
    try:
        claimed = urlsafe_b64decode(signature + "=")
    except ValueError:
        return None
    # Base64 decoders skip foreign characters: one session, one spelling of its cookie.
    if _encode(claimed) != signature or not keys.is_mac(PURPOSE, sid.encode(), claimed):
        return None
    return sid


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
