"""Proof of work: a browser computes for a moment before we do what could be done by the thousand.

A challenge in the format of ALTCHA, version 1 (https://altcha.org/docs/v1/proof-of-work/): find the
number with which a salt has a given SHA-256. All that is needed to check the answer is in the salt
or under a MAC, so that showing a form stores nothing; only that a solution was spent is kept, for
as long as it could be used again (ASVS 2.4.1).
"""

import json
import logging
import secrets
from base64 import b64decode
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.utils import timezone

from bottomline import keys, metrics, once
from bottomline.caller import Caller
from bottomline.errors import CaptchaMissing, TooManyAttempts
from bottomline.limits import Limit, spend

log = logging.getLogger(__name__)

PURPOSE = "captcha"
LIFE = timedelta(seconds=120)
LONGEST = 1000  # characters of a solution; ours have about 400


def new_challenge(door: str, network: str) -> dict[str, Any]:
    """A challenge for one form and one client network, good for two minutes."""
    number = secrets.randbelow(2**settings.PROOF_OF_WORK_BITS)
    expires = int((timezone.now() + LIFE).timestamp())
    # The last "&" ends the salt, so that no digit of it can be taken for one of the number.
    salt = f"{secrets.token_hex(16)}?expires={expires}&form={door}&"
    challenge = _hash(salt, number)
    return {
        "algorithm": "SHA-256",
        "challenge": challenge,
        "maxnumber": 2**settings.PROOF_OF_WORK_BITS,
        "salt": salt,
        "signature": keys.mac(PURPOSE, _signed(challenge, salt, network)).hex(),
    }


def require(solution: str, *, door: str, caller: Caller, otherwise: Limit) -> None:
    """Spend a solution to a challenge of ours; without one, a use of `otherwise`, a small budget.

    Wrong, expired, spent, another form's, another network's: each is as none. Raises CaptchaMissing
    where the budget is used up too; RedisError or OSError in an outage.
    """
    if spend_solution(solution, door=door, caller=caller):
        return
    if solution:
        metrics.EVENTS.labels("captcha.refused", door).inc()
        log.info("captcha.refused", extra={"form": door})
    try:
        spend((otherwise, caller.network))
    except TooManyAttempts as refusal:
        log.warning("captcha.missing", extra={"form": door})
        raise CaptchaMissing(refusal.retry_after) from None


def spend_solution(solution: str, *, door: str, caller: Caller) -> bool:
    """Whether it was good, and nobody had spent it before: of many at once, one."""
    salt = _salt_of_good(solution, door, caller.network)
    if salt is None:
        return False
    return once.spend("captcha", salt.encode(), LIFE)


def _salt_of_good(solution: str, door: str, network: str) -> str | None:
    if not solution or len(solution) > LONGEST:
        return None
    try:
        claimed = json.loads(b64decode(solution, validate=True))
        challenge, salt, number = claimed["challenge"], claimed["salt"], claimed["number"]
        mac = bytes.fromhex(claimed["signature"])
        is_ours = keys.is_mac(PURPOSE, _signed(challenge, salt, network), mac)
        if not is_ours or _hash(salt, number) != challenge:
            return None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    said = parse_qs(salt.partition("?")[2])
    is_fresh = int(said["expires"][0]) > timezone.now().timestamp()
    return salt if is_fresh and said["form"] == [door] else None


def _signed(challenge: str, salt: str, network: str) -> bytes:
    return "\0".join((challenge, salt, network)).encode()


def _hash(salt: str, number: int) -> str:
    return sha256(f"{salt}{number}".encode()).hexdigest()
