"""What a browser is asked about passkeys, and whether its answer holds.

Web Authentication, level 3 (https://www.w3.org/TR/webauthn-3/). A challenge carries until when it
is good, and a MAC of what for and in which browser, so that showing a page stores nothing; only
that one was spent is kept, for as long as it could be used again (ASVS 6.7.2).
"""

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import (
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from bottomline import keys, once

LASTS = timedelta(minutes=5)
MILLISECONDS = int(LASTS.total_seconds() * 1000)
LONGEST = 16_384  # characters of an answer; a browser's have a tenth of that

PURPOSE = "passkey-challenge"
NONCE_BYTES, TIME_BYTES, MAC_BYTES = 32, 5, 16

# Preferred first. RSA is for older Windows Hello alone (ASVS 11.6.1).
ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
VERIFIED = UserVerificationRequirement.REQUIRED  # by a PIN, a finger or a face (ASVS 6.5.7)


class Refused(Exception):
    """An answer that proves nothing."""


@dataclass(frozen=True)
class Ceremony:
    """What a browser is asked for, which browser, and of whom where that is known already."""

    purpose: str
    browser: str
    subject: str = ""

    def new_challenge(self) -> bytes:
        ends = int((timezone.now() + LASTS).timestamp())
        named = secrets.token_bytes(NONCE_BYTES) + ends.to_bytes(TIME_BYTES, "big")
        return named + keys.mac(PURPOSE, self._signed(named))[:MAC_BYTES]

    def spend(self, challenge: bytes) -> bool:
        """Whether it was made for this, is in time, and was never spent: of many at once, one.

        Raises RedisError or OSError in an outage.
        """
        named, mac = challenge[:-MAC_BYTES], challenge[-MAC_BYTES:]
        if len(named) != NONCE_BYTES + TIME_BYTES:
            return False
        ends = int.from_bytes(named[NONCE_BYTES:], "big")
        if not keys.is_mac(PURPOSE, self._signed(named), mac) or ends < timezone.now().timestamp():
            return False
        return once.spend("passkey", named, LASTS)

    def _signed(self, named: bytes) -> bytes:
        return "\0".join((self.purpose, self.browser, self.subject)).encode() + b"\0" + named


@dataclass(frozen=True)
class Known:
    """A passkey, as a browser is told of it."""

    id: bytes
    transports: list[str]

    @property
    def descriptor(self) -> PublicKeyCredentialDescriptor:
        transports = [AuthenticatorTransport(each) for each in self.transports]
        return PublicKeyCredentialDescriptor(id=self.id, transports=transports)


def ask_for_new(ceremony: Ceremony, *, handle: bytes, name: str, known: Iterable[Known]) -> str:
    """What a browser needs to make a passkey that can be found without typing a name."""
    options = generate_registration_options(
        rp_id=settings.SITE_HOST,
        rp_name=settings.SITE_NAME,
        user_id=handle,
        user_name=name,
        challenge=ceremony.new_challenge(),
        timeout=MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=VERIFIED
        ),
        exclude_credentials=[each.descriptor for each in known],
        supported_pub_key_algs=ALGORITHMS,
    )
    return options_to_json(options)


def ask_for_proof(ceremony: Ceremony, known: Iterable[Known] = ()) -> str:
    """What a browser needs to prove a passkey: one of these, or any that it finds."""
    options = generate_authentication_options(
        rp_id=settings.SITE_HOST,
        challenge=ceremony.new_challenge(),
        timeout=MILLISECONDS,
        allow_credentials=[each.descriptor for each in known],
        user_verification=VERIFIED,
    )
    return options_to_json(options)


def tell_accepted(*, handle: bytes, known: Iterable[Known]) -> str:
    """What a browser tells a password manager, so that it offers none that was removed."""
    told = {
        "rpId": settings.SITE_HOST,
        "userId": bytes_to_base64url(handle),
        "allAcceptedCredentialIds": [bytes_to_base64url(each.id) for each in known],
    }
    return json.dumps(told)


def read_new(answer: str) -> RegistrationCredential:
    """What a browser says of a new passkey; nothing of it is believed yet. Raises Refused."""
    with _of_strangers():
        return parse_registration_credential_json(_object(answer))


def read_proof(answer: str) -> AuthenticationCredential:
    """What a browser says to prove a passkey; nothing of it is believed yet. Raises Refused."""
    with _of_strangers():
        return parse_authentication_credential_json(_object(answer))


def check_new(claimed: RegistrationCredential, ceremony: Ceremony) -> VerifiedRegistration:
    """The passkey that was made for this ceremony. Raises Refused."""
    challenge = _spent(claimed.response.client_data_json, ceremony)
    with _of_strangers():
        return verify_registration_response(
            credential=claimed,
            expected_challenge=challenge,
            expected_rp_id=settings.SITE_HOST,
            expected_origin=settings.SITE_ORIGIN,
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
        )


def check_proof(
    claimed: AuthenticationCredential, ceremony: Ceremony, *, public_key: bytes
) -> VerifiedAuthentication:
    """What was proved in this ceremony with the key's other half. Raises Refused.

    Whether its count has grown is for who keeps it: the library would look at that before the
    signature, and anybody could raise a false alarm.
    """
    challenge = _spent(claimed.response.client_data_json, ceremony)
    with _of_strangers():
        return verify_authentication_response(
            credential=claimed,
            expected_challenge=challenge,
            expected_rp_id=settings.SITE_HOST,
            expected_origin=settings.SITE_ORIGIN,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )


def is_synced(verified: VerifiedAuthentication | VerifiedRegistration) -> bool:
    """Whether several devices may share it."""
    return verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE


def _spent(client_data: bytes, ceremony: Ceremony) -> bytes:
    """The challenge that was answered, now spent; never one that another site's page showed."""
    with _of_strangers():
        said = parse_client_data_json(client_data)
    if said.cross_origin or not ceremony.spend(said.challenge):
        raise Refused
    return said.challenge


def _object(answer: str) -> dict[str, Any]:
    if len(answer) > LONGEST:
        raise Refused
    said = json.loads(answer)
    if not isinstance(said, dict):
        raise Refused
    return said


@contextmanager
def _of_strangers() -> Iterator[None]:
    """Whatever goes wrong in reading what a stranger made up is a refusal.

    The parsers of the library and those under it (JSON, CBOR, keys, certificates) raise errors of
    many kinds, and not always their own. Nothing of ours runs in here.
    """
    try:
        yield
    except Exception as error:
        raise Refused from error
