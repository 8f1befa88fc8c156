"""Keys for each purpose, derived from the secret in the environment.

One secret to keep and rotate, many keys: what signs cookies cannot sign links (ASVS 11.1.2).
A retired secret stays in SECRET_KEY_FALLBACKS for as long as what it signed should be believed.
"""

import hmac
from functools import lru_cache

from django.conf import settings


def _derive(secret: str, purpose: str) -> bytes:
    return hmac.digest(secret.encode(), b"bottomline:" + purpose.encode(), "sha256")


@lru_cache(maxsize=64)
def _keyed(secret: str, purpose: str) -> hmac.HMAC:
    return hmac.new(_derive(secret, purpose), digestmod="sha256")


def _mac(secret: str, purpose: str, message: bytes) -> bytes:
    # A copy instead of hmac.digest, which gives the interpreter to another thread each time; on
    # the way to `/session/` getting it back costs more than the digest.
    begun = _keyed(secret, purpose).copy()
    begun.update(message)
    return begun.digest()


def mac(purpose: str, message: bytes) -> bytes:
    """HMAC-SHA-256 of the message under the current key of that purpose."""
    return _mac(settings.SECRET_KEY, purpose, message)


def macs(purpose: str, message: bytes) -> list[bytes]:
    """The MACs of a message under every key in use, today's first: what to look a row up by."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [_mac(secret, purpose, message) for secret in secrets]


def to_seal_with(purpose: str) -> list[bytes]:
    """256-bit keys for encrypting under every secret in use, today's first."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [_derive(secret, purpose) for secret in secrets]


def is_mac(purpose: str, message: bytes, claimed: bytes) -> bool:
    """Whether the claimed MAC (or its first bytes, at least 16) is ours, under any key in use."""
    size = len(claimed)
    if size < 16:
        return False
    return any(
        hmac.compare_digest(_mac(secret, purpose, message)[:size], claimed)
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )
