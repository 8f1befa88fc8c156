"""The long random words in links: derived, not stored.

A token is base64url(public_id ‖ HMAC(key, purpose ‖ public_id)): sixteen random bytes that name a
row, and sixteen bytes of a MAC under a key that is not in the database. A dump of the database,
the broker or the logs opens nothing, a forgery costs no query, and a mail sent twice carries the
same link.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from bottomline import keys

ID_BYTES = 16
MAC_BYTES = 16
LENGTH = 43  # base64url of 32 bytes, without padding


class BadToken(ValueError):
    """Not a token of this purpose that we made."""


def new_public_id() -> UUID:
    """128 random bits to name a row by; every bit is random, unlike uuid4's."""
    return UUID(bytes=secrets.token_bytes(ID_BYTES))


def make(purpose: str, public_id: UUID) -> str:
    """The token that opens the row of that name for that purpose; 43 characters."""
    tag = keys.mac(f"token:{purpose}", public_id.bytes)[:MAC_BYTES]
    return urlsafe_b64encode(public_id.bytes + tag).rstrip(b"=").decode()


def find(purpose: str, token: str) -> UUID | None:
    """The row a token names, or None for anything we did not make."""
    try:
        return read(purpose, token)
    except BadToken:
        return None


def read(purpose: str, token: str) -> UUID:
    """The row a token names. Raises BadToken for anything we did not make, without a query."""
    if len(token) != LENGTH or not token.isascii():
        raise BadToken
    try:
        raw = urlsafe_b64decode(token + "=")
    except ValueError:
        raise BadToken from None
    # The decoder skips foreign characters and ignores the last two bits: one token, one spelling.
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        raise BadToken
    public_id, tag = raw[:ID_BYTES], raw[ID_BYTES:]
    if not keys.is_mac(f"token:{purpose}", public_id, tag):
        raise BadToken
    return UUID(bytes=public_id)
