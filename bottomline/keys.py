"""Keys for each purpose, derived from the secret in the environment.

One secret to keep and rotate, many keys: what signs cookies cannot sign links (ASVS 11.1.2).
A retired secret stays in SECRET_KEY_FALLBACKS for as long as what it signed should be believed.
"""

import hmac
from functools import lru_cache

from django.conf import settings


@lru_cache(maxsize=64)
def _derive(secret: str, purpose: str) -> bytes:
    return hmac.digest(secret.encode(), b"bottomline:" + purpose.encode(), "sha256")


def mac(purpose: str, message: bytes) -> bytes:
    """HMAC-SHA-256 of the message under the current key of that purpose."""
    return hmac.digest(_derive(settings.SECRET_KEY, purpose), message, "sha256")


def is_mac(purpose: str, message: bytes, claimed: bytes) -> bool:
    """Whether the claimed MAC (or its first bytes, at least 16) is ours, under any key in use."""
    size = len(claimed)
    if size < 16:
        return False
    return any(
        hmac.compare_digest(
            hmac.digest(_derive(secret, purpose), message, "sha256")[:size], claimed
        )
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )
