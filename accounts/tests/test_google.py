"""Logging in with Google, or another provider: against a real one on another host."""

import hmac
import json
import os
import re
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import RSAKey

from accounts import provider as far
from accounts.errors import ProviderAway
from accounts.models import Event, LinkedIdentity, User
from accounts.tests.everywhere import places_with
from bottomline.tests import environment
from bottomline.tests.provider import Account, IdentityProvider
from conftest import (
    Inbox,
    Person,
    Visitor,
    at_once,
    come_back,
    go_on,
    link_google,
    log_in,
    place_in,
)

pytestmark = pytest.mark.django_db

Refused = Callable[[Visitor, Any, str], None]

COOKIE = django_settings.GOOGLE_COOKIE_NAME
OWN = "/account/security/google/"
ALICE = Account("108120394857612093847", "alice.at.home@example.net")


@pytest.fixture(autouse=True)
def clock(still_clock: Any) -> Any:
    return still_clock


@pytest.fixture
def linked(alice: Person, provider: IdentityProvider) -> Person:
    """Alice, who has linked an account there, with another address than hers here."""
    visitor = Visitor()
    log_in(visitor, alice)
    link_google(visitor, provider, ALICE)
    return alice


def begin(visitor: Visitor, **fields: str) -> Any:
    return visitor.post("/login/google/", fields)


def enter(visitor: Visitor, provider: IdentityProvider, account: Account, **fields: str) -> Any:
    """The whole way, from the button on the login page on."""
    return come_back(visitor, provider, begin(visitor, **fields), account)


# --- the way in ---


def test_who_has_linked_it_logs_in(client: Visitor, linked: Person, provider: IdentityProvider):
    assert "Continue with Google" in client.get("/login/").text
    assert enter(client, provider, ALICE)["Location"] == "/account/"
    assert client.get("/session/").json()["user"]["username"] == linked.username
    assert Event.objects.filter(kind="login.completed").last().details["method"] == "google"
    assert client.cookies[COOKIE].value == ""
    assert "with Google" in client.get("/account/sessions/").text


def test_it_leads_where_they_were_going_and_nowhere_else(
    linked: Person, provider: IdentityProvider
):
    page = Visitor().get("/login/?next=/account/invites/").text
    assert page.count('name="next" value="/account/invites/"') == page.count("<form")
    for wanted, where in (
        ("/account/invites/", "/account/invites/"),
        ("https://evil.example/", "/account/"),
        ("/" + "x" * 3000, "/account/"),
    ):
        assert enter(Visitor(), provider, ALICE, next=wanted)["Location"] == where


def test_it_keeps_them_logged_in_where_they_said_so(linked: Person, provider: IdentityProvider):
    for fields, is_kept in (({"remember": "on"}, True), ({}, False)):
        response = enter(Visitor(), provider, ALICE, **fields)
        cookie = response.cookies[django_settings.SESSION_COOKIE_NAME]
        assert bool(cookie["expires"]) == is_kept


def test_who_would_rather_not_is_back_where_they_were(
    client: Visitor, alice: Person, provider: IdentityProvider
):
    page = begin(client, next="/account/invites/").text
    assert 'href="/login/?next=%2Faccount%2Finvites%2F">Rather not' in page
    log_in(client, alice)
    assert f'href="{OWN}">Rather not' in client.post(f"{OWN}link/").text


@pytest.mark.asvs("3.7.3")
@pytest.mark.asvs("10.2.1")
@pytest.mark.asvs("10.2.3")
def test_the_provider_is_asked_for_no_more_than_is_needed(
    client: Visitor, provider: IdentityProvider
):
    place = place_in(begin(client))
    asked = {name: value for name, [value] in parse_qs(urlsplit(place).query).items()}
    assert place.startswith(f"{provider.issuer}/authorize?")
    assert {name: asked.pop(name) for name in ("response_type", "scope", "redirect_uri")} == {
        "response_type": "code",
        "scope": "openid email",
        "redirect_uri": "https://door.example.org/login/google/callback/",
    }
    assert asked.pop("code_challenge_method") == "S256"
    secrets = [asked.pop(name) for name in ("state", "nonce", "code_challenge")]
    assert all(len(secret) == 43 for secret in secrets)
    assert len(set(secrets)) == 3
    assert asked == {"client_id": django_settings.GOOGLE_CLIENT_ID, "prompt": "select_account"}


@pytest.mark.asvs("3.3.2")
@pytest.mark.asvs("3.3.5")
def test_what_the_browser_keeps_is_sealed_and_goes_in_ten_minutes(
    client: Visitor, provider: IdentityProvider
):
    page = begin(client, next="/" + "x" * 2047)
    kept = page.cookies[COOKIE]
    assert (kept["httponly"], kept["secure"], kept["samesite"]) == (True, True, "Lax")
    assert (kept["path"], kept["domain"], kept["max-age"]) == ("/", "", 600)
    assert len(COOKIE) + len(kept.value) <= 4096
    state = parse_qs(urlsplit(place_in(page)).query)["state"][0]
    assert state not in kept.value
    again = begin(Visitor())
    assert again.cookies[COOKIE].value != kept.value


@pytest.mark.asvs("3.5.3")
@pytest.mark.asvs("7.6.2")
def test_only_a_post_begins_and_only_a_post_ends_it(
    client: Visitor, linked: Person, provider: IdentityProvider
):
    assert client.get("/login/google/").status_code == 405
    back = provider.approve(place_in(begin(client)), ALICE).partition("example.org")[2]
    asked = list(provider.requests)
    for _ in range(3):
        page = client.get(back)
        assert (page.status_code, page["Referrer-Policy"]) == (200, "strict-origin")
        assert client.head(back).status_code == 200
    assert provider.requests == asked
    assert not client.is_in
    assert go_on(client, back).status_code == 302
    strict = Visitor(enforce_csrf_checks=True)
    assert strict.post("/login/google/").status_code == 403
    assert strict.post("/login/google/callback/").status_code == 403


def test_without_a_provider_there_is_no_such_way(client: Visitor, alice: Person):
    assert "Google" not in client.get("/login/").text
    for path in ("/login/google/", "/login/google/callback/"):
        assert client.post(path).status_code == 404
    log_in(client, alice)
    assert "Google" not in client.get("/account/security/").text
    assert client.get(OWN).status_code == 404
    assert client.post(f"{OWN}link/").status_code == 404


def test_who_loses_the_provider_has_no_way_in_by_it(
    linked: Person, provider: IdentityProvider, settings: Any
):
    settings.GOOGLE_CLIENT_ID = ""
    visitor = Visitor()
    log_in(visitor, linked)
    assert "Google" not in visitor.get("/account/security/").text


def test_another_provider_has_another_name_and_its_own_accounts(
    client: Visitor, linked: Person, provider: IdentityProvider, settings: Any
):
    with IdentityProvider().up() as other:
        settings.GOOGLE_DISCOVERY_URL = other.discovery_url
        settings.GOOGLE_NAME = "Ada’s lab"
        assert "Continue with Ada’s lab" in client.get("/login/").text
        # The same number there is somebody else.
        assert enter(client, other, ALICE).status_code == 403
        assert not client.is_in


def test_the_login_page_leads_with_it_where_it_was_used_last(
    client: Visitor, linked: Person, provider: IdentityProvider
):
    enter(client, provider, ALICE)
    client.post("/logout/")
    page = client.get("/login/").text
    assert page.index("Continue with Google") < page.index("As last time in this browser")
    assert page.count("Continue with Google") == 1


@pytest.mark.asvs("6.8.4")
def test_a_second_factor_is_asked_for_as_with_the_password(
    client: Visitor, linked: Person, provider: IdentityProvider
):
    User.objects.filter(pk=linked.user.pk).update(second_factor_at=timezone.now())
    response = enter(client, provider, ALICE)
    assert urlsplit(response["Location"]).path == "/login/verify/"
    assert not client.is_in


@pytest.mark.asvs("7.6.1")
def test_a_session_that_began_there_ends_as_ours_do_and_not_silently_again(
    client: Visitor, linked: Person, provider: IdentityProvider, clock: Any
):
    enter(client, provider, ALICE)
    assert not client.cookies[django_settings.SESSION_COOKIE_NAME]["max-age"]
    asked = list(provider.requests)
    clock.shift(timedelta(minutes=61))
    assert client.get("/account/")["Location"] == "/login/?next=/account/"
    assert client.get("/login/").status_code == 200
    assert not client.is_in
    assert provider.requests == asked


# --- who is who ---


@pytest.mark.asvs("6.8.1")
@pytest.mark.asvs("10.5.2")
def test_people_are_known_by_their_number_and_never_by_an_address(
    linked: Person, provider: IdentityProvider
):
    same_address = Account("2002", ALICE.email)
    ours = Account("2003", linked.email, {"email_verified": True, "hd": "example.org"})
    for account in (same_address, ours):
        visitor = Visitor()
        page = enter(visitor, provider, account)
        assert page.status_code == 403
        assert "opens no account here" in page.text
        assert not visitor.is_in

    moved = Account(ALICE.subject, "alice.moved@example.net", {})
    visitor = Visitor()
    assert enter(visitor, provider, moved).status_code == 302
    assert LinkedIdentity.objects.get().email == moved.email, "for its owner to see"
    assert linked.user.email == "alice@example.org"


@pytest.mark.asvs("6.3.8")
def test_nobody_learns_whether_an_address_has_an_account(alice: Person, provider: IdentityProvider):
    User.objects.create(email="carol@example.org", username="carol", username_key="carol")
    emails = (alice.email, "carol@example.org", "nobody@example.org")
    pages = [enter(Visitor(), provider, Account(f"x{email}", email)) for email in emails]
    assert {page.status_code for page in pages} == {403}
    assert len({page.content for page in pages}) == 1


# --- mix-ups: each with whatever an attacker could have, and all alike ---


@pytest.fixture
def refused(caplog: Any) -> Refused:
    """Sees that it was refused, for that reason, which is in the log alone."""

    def check(visitor: Visitor, response: Any, why: str) -> None:
        assert (response.status_code, visitor.is_in) == (410, False)
        assert "That did not work" in response.text
        assert "<script>alert" not in response.text
        lines = [one for one in caplog.records if one.getMessage() == "google.refused"]
        assert lines[-1].reason == why
        assert f'"{why}"' not in response.text

    return check


@pytest.mark.asvs("10.1.2")
@pytest.mark.asvs("10.2.1")
def test_a_wrong_state_is_refused_and_so_is_none(
    linked: Person, provider: IdentityProvider, refused: Refused
):
    for state in ("", "x" * 43, "é"):
        visitor = Visitor()
        back = provider.approve(place_in(begin(visitor)), ALICE)
        wrong = re.sub(r"state=[^&]+", f"state={state}", back)
        refused(visitor, go_on(visitor, wrong), "state")


@pytest.mark.asvs("10.1.2")
def test_what_another_browser_began_is_refused(
    linked: Person, provider: IdentityProvider, refused: Refused
):
    """Login CSRF: the attacker's own return, opened by the victim."""
    mallory, victim = Visitor(), Visitor()
    back = provider.approve(place_in(begin(mallory)), ALICE)
    refused(victim, go_on(victim, back), "state")
    begin(victim)
    refused(victim, go_on(victim, back), "state")


@pytest.mark.asvs("10.1.2")
@pytest.mark.asvs("10.2.1")
@pytest.mark.parametrize("provider_checks", [True, False], ids=["pkce", "nonce alone"])
def test_a_stolen_callback_opens_nothing_in_the_thiefs_browser(
    linked: Person, provider: IdentityProvider, provider_checks: bool, refused: Refused
):
    provider.checks_codes = provider_checks
    victim, thief = Visitor(), Visitor()
    stolen = parse_qs(urlsplit(provider.approve(place_in(begin(victim)), ALICE)).query)
    refused(thief, go_on(thief, f"/login/google/callback/?code={stolen['code'][0]}"), "state")

    own = parse_qs(urlsplit(place_in(begin(thief))).query)["state"][0]
    mixed = f"/login/google/callback/?code={stolen['code'][0]}&state={own}"
    refused(thief, go_on(thief, mixed), "code" if provider_checks else "id_token")


@pytest.mark.asvs("10.1.2")
@pytest.mark.parametrize("provider_checks", [True, False])
def test_a_return_is_good_once(
    linked: Person, provider: IdentityProvider, provider_checks: bool, refused: Refused
):
    provider.checks_codes = provider_checks
    visitor, again = Visitor(), Visitor()
    page = begin(visitor)
    kept = page.cookies[COOKIE].value
    back = provider.approve(place_in(page), ALICE)
    assert go_on(visitor, back).status_code == 302
    again.cookies[COOKIE] = kept
    refused(again, go_on(again, back), "spent")


@pytest.mark.django_db(transaction=True)
@pytest.mark.asvs("10.1.2")
def test_of_two_who_come_back_at_once_one_is_let_in(linked: Person, provider: IdentityProvider):
    provider.checks_codes = False
    page = begin(Visitor())
    kept, back = page.cookies[COOKIE].value, provider.approve(place_in(page), ALICE)
    answers = []

    def arrive() -> None:
        visitor = Visitor()
        visitor.cookies[COOKIE] = kept
        answers.append(go_on(visitor, back).status_code)

    at_once([arrive] * 2)
    assert sorted(answers) == [302, 410]


@pytest.mark.asvs("10.1.2")
def test_a_return_that_is_late_is_refused(
    client: Visitor, linked: Person, provider: IdentityProvider, clock: Any, refused: Refused
):
    back = provider.approve(place_in(begin(client)), ALICE)
    clock.shift(timedelta(minutes=10, seconds=1))
    refused(client, go_on(client, back), "state")


def test_a_cookie_that_is_not_ours_is_as_none(
    client: Visitor, linked: Person, provider: IdentityProvider, refused: Refused
):
    page = begin(client)
    kept, back = page.cookies[COOKIE].value, provider.approve(place_in(page), ALICE)
    for cookie in (
        "",
        "x",
        "é",
        kept[:-4],
        kept[:40] + ("A" if kept[40] != "A" else "B") + kept[41:],
    ):
        visitor = Visitor()
        visitor.cookies[COOKIE] = cookie
        refused(visitor, go_on(visitor, back), "state")
        assert visitor.post("/signup/join/", {"username": "carol"}).status_code == 410


@pytest.mark.parametrize(
    "sent",
    ["error=access_denied&error_description=<script>alert(1)</script>", "", "code="],
)
def test_who_says_no_there_gets_constant_words(
    client: Visitor, linked: Person, provider: IdentityProvider, sent: str, refused: Refused
):
    back = provider.approve(place_in(begin(client)), ALICE)
    state = parse_qs(urlsplit(back).query)["state"][0]
    refused(client, go_on(client, f"/login/google/callback/?state={state}&{sent}"), "declined")


def test_another_issuer_that_sends_the_browser_back_is_refused(
    client: Visitor, linked: Person, provider: IdentityProvider, refused: Refused
):
    back = provider.approve(place_in(begin(client)), ALICE)
    refused(client, go_on(client, re.sub(r"iss=.*", "iss=https://evil.example", back)), "issuer")


def encoded(content: Any) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def unsigned(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    return f"{encoded({'alg': 'none'})}.{encoded(claims)}."


def signed_with_the_public_key(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    """RS256's public key as the secret of HS256, the best known of confusions."""
    body = f"{encoded({'alg': 'HS256', 'kid': provider.key.kid})}.{encoded(claims)}"
    mac = hmac.digest(provider.key.as_pem(private=False), body.encode(), "sha256")
    return f"{body}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def signed_by_another(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    """A key of the attacker's under the name of the provider's, and in the token itself."""
    key = RSAKey.generate_key(2048)
    head = {"alg": "RS256", "kid": provider.key.kid, "jwk": key.as_dict(private=False)}
    return jwt.encode(head, claims, key)


def of_a_key_that_is_not_known(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "x"}, claims, provider.key)


def of_no_key(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256"}, claims, provider.key)


def tampered(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    head, _, mac = provider.sign_well({**claims, "sub": "somebody else"}).split(".")
    return f"{head}.{encoded(claims)}.{mac}"


def by_another_algorithm(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    key = RSAKey.import_key(provider.key.as_pem(private=True))
    return jwt.encode({"alg": "PS256", "kid": provider.key.kid}, claims, key, ["PS256"])


def nonsense(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    return "no token at all"


@pytest.mark.asvs("6.8.2")
@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        signed_with_the_public_key,
        signed_by_another,
        of_a_key_that_is_not_known,
        of_no_key,
        tampered,
        by_another_algorithm,
        nonsense,
    ],
)
def test_what_the_provider_did_not_sign_is_refused(
    client: Visitor, linked: Person, provider: IdentityProvider, sign: Any, refused: Refused
):
    provider.sign = partial(sign, provider)
    refused(client, enter(client, provider, ALICE), "id_token")


@pytest.mark.asvs("10.5.1")
@pytest.mark.asvs("10.5.3")
@pytest.mark.asvs("10.5.4")
@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody else"},
        {"aud": ["bottomline-at-the-provider", "somebody else"]},
        {"aud": None},
        {"aud": []},
        {"azp": "somebody else"},
        {"iss": "https://accounts.google.com"},
        {"iss": None},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": ""},
        {"sub": None},
        {"sub": 1081},
        {"sub": "x" * 256},
        {"sub": "1081\0"},
        {"exp": None},
        {"iat": None},
        {"exp": "never"},
    ],
    ids=str,
)
def test_what_is_not_for_us_or_not_by_them_is_refused(
    client: Visitor,
    linked: Person,
    provider: IdentityProvider,
    claims: dict[str, Any],
    refused: Refused,
):
    provider.claims = claims
    refused(client, enter(client, provider, ALICE), "id_token")


@pytest.mark.asvs("10.5.1")
@pytest.mark.parametrize(
    ("name", "late"),
    [("exp", -61), ("iat", 62), ("iat", -601), ("nbf", 62)],
)
def test_what_is_not_of_now_is_refused(
    client: Visitor,
    linked: Person,
    provider: IdentityProvider,
    name: str,
    late: int,
    refused: Refused,
):
    now = int(timezone.now().timestamp())
    provider.claims = {name: now + late}
    refused(client, enter(client, provider, ALICE), "id_token")
    provider.claims = {name: now + (late + 2 if late < 0 else late - 2)}
    assert enter(client, provider, ALICE).status_code == 302, "a clock may be off by a minute"


@pytest.mark.asvs("10.5.1")
def test_an_id_token_of_before_is_refused(
    linked: Person, provider: IdentityProvider, refused: Refused
):
    assert enter(Visitor(), provider, ALICE).status_code == 302
    [token] = provider.tokens[-1:]
    provider.sign = lambda claims: token
    visitor = Visitor()
    refused(visitor, enter(visitor, provider, ALICE), "id_token")


# --- the provider's keys, and when it is away ---


def test_a_new_key_is_asked_for_but_not_all_the_time(
    linked: Person, provider: IdentityProvider, clock: Any
):
    enter(Visitor(), provider, ALICE)
    before = provider.requests.count("/keys")
    provider.new_key()
    assert enter(Visitor(), provider, ALICE).status_code == 410, "asked a moment ago"
    assert provider.requests.count("/keys") == before
    clock.shift(timedelta(seconds=61))
    assert enter(Visitor(), provider, ALICE).status_code == 302
    assert provider.requests.count("/keys") == before + 1
    clock.shift(timedelta(minutes=59))
    assert enter(Visitor(), provider, ALICE).status_code == 302
    assert provider.requests.count("/keys") == before + 1


def test_what_the_provider_says_of_itself_is_asked_for_once_an_hour(
    provider: IdentityProvider, clock: Any
):
    for _ in range(3):
        begin(Visitor())
    assert provider.requests == ["/.well-known/openid-configuration"]
    clock.shift(timedelta(hours=1, seconds=1))
    begin(Visitor())
    assert len(provider.requests) == 2


@pytest.mark.asvs("10.5.3")
@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://accounts.google.com"},
        {"issuer": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": 1},
        {"jwks_uri": "file:///etc/passwd"},
        # Each would fail later, as a fault of ours, and for as long as the document is believed.
        {"authorization_endpoint": "http://[x/"},
        {"authorization_endpoint": "http://127.0.0.1/\ud800"},
        {"token_endpoint": "http://127.0.0.1:99999/"},
        {"token_endpoint": "http://127.0.0.1:x/"},
        {"token_endpoint": "http://"},
        {"token_endpoint": "http://127.0.0.1\0/"},
        {"token_endpoint": "http://exa mple/"},
        {"jwks_uri": "http://127.0.0.1:99999/"},
        {"token_endpoint_auth_methods_supported": 5},
    ],
    ids=ascii,
)
def test_what_says_that_it_is_somebody_else_or_makes_no_sense_is_not_believed(
    client: Visitor, provider: IdentityProvider, document: dict[str, Any]
):
    provider.document = document
    assert begin(client).status_code == 503
    assert COOKIE not in client.cookies


@pytest.mark.asvs("15.3.2")
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
@pytest.mark.parametrize(
    "answer",
    [
        (302, b""),
        (500, b"<script>alert(1)</script>"),
        (429, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"[" * 100_000),
        (200, b"{}" + b" " * far.LARGEST),
    ],
    ids=["redirect", "fault", "limit", "html", "list", "deep", "large"],
)
def test_a_provider_that_fails_is_a_page_and_no_fault(
    client: Visitor, provider: IdentityProvider, path: str, answer: tuple[int, bytes]
):
    provider.broken = {path: answer}
    page = begin(client)
    if path != "/.well-known/openid-configuration":
        page = come_back(client, provider, page, ALICE)
    assert page.status_code == 503
    assert page["Retry-After"]
    assert "Google does not answer" in page.text
    assert "<script>alert" not in page.text
    assert "/elsewhere" not in provider.requests


@pytest.mark.asvs("13.1.3")
def test_a_provider_that_says_nothing_is_not_waited_for(
    client: Visitor, provider: IdentityProvider
):
    provider.stalls = {"/token"}
    began = monotonic()
    assert enter(client, provider, ALICE).status_code == 503
    assert monotonic() - began < 2 * far.LONGEST  # it would have said nothing for ever


def test_a_provider_that_said_nothing_is_left_alone_for_a_while(
    client: Visitor, linked: Person, provider: IdentityProvider, clock: Any
):
    provider.stalls = {"/token"}
    assert enter(client, provider, ALICE).status_code == 503
    provider.stalls = set()
    asked = len(provider.requests)
    assert enter(client, provider, ALICE).status_code == 503
    assert provider.requests[asked:] == []
    clock.shift(far.PAUSE)
    assert enter(client, provider, ALICE).status_code == 302


@pytest.mark.asvs("13.1.3")
def test_who_waits_for_the_keys_of_a_provider_waits_for_one_who_asks_and_not_for_all(
    provider: IdentityProvider,
):
    token = provider.sign_well({"iss": provider.issuer})
    provider.stalls = {"/keys"}
    waits: list[float] = []

    def come() -> None:
        began = monotonic()
        with pytest.raises(ProviderAway):
            asked.claims(token, "")
        waits.append(monotonic() - began)

    asked = far.Provider(provider.issuer)
    at_once([come] * 6)
    assert len(waits) == 6
    assert max(waits) < 3 * far.LONGEST  # in a row it would be six times


def test_without_redis_nobody_comes_back(
    client: Visitor, linked: Person, provider: IdentityProvider
):
    back = provider.approve(place_in(begin(client)), ALICE)
    environment.redis.kill()
    try:
        assert go_on(client, back).status_code == 503
    finally:
        environment.redis.start()
    assert go_on(client, back).status_code == 302


@pytest.mark.asvs("2.4.1")
def test_a_network_comes_back_thirty_times_in_a_quarter_of_an_hour(
    client: Visitor, provider: IdentityProvider
):
    answers = [enter(client, provider, ALICE).status_code for _ in range(31)]
    assert answers == [403] * 30 + [429]


def test_a_page_elsewhere_that_sends_a_browser_here_ends_and_uses_up_nothing_of_its_own(
    client: Visitor, linked: Person, provider: IdentityProvider
):
    page = begin(client)
    for state in ("", "x" * 43, "x" * 101) * 11:
        back = go_on(client, f"/login/google/callback/?code=made-up&state={state}")
        assert back.status_code == 410
    assert come_back(client, provider, page, ALICE).status_code == 302
    assert client.is_in


@pytest.mark.asvs("10.1.1")
@pytest.mark.asvs("16.2.5")
def test_nothing_of_it_is_logged_or_kept(
    client: Visitor, linked: Person, provider: IdentityProvider, caplog: Any
):
    page = begin(client)
    back = provider.approve(place_in(page), ALICE)
    sent = parse_qs(urlsplit(back).query)
    assert go_on(client, back).status_code == 302
    secret = [
        sent["code"][0],
        sent["state"][0],
        "ya29.",
        provider.tokens[-1],
        page.cookies[COOKIE].value,
    ]
    assert places_with(*secret) == set()
    said = " ".join(str(vars(record)) for record in caplog.records)
    assert not any(word in said for word in [*secret, ALICE.email, ALICE.subject])


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_key_that_is_too_short_signs_nothing(
    client: Visitor, linked: Person, provider: IdentityProvider, clock: Any, refused: Refused
):
    provider.key = RSAKey.generate_key(1024, {"kid": "short", "use": "sig"})
    clock.shift(timedelta(minutes=2))
    refused(client, enter(client, provider, ALICE), "id_token")


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"GOOGLE_CLIENT_ID": "x"}, "GOOGLE_CLIENT_SECRET"),
        ({"GOOGLE_DISCOVERY_URL": "http://id.example/.well-known/openid-configuration"}, "https"),
        ({"GOOGLE_DISCOVERY_URL": "https://id.example/"}, ".well-known"),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_right_stops_it(environment: dict[str, str], word: str):
    command = [sys.executable, "-c", "import bottomline.settings"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ImproperlyConfigured" in done.stderr
    assert word in done.stderr


# --- linking and unlinking ---


def test_linking_is_told_and_ends_nothing(
    client: Visitor, alice: Person, provider: IdentityProvider, inbox: Inbox
):
    other = Visitor()
    log_in(other, alice)
    log_in(client, alice)
    assert 'href="/account/security/google/"' in client.get("/account/security/").text
    link_google(client, provider, ALICE)
    assert other.is_in
    told = inbox.mails_to(alice.email)[-1]
    assert "Google was linked" in told.subject
    assert "/account/not-me/" in str(told.body)
    assert ALICE.email not in str(told.body)
    assert Event.objects.filter(kind="identity.linked", user_id=alice.user.pk).count() == 1


@pytest.mark.asvs("7.5.1")
def test_linking_and_unlinking_ask_for_the_password_first(
    client: Visitor, alice: Person, provider: IdentityProvider, clock: Any
):
    log_in(client, alice)
    clock.shift(timedelta(minutes=10, seconds=1))
    for act in ("link", "unlink"):
        answer = client.post(f"{OWN}{act}/")
        assert answer["Location"] == "/reauth/?next=%2Faccount%2Fsecurity%2Fgoogle%2F"
    client.post("/reauth/", {"password": alice.password})
    link_google(client, provider, ALICE)


def test_what_comes_back_after_the_proof_is_too_old_links_nothing(
    client: Visitor, alice: Person, provider: IdentityProvider, clock: Any
):
    log_in(client, alice)
    clock.shift(timedelta(minutes=5))
    page = client.post(f"{OWN}link/")
    clock.shift(timedelta(minutes=6))
    assert come_back(client, provider, page, ALICE)["Location"] == OWN
    assert "nothing was linked" in client.get(OWN).text
    assert not LinkedIdentity.objects.exists()


def test_what_one_member_began_is_not_linked_to_another(
    client: Visitor, alice: Person, bob: Person, provider: IdentityProvider
):
    log_in(client, alice)
    back = provider.approve(place_in(client.post(f"{OWN}link/")), ALICE)
    kept = client.cookies[COOKIE].value
    for visitor in (Visitor(), Visitor()):
        visitor.cookies[COOKIE] = kept
        refused = go_on(visitor, back)
        assert refused.status_code == 410
        assert "You came on an invite?" in refused.text
    page = client.post(f"{OWN}link/")
    other = Visitor()
    log_in(other, bob)
    other.cookies[COOKIE] = page.cookies[COOKIE].value
    refused = come_back(other, provider, page, ALICE)
    assert refused.status_code == 410
    assert "You came on an invite?" not in refused.text
    assert not LinkedIdentity.objects.exists()


def test_what_was_begun_to_log_in_links_nothing(
    client: Visitor, alice: Person, provider: IdentityProvider
):
    page = begin(client)
    log_in(client, alice)
    assert come_back(client, provider, page, ALICE).status_code == 403
    assert not LinkedIdentity.objects.exists()


def test_an_account_there_is_of_one_member_here_and_a_member_has_one(
    client: Visitor, linked: Person, bob: Person, provider: IdentityProvider
):
    log_in(client, bob)
    page = client.post(f"{OWN}link/")
    assert come_back(client, provider, page, ALICE)["Location"] == OWN
    assert "another account here is" in client.get(OWN).text
    link_google(client, provider, Account("3", "bob@example.net"))
    page = client.post(f"{OWN}link/")
    come_back(client, provider, page, Account("4", "bob.again@example.net"))
    assert LinkedIdentity.objects.count() == 2
    assert bob.user.identities.get().subject == "3"


@pytest.mark.django_db(transaction=True)
def test_of_two_members_who_link_the_same_at_once_one_has_it(
    alice: Person, bob: Person, provider: IdentityProvider
):
    visitors = [Visitor(), Visitor()]
    backs = []
    for visitor, person in zip(visitors, (alice, bob), strict=True):
        log_in(visitor, person)
        page = visitor.post(f"{OWN}link/")
        backs.append(provider.approve(place_in(page), ALICE))
    acts = [partial(go_on, *pair) for pair in zip(visitors, backs, strict=True)]
    at_once(acts)
    assert LinkedIdentity.objects.count() == 1


@pytest.mark.asvs("7.4.3")
@pytest.mark.asvs("6.5.6")
def test_unlinking_ends_every_other_session_and_is_told(
    client: Visitor, linked: Person, provider: IdentityProvider, inbox: Inbox
):
    by_it = Visitor()
    enter(by_it, provider, ALICE)
    log_in(client, linked)
    assert client.post(f"{OWN}unlink/")["Location"] == OWN
    assert (client.is_in, by_it.is_in) == (True, False)
    assert "Google was unlinked" in inbox.mails_to(linked.email)[-1].subject
    assert enter(by_it, provider, ALICE).status_code == 403


def test_the_only_way_in_stays(client: Visitor, linked: Person, provider: IdentityProvider):
    log_in(client, linked)
    # Nobody with a password or a mailbox to log in by comes here, so behind everybody's back.
    User.objects.filter(pk=linked.user.pk).update(is_staff=True, password="!none")
    assert client.post(f"{OWN}unlink/")["Location"] == OWN
    assert LinkedIdentity.objects.exists()


# --- taking an account back ---


def by_reset(inbox: Inbox, person: Person) -> None:
    visitor = Visitor()
    visitor.post("/password/forgot/", {"email": person.email})
    fields = dict.fromkeys(("password", "repeated"), "lantern walnut copper drift")
    assert visitor.post(inbox.link_to(person.email), fields).status_code == 302


def by_not_me(inbox: Inbox, person: Person) -> None:
    assert Visitor().post(not_me_link(inbox, person)).status_code == 200


def by_undo(inbox: Inbox, person: Person) -> None:
    told = str(inbox.mails_to(person.email)[-1].body)
    [link] = re.findall(r"/email/undo/[\w-]+/", told)
    assert Visitor().post(link).status_code == 302


def not_me_link(inbox: Inbox, person: Person) -> str:
    told = str(inbox.mails_to(person.email)[-1].body)
    return re.findall(r"/account/not-me/[\w-]+/", told)[0]


@pytest.mark.parametrize("take_back", [by_reset, by_not_me, by_undo])
def test_an_intruder_who_linked_their_own_is_out_when_the_owner_takes_the_account_back(
    alice: Person,
    provider: IdentityProvider,
    inbox: Inbox,
    take_back: Callable[[Inbox, Person], None],
):
    """Trojan identifier (Sudhodanan and Paverd, 2022): a way in that its victim does not know."""
    mallory, theirs = Visitor(), Account("666", "mallory@example.net")
    log_in(mallory, alice)
    link_google(mallory, provider, theirs)
    if take_back == by_undo:
        mallory.post("/email/change/", {"email": "mallory@example.net"})
    take_back(inbox, alice)
    assert not mallory.is_in
    assert enter(Visitor(), provider, theirs).status_code == 403
    assert not LinkedIdentity.objects.exists()
    assert Event.objects.filter(kind="identity.unlinked", user_id=alice.user.pk).exists()


def test_a_try_that_was_begun_before_links_nothing_after(
    client: Visitor, alice: Person, provider: IdentityProvider, inbox: Inbox
):
    log_in(client, alice)
    page = client.post(f"{OWN}link/")
    by_reset(inbox, alice)
    assert come_back(client, provider, page, ALICE).status_code == 410
    assert not LinkedIdentity.objects.exists()
