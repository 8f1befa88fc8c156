"""The session cookie: signed, and refused before anything is asked."""

from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from bottomline import keys
from bottomline.sessions import cookie
from bottomline.sessions.redis import client as redis
from conftest import Person, Visitor, log_in

NAME = django_settings.SESSION_COOKIE_NAME
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SID = "s" * 43
NEW_KEY = "a new secret key, as long as it should be"


def respelled(value: str) -> str:
    """Another base64 spelling of the same signature: the last character's two spare bits."""
    return value[:-1] + ALPHABET[ALPHABET.index(value[-1]) ^ 1]


MANGLED = {
    "empty": lambda value: "",
    "a dot": lambda value: ".",
    "no signature": lambda value: value[:43],
    "an empty signature": lambda value: value[:44],
    "no id": lambda value: value[43:],
    "the first byte altered": lambda value: chr(ord(value[0]) ^ 1) + value[1:],
    "the dot altered": lambda value: value[:43] + ":" + value[44:],
    "the signature altered": lambda value: (
        value[:60] + ("A" if value[60] != "A" else "B") + value[61:]
    ),
    "the signature respelled": respelled,
    "the signature of another": lambda value: value[:44] + cookie.sign("t" * 43)[44:],
    "the signature of another purpose": lambda value: (
        value[:44] + cookie._encode(keys.mac("device-cookie", value[:43].encode()))
    ),
    "truncated": lambda value: value[:-1],
    "one more": lambda value: value + "A",
    "padded": lambda value: value + "=",
    "twice": lambda value: value + value,
    "upper case": lambda value: value.upper(),
    "quoted": lambda value: f'"{value}"x',
    "long": lambda value: "A" * 3000,
    "not ASCII": lambda value: "ä" * 87,
    "a NUL": lambda value: value[:-1] + "\0",
}


@pytest.fixture
def nothing_asked() -> Iterator[None]:
    """Fails where Redis or the database is asked anything, as they say themselves."""
    before = commands()
    with CaptureQueriesContext(connection) as queries:
        yield
    assert commands() - before == 1, "only how many there were was asked"
    assert queries.captured_queries == []


def commands() -> int:
    """How many commands the server has been given, not counting this one."""
    return int(redis().info("stats")["total_commands_processed"])


@given(st.text(ALPHABET, min_size=43, max_size=43))
def test_a_cookie_names_the_session_it_was_made_for(sid: str):
    assert cookie.read(cookie.sign(sid)) == sid


@pytest.mark.asvs("7.2.3")
def test_an_id_is_256_random_bits():
    ids = {cookie.new_sid() for _ in range(1000)}

    assert len(ids) == 1000
    assert {len(sid) for sid in ids} == {cookie.SID_LENGTH}


@given(st.text(max_size=100))
def test_whatever_a_browser_sends_is_at_worst_no_session(value: str):
    assert cookie.read(value) is None


@given(st.text(ALPHABET, min_size=43, max_size=43), st.text(ALPHABET, min_size=43, max_size=43))
def test_whatever_looks_like_a_cookie_is_at_worst_no_session(sid: str, signature: str):
    assert cookie.read(f"{sid}.{signature}") is None


@pytest.mark.asvs("11.2.5")
@pytest.mark.parametrize("position", range(cookie.LENGTH))
def test_a_cookie_with_any_character_altered_is_refused(position):
    value = cookie.sign(SID)
    other = "A" if value[position] != "A" else "B"

    assert cookie.read(value[:position] + other + value[position + 1 :]) is None


def test_a_session_has_one_spelling_of_its_cookie():
    value = cookie.sign(SID)
    readable = [last for last in ALPHABET if cookie.read(value[:-1] + last)]

    assert readable == [value[-1]]


@pytest.mark.asvs("7.2.1")
@pytest.mark.django_db
@pytest.mark.parametrize("mangle", MANGLED.values(), ids=MANGLED)
def test_a_forged_cookie_gets_the_ordinary_login_page_and_asks_nobody(nothing_asked, mangle):
    visitor = Visitor()
    visitor.cookies[NAME] = mangle(cookie.sign(SID))
    page = visitor.get("/login/")

    assert page.status_code == 200
    assert page.context["form"]


@pytest.mark.asvs("7.2.1")
@pytest.mark.django_db
@pytest.mark.parametrize("mangle", MANGLED.values(), ids=MANGLED)
def test_a_forged_cookie_is_nobodys_and_asks_nobody(nothing_asked, mangle):
    visitor = Visitor()
    visitor.cookies[NAME] = mangle(cookie.sign(SID))

    assert visitor.get("/session/").status_code == 401
    assert visitor.get("/account/")["Location"] == "/login/?next=/account/"
    assert visitor.get("/admin/").status_code == 302


@pytest.mark.parametrize(
    "header",
    [
        f"{NAME}",
        f"{NAME}=",
        f"{NAME}=\x00\x01",
        f"{NAME}=\xff\xfe; x=y",
        f"={NAME}",
        f"{NAME}; {NAME}={cookie.sign(SID)[:-1]}",
        ";;;=;=;",
        "x" * 8000,
    ],
)
@pytest.mark.django_db
def test_a_malformed_cookie_header_gets_the_ordinary_login_page(nothing_asked, header):
    assert Visitor().get("/login/", HTTP_COOKIE=header).status_code == 200


@pytest.mark.asvs("3.3.1")
@pytest.mark.asvs("3.3.2")
@pytest.mark.asvs("3.3.3")
@pytest.mark.asvs("3.3.4")
def test_the_cookie_is_for_this_host_alone_over_https_and_out_of_scripts_reach(client, alice):
    log_in(client, alice)
    morsel = client.cookies[NAME]

    assert NAME == "__Host-session"
    assert morsel["secure"] is True
    assert morsel["httponly"] is True
    assert morsel["samesite"] == "Strict"
    assert morsel["path"] == "/"
    assert morsel["domain"] == ""
    assert morsel["max-age"] == morsel["expires"] == ""  # until the browser closes


def test_keep_me_logged_in_outlives_the_browser(client: Visitor, alice: Person):
    log_in(client, alice, remember="on")
    morsel = client.cookies[NAME]

    assert morsel["expires"]
    assert morsel["httponly"] is morsel["secure"] is True
    assert morsel["samesite"] == "Strict"


def test_the_cookie_is_not_sent_again_with_every_page(client: Visitor, alice: Person):
    log_in(client, alice)

    assert NAME not in client.get("/account/").cookies


@pytest.mark.parametrize("path", ["/", "/login/", "/session/", "/signup/", "/account/"])
@pytest.mark.django_db
def test_a_dead_cookie_is_cleared(path):
    visitor = Visitor()
    visitor.cookies[NAME] = cookie.sign(SID)
    cleared = visitor.get(path).cookies[NAME]

    assert cleared.value == ""
    assert cleared["max-age"] == 0
    assert cleared["path"] == "/"
    assert cleared["secure"] is True  # without it the browser would ignore a __Host- cookie
    assert cleared["samesite"] == "Strict"


@pytest.mark.django_db
def test_a_visitor_without_a_cookie_has_none_cleared(client: Visitor):
    assert NAME not in client.get("/login/").cookies


@pytest.mark.asvs("7.4.1")
def test_logging_out_clears_the_cookie(client: Visitor, alice: Person):
    log_in(client, alice)
    cleared = client.post("/logout/").cookies[NAME]

    assert (cleared.value, cleared["max-age"]) == ("", 0)


def test_a_session_outlives_a_change_of_the_secret_key(client, alice, settings):
    log_in(client, alice)
    old, settings.SECRET_KEY = settings.SECRET_KEY, NEW_KEY
    settings.SECRET_KEY_FALLBACKS = [old]

    assert client.get("/session/").status_code == 200


def test_a_session_ends_with_the_key_that_signed_its_cookie(client, alice, settings):
    log_in(client, alice)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW_KEY, []

    assert client.get("/session/").status_code == 401
    assert redis().keys("session:*")  # it was not asked about
