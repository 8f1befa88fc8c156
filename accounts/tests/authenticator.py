"""An authenticator in software: makes passkeys and proves them, as a device and its browser do."""

import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from html import unescape
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from conftest import Person, Visitor, log_in

Key = EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey

ORIGIN = "https://door.example.org"
HOST = "door.example.org"
PAGE = "/account/security/passkeys/"
LOGIN = "/login/passkey/"
ASKED = re.compile(r'data-passkey="([^"]+)"')

PRESENT, VERIFIED, SYNCED, BACKED_UP, NEW = 0x01, 0x04, 0x08, 0x10, 0x40


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "==")


def public(key: Key) -> dict[int, Any]:
    """The public half as COSE has it (RFC 9053)."""
    if isinstance(key, Ed25519PrivateKey):
        return {1: 1, 3: -8, -1: 6, -2: key.public_key().public_bytes_raw()}
    if isinstance(key, RSAPrivateKey):
        modulus = key.public_key().public_numbers().n
        return {1: 3, 3: -257, -1: modulus.to_bytes(256, "big"), -2: b"\x01\x00\x01"}
    point = key.public_key().public_numbers()
    return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}


def sign(key: Key, said: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(said)
    if isinstance(key, RSAPrivateKey):
        return key.sign(said, PKCS1v15(), SHA256())
    return key.sign(said, ECDSA(SHA256()))


@dataclass
class Authenticator:
    """One passkey on one device. What a test changes of it, it says from then on."""

    origin: str = ORIGIN
    host: str = HOST
    flags: int = PRESENT | VERIFIED
    count: int | None = None  # None for one that does not count, as those that are synced
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: Key = field(default_factory=lambda: generate_private_key(SECP256R1()))
    handle: bytes = b""

    def create(self, asked: dict[str, Any], **said: Any) -> str:
        """What navigator.credentials.create() gives; more is said of the page by `said`."""
        self.handle = decode(asked["user"]["id"])
        named = (
            bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(public(self.key))
        )
        made = {"fmt": "none", "attStmt": {}, "authData": self._data(NEW) + named}
        response = {
            "clientDataJSON": encode(self._page("webauthn.create", asked, **said)),
            "attestationObject": encode(cbor2.dumps(made)),
            "transports": ["internal", "hybrid"],
        }
        return self._answer(response)

    def get(self, asked: dict[str, Any], **said: Any) -> str:
        """What navigator.credentials.get() gives."""
        page, data = self._page("webauthn.get", asked, **said), self._data()
        response = {
            "clientDataJSON": encode(page),
            "authenticatorData": encode(data),
            "signature": encode(sign(self.key, data + sha256(page).digest())),
            "userHandle": encode(self.handle),
        }
        return self._answer(response)

    def _answer(self, response: dict[str, Any]) -> str:
        named = {"id": encode(self.id), "rawId": encode(self.id), "type": "public-key"}
        return json.dumps(named | {"response": response})

    def _page(self, kind: str, asked: dict[str, Any], **said: Any) -> bytes:
        page = {"type": kind, "challenge": asked["challenge"], "origin": self.origin} | said
        return json.dumps(page).encode()

    def _data(self, flags: int = 0) -> bytes:
        if self.count is not None:
            self.count += 1
        count = (self.count or 0).to_bytes(4, "big")
        return sha256(self.host.encode()).digest() + bytes([self.flags | flags]) + count


def asked_on(visitor: Visitor, page: str) -> dict[str, Any]:
    """What a page has the browser ask for."""
    shown = visitor.get(page).content.decode()
    found = ASKED.search(shown)
    assert found, shown
    asked: dict[str, Any] = json.loads(unescape(found[1]))
    return asked


def add_passkey(visitor: Visitor, name: str = "My phone", **device: Any) -> Authenticator:
    """Add one on the pages, logged in."""
    assert visitor.post(f"{PAGE}start/")["Location"] == f"{PAGE}add/"
    authenticator = Authenticator(**device)
    answer = authenticator.create(asked_on(visitor, f"{PAGE}add/"))
    response = visitor.post(f"{PAGE}add/", {"name": name, "credential": answer})
    assert response.status_code == 302, response.content.decode()
    assert response["Location"] == PAGE
    return authenticator


def passkey_of(person: Person, **device: Any) -> Authenticator:
    """A passkey of somebody's."""
    visitor = Visitor()
    log_in(visitor, person)
    return add_passkey(visitor, **device)


def log_in_with(authenticator: Authenticator, visitor: Visitor, **more: str) -> Any:
    """From the login page, without typing anything."""
    answer = authenticator.get(asked_on(visitor, "/login/"))
    return visitor.post(LOGIN, {"credential": answer, **more})
