"""What an OpenID provider says of somebody, Google or another: asked for, checked, and believed.

By the authorization code flow with PKCE alone (OpenID Connect Core 1.0, RFC 7636). The issuer is
the one that the setting names; where its doors are says its discovery document, and who signs for
it the keys that are found there. Both are asked for once an hour at most, but for a key that is not
known, once a minute. An access token is never used, and none is kept.
"""

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from django.conf import settings
from django.utils import timezone
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from accounts.addresses import InvalidAddress, canonical_email
from accounts.errors import BadReturn, ProviderAway
from bottomline.outgoing import Answer, Away, Line

log = logging.getLogger(__name__)

LONGEST = 3.0  # seconds for each question
PAUSE = timedelta(seconds=10)  # in which it is asked nothing, after it said nothing
AT_ONCE = 8
LARGEST = 256 * 1024
KNOWN_FOR = timedelta(hours=1)
NEW_KEY_PAUSE = timedelta(minutes=1)
SKEW = 60  # seconds that a provider's clock may be off
FRESH_FOR = 600  # seconds; an ID token is made while we wait for it
SUBJECT_LENGTH = 255  # OpenID Connect Core, section 2

SCOPE = "openid email"
ALGORITHM = "RS256"
SMALLEST_KEY = 2048  # bits
WELL_KNOWN = "/.well-known/openid-configuration"
DOORS = ("authorization_endpoint", "token_endpoint", "jwks_uri")

GOOGLE = "https://accounts.google.com"
GOOGLES_OWN = ("gmail.com", "googlemail.com")


@dataclass(frozen=True)
class Told:
    """Who somebody is, as the provider says, and whether it may know whose the address is."""

    issuer: str
    subject: str
    email: str
    is_address_proved: bool


def is_offered() -> bool:
    """Whether there is a provider at all."""
    return bool(settings.GOOGLE_CLIENT_ID)


def issuer() -> str:
    """Whom we believe. Every provider's discovery document is at a fixed place below it."""
    return settings.GOOGLE_DISCOVERY_URL.removesuffix(WELL_KNOWN)


def redirect_uri() -> str:
    return f"{settings.SITE_URL}/login/google/callback/"


def authorization_url(*, state: str, nonce: str, verifier: str) -> str:
    """Where to send somebody who is to say who they are. Raises ProviderAway."""
    url: str = prepare_grant_uri(
        _provider(issuer()).doors()["authorization_endpoint"],
        settings.GOOGLE_CLIENT_ID,
        "code",
        redirect_uri=redirect_uri(),
        scope=SCOPE,
        state=state,
        nonce=nonce,
        code_challenge=create_s256_code_challenge(verifier),
        code_challenge_method="S256",
        prompt="select_account",  # never silently as whoever is logged in there (ASVS 7.6.2)
    )
    return url


def ask(code: str, *, nonce: str, verifier: str) -> Told:
    """Whom a code stands for. Raises BadReturn, ProviderAway."""
    provider = _provider(issuer())
    return told_by(provider.claims(provider.exchange(code, verifier), nonce))


@cache
def _provider(issuer: str) -> "Provider":
    return Provider(issuer)


class Provider:
    """One provider, and what we know of it."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.line = Line(at_once=AT_ONCE, seconds=LONGEST, pause=PAUSE)
        self._lock = threading.Lock()
        self._doors: dict[str, Any] = {}
        self._doors_since = self._keys_since = datetime.min.replace(tzinfo=UTC)
        self._keys: dict[str, RSAKey] = {}

    def doors(self) -> dict[str, Any]:
        """Its discovery document (OpenID Connect Discovery 1.0). Raises ProviderAway."""
        if timezone.now() - self._doors_since > KNOWN_FOR:
            doors = self._get(self.issuer + WELL_KNOWN)
            scheme = urlsplit(self.issuer).scheme
            methods = doors.get("token_endpoint_auth_methods_supported")
            if (
                doors.get("issuer") != self.issuer
                or not all(_is_place(doors.get(name), scheme) for name in DOORS)
                or not isinstance(methods, list | None)
            ):
                raise _away("discovery")
            self._doors, self._doors_since = doors, timezone.now()
        return self._doors

    def exchange(self, code: str, verifier: str) -> str:
        """The ID token that a code is good for, once. Raises BadReturn, ProviderAway."""
        doors = self.doors()
        known = doors.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        method = "client_secret_basic" if "client_secret_basic" in known else "client_secret_post"
        client = ClientAuth(settings.GOOGLE_CLIENT_ID, settings.GOOGLE_CLIENT_SECRET, method)
        form = prepare_token_request(
            "authorization_code", redirect_uri=redirect_uri(), code=code, code_verifier=verifier
        )
        url, headers, form = client.prepare("POST", doors["token_endpoint"], {}, form)
        answer = self._ask(url, headers, form)
        if 400 <= answer.status < 500 and answer.status != 429:
            raise BadReturn("code")
        token = _json(answer).get("id_token")
        if not isinstance(token, str):
            raise BadReturn("id_token")
        return token

    def claims(self, token: str, nonce: str) -> CodeIDToken:
        """What an ID token says, if it is signed by the provider, for us, now and for this try.

        Raises BadReturn, ProviderAway.
        """
        try:
            # No other algorithm: not "none", and no secret made of the public key (RFC 8725, 3.1).
            found = jwt.decode(token, lambda sent: self._key(sent.headers()), [ALGORITHM])
            claims = CodeIDToken(
                found.claims,
                found.header,
                options={"iss": {"essential": True, "value": self.issuer}},
                params={"nonce": nonce, "client_id": settings.GOOGLE_CLIENT_ID},
            )
            now = int(timezone.now().timestamp())
            claims.validate(now=now, leeway=SKEW)
            is_ours = claims["aud"] in (settings.GOOGLE_CLIENT_ID, [settings.GOOGLE_CLIENT_ID])
            if not is_ours or claims["iat"] < now - FRESH_FOR or not _is_subject(claims["sub"]):
                raise BadReturn("id_token")
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            raise BadReturn("id_token") from None
        return claims

    def _key(self, header: dict[str, Any]) -> RSAKey:
        """The key that a token names. It may be a new one: then the keys are asked for again."""
        name = header.get("kid", "")
        if self._wants_keys(name):
            with self._lock:
                if self._wants_keys(name):  # or somebody has read them while we waited
                    self._read_keys()
        return self._keys[name]

    def _wants_keys(self, name: str) -> bool:
        age = timezone.now() - self._keys_since
        return age > KNOWN_FOR or (name not in self._keys and age > NEW_KEY_PAUSE)

    def _read_keys(self) -> None:
        found = self._get(self.doors()["jwks_uri"]).get("keys")
        if not isinstance(found, list):
            raise _away("keys")
        keys = [_signing_key(one) for one in found]
        self._keys = {str(key.kid): key for key in keys if key}
        self._keys_since = timezone.now()

    def _get(self, url: str) -> dict[str, Any]:
        """What it says of itself to everybody. Raises ProviderAway."""
        answer = self._ask(url, {})
        try:
            return _json(answer)
        except ProviderAway:
            self.line.failed("document")  # by nobody's doing but its own
            raise

    def _ask(self, url: str, headers: dict[str, str], form: str | None = None) -> Answer:
        try:
            sent = {"Accept": "application/json", **headers}
            return self.line.fetch(url, headers=sent, largest=LARGEST, form=form)
        except Away as away:
            raise _away(str(away)) from away


def _json(answer: Answer) -> dict[str, Any]:
    """What was answered; nothing but 200 is an answer, and least of all a way elsewhere."""
    if answer.status != 200:
        raise _away(f"answered {answer.status}")
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise _away("no JSON") from None
    if not isinstance(found, dict):
        raise _away("no JSON")
    return found


def _is_place(told: Any, scheme: str) -> bool:
    """Whether that is an address that can be asked, by the scheme of the issuer's."""
    # urlsplit drops some of what cannot be printed, and so reads another address than it is given.
    if not (isinstance(told, str) and told.isascii() and told.isprintable() and " " not in told):
        return False
    try:
        parts = urlsplit(told)
        return parts.scheme == scheme and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port, or half of an address
        return False


def _away(reason: str) -> ProviderAway:
    # Never what it answered: that may say who somebody is.
    log.warning("provider.away", extra={"reason": reason})
    return ProviderAway()


def _signing_key(found: Any) -> RSAKey | None:
    """A key that may have signed an ID token; None for any other."""
    try:
        if found["kty"] != "RSA" or found.get("use", "sig") != "sig":
            return None
        key = RSAKey.import_key({name: found[name] for name in ("kty", "kid", "n", "e")})
        is_strong = key.raw_value.key_size >= SMALLEST_KEY
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if is_strong else None


def told_by(claims: Mapping[str, Any]) -> Told:
    """What an ID token that was checked says of somebody."""
    email = _email(claims.get("email"))
    return Told(
        issuer=claims["iss"],
        subject=claims["sub"],
        email=email,
        is_address_proved=bool(email) and claims.get("email_verified") is True and _knows(claims),
    )


def _knows(claims: Mapping[str, Any]) -> bool:
    """Whether the provider can know whose the address is now, and not only whose it once was.

    Of Google those at its own domains and of organisations that are its customers are; the other
    addresses somebody proved some day. https://developers.google.com/identity/siwg/best-practices
    Of another provider whoever set it up has to know.
    """
    if claims["iss"] != GOOGLE:
        return True
    domain = str(claims.get("email")).lower().rpartition("@")[2]
    return domain in GOOGLES_OWN or bool(claims.get("hd"))


def _email(told: Any) -> str:
    try:
        return canonical_email(told) if isinstance(told, str) else ""
    except InvalidAddress:
        return ""


def _is_subject(told: Any) -> bool:
    return isinstance(told, str) and 0 < len(told) <= SUBJECT_LENGTH and told.isprintable()
