"""What must be read again and yet be worth nothing to who has the database: sealed by AES-256-GCM.

NIST SP 800-38D with random 96-bit nonces. The key is derived outside the database, and its id
stands before what it sealed, so that keys can be exchanged (ASVS 11.2.2, 11.3.2).
"""

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bottomline import keys

PURPOSE = "sealing"
ID_BYTES = 4
NONCE_BYTES = 12


class CannotOpen(Exception):
    """Of a key that is not known any more, changed, or sealed for another place."""


def seal(content: bytes, *, place: str) -> bytes:
    """The content as it may be kept in that place, named by its table and its owner."""
    key = keys.to_seal_with(PURPOSE)[0]
    nonce = secrets.token_bytes(NONCE_BYTES)
    return _id_of(key) + nonce + AESGCM(key).encrypt(nonce, content, place.encode())


def open_sealed(sealed: bytes, *, place: str) -> bytes:
    """What was sealed for that place, under any key in use. Raises CannotOpen."""
    named, rest = sealed[:ID_BYTES], sealed[ID_BYTES:]
    nonce, kept = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
    for key in keys.to_seal_with(PURPOSE):
        if hmac.compare_digest(_id_of(key), named):
            try:
                return AESGCM(key).decrypt(nonce, kept, place.encode())
            except (InvalidTag, ValueError):
                raise CannotOpen from None
    raise CannotOpen


def is_of_today(sealed: bytes) -> bool:
    """Whether it is sealed with the key that seals now."""
    return hmac.compare_digest(_id_of(keys.to_seal_with(PURPOSE)[0]), sealed[:ID_BYTES])


def _id_of(key: bytes) -> bytes:
    return hmac.digest(key, b"id", "sha256")[:ID_BYTES]
