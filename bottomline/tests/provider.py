"""An OpenID provider of our own: a real server, which keeps to the standard until told not to."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import RSAKey

from bottomline.tests.servers import serving

CLIENT_ID, CLIENT_SECRET = "bottomline-at-the-provider", "a secret that we share with it"
STALLS_FOR = 10  # seconds; longer than anybody is to wait for an answer

Claims = dict[str, Any]


@dataclass
class Account:
    """Somebody with an account there."""

    subject: str
    email: str
    more: Claims = field(default_factory=lambda: {"email_verified": True})

    @property
    def claims(self) -> Claims:
        return {"sub": self.subject, "email": self.email, **self.more}


@dataclass
class Grant:
    """What a code stands for: who said yes to what."""

    account: Account
    asked: dict[str, str]


class IdentityProvider:
    """At 127.0.0.1, so on another site than a door at localhost or at door.example.org."""

    def __init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.account: Account | None = None  # who is logged in there, in a browser
        self.grants: dict[str, Grant] = {}
        self.requests: list[str] = []
        self.tokens: list[str] = []
        # How it misbehaves.
        self.document: Claims = {}  # what its discovery document says otherwise
        self.claims: Claims = {}  # and its ID tokens; without those that are None
        self.sign: Callable[[Claims], str] = self.sign_well
        self.checks_codes = True  # once, PKCE, for the place that asked
        self.broken: dict[str, tuple[int, bytes]] = {}  # what a path is answered with
        self.stalls: set[str] = set()
        self.key = _key(0)

    @property
    def discovery_url(self) -> str:
        return f"{self.issuer}/.well-known/openid-configuration"

    def new_key(self) -> None:
        """Sign with another key from now on; the old one is not shown any more."""
        self.key = _key(1)

    @contextmanager
    def up(self) -> Iterator["IdentityProvider"]:
        with serving(self.server):
            yield self

    def approve(self, place: str, account: Account) -> str:
        """Where somebody who says yes there is sent back to."""
        asked = dict(parse_qsl(urlsplit(place).query))
        code = secrets.token_urlsafe(32)
        self.grants[code] = Grant(account, asked)
        sent = {"code": code, "state": asked["state"], "iss": self.issuer}
        return f"{asked['redirect_uri']}?{urlencode(sent)}"

    def sign_well(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    # --- what it answers ---

    def discovery(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            **self.document,
        }

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, Claims]:
        secret = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if authorization != f"Basic {secret}":
            return 401, {"error": "invalid_client"}
        grant = self.grants.get(form["code"])
        if self.checks_codes:
            self.grants.pop(form["code"], None)
        if grant is None or (self.checks_codes and not _fits(grant, form)):
            return 400, {"error": "invalid_grant", "error_description": "<script>alert(1)</script>"}
        token = self.sign(self.claims_for(grant))
        self.tokens.append(token)
        return 200, {"id_token": token, "access_token": "ya29.worthless", "token_type": "Bearer"}

    def claims_for(self, grant: Grant) -> Claims:
        now = int(timezone.now().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 3600,
            "nonce": grant.asked.get("nonce"),
            **grant.account.claims,
            **self.claims,
        }
        return {name: value for name, value in claims.items() if value is not None}


@cache
def _key(number: int, bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": f"key-{number}", "use": "sig", "alg": "RS256"})


def _fits(grant: Grant, form: dict[str, str]) -> bool:
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return (
        grant.asked.get("code_challenge_method") == "S256"
        and grant.asked.get("code_challenge") == challenge
        and grant.asked.get("redirect_uri") == form.get("redirect_uri")
    )


CONSENT = """<!DOCTYPE html><title>Elsewhere</title><link rel="icon" href="data:,">
<h1>Log in to the door?</h1>
<form method="post" action="/approve"><input type="hidden" name="place" value="{place}">
<button>Yes, as {email}</button></form>"""


def _handler(provider: IdentityProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self._begin()
            if path == "/.well-known/openid-configuration":
                self._json(200, provider.discovery())
            elif path == "/keys":
                self._json(200, {"keys": [provider.key.as_dict(private=False)]})
            elif path == "/authorize":
                assert provider.account
                place = self.path.replace("&", "&amp;")
                page = CONSENT.format(place=place, email=provider.account.email)
                self._answer(200, page.encode(), "text/html; charset=utf-8")
            else:
                self._answer(404, b"", "text/plain")

        def do_POST(self) -> None:
            path = self._begin()
            length = int(self.headers["Content-Length"])
            form = {k: v[0] for k, v in parse_qs(self.rfile.read(length).decode()).items()}
            if path == "/token":
                self._json(*provider.exchange(form, self.headers.get("Authorization", "")))
            else:
                assert provider.account
                self.send_response(302)
                self.send_header("Location", provider.approve(form["place"], provider.account))
                self.end_headers()

        def _begin(self) -> str:
            path = urlsplit(self.path).path
            provider.requests.append(path)
            if path in provider.stalls:
                time.sleep(STALLS_FOR)
            return path

        def _json(self, status: int, content: Claims) -> None:
            self._answer(status, json.dumps(content).encode(), "application/json")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            status, body = provider.broken.get(urlsplit(self.path).path, (status, body))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if 300 <= status < 400:
                self.send_header("Location", f"{provider.issuer}/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Nobody reads it."""

    return Handler
