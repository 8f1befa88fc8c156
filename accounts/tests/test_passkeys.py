"""Passkeys: added, named, removed; taken at the login, alone or as the second factor."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import call_command
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from accounts import ceremonies, ways_in
from accounts.ceremonies import Ceremony
from accounts.errors import ProofTooOld
from accounts.models import Event, Passkey, User
from accounts.models.passkey import MOST
from accounts.services import erasure, passkeys, sessions
from accounts.tests.authenticator import (
    BACKED_UP,
    LOGIN,
    PAGE,
    PRESENT,
    SYNCED,
    VERIFIED,
    Authenticator,
    add_passkey,
    asked_on,
    decode,
    encode,
    log_in_with,
    passkey_of,
)
from accounts.tests.test_second_factor import VERIFY, disown, first_factor
from bottomline.caller import Caller
from bottomline.outbox import services as outbox
from conftest import Inbox, Person, Visitor, app_code, at_once, commits, log_in, set_up_factor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("still_clock")]

WITH_PASSKEY = "/login/verify/passkey/"
SENTENCE = "That passkey did not work"
ADD = f"{PAGE}add/"


def last_login() -> Event:
    return Event.objects.filter(kind="login.completed").latest("pk")


def is_refused(response: Any, visitor: Visitor) -> bool:
    assert response.status_code == 422, (response.status_code, response.content)
    assert SENTENCE in response.content.decode()
    return not visitor.is_in


# --- adding, naming, removing ---


@pytest.mark.asvs("6.3.3")
def test_a_member_adds_one_and_logs_in_without_typing(client: Visitor, alice: Person):
    log_in(client, alice)
    phone = add_passkey(client, "Alice’s phone")
    page = client.get(PAGE).text
    assert "Alice’s phone" in page
    assert "Not used yet" in page
    assert "On one device" in page

    visitor = Visitor()
    response = log_in_with(phone, visitor)
    assert (response.status_code, response["Location"]) == (302, "/account/")
    assert visitor.is_in
    assert last_login().details["method"] == "passkey"
    assert visitor.cookies["__Host-way"].value == "passkey"
    assert "Last used" in client.get(PAGE).text
    assert "with a passkey" in client.get("/account/sessions/").text


def test_what_is_asked_of_the_browser(client: Visitor, alice: Person):
    log_in(client, alice)
    first = add_passkey(client)
    client.post(f"{PAGE}start/")
    asked = asked_on(client, ADD)
    assert asked["rp"] == {"id": "door.example.org", "name": "The Bottom Line"}
    assert asked["user"]["name"] == alice.email
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert asked["attestation"] == "none"
    assert [each["alg"] for each in asked["pubKeyCredParams"]] == [-8, -7, -257]
    [known] = asked["excludeCredentials"]
    assert known["id"] == encode(first.id)
    assert known["transports"] == ["hybrid", "internal"]
    assert len(decode(asked["challenge"])) >= 32

    login = asked_on(Visitor(), "/login/")
    assert login["rpId"] == "door.example.org"
    assert login["userVerification"] == "required"
    assert login["allowCredentials"] == []


def test_the_handle_is_random_and_the_same_for_all_of_them(client: Visitor, alice: Person):
    log_in(client, alice)
    one, other = add_passkey(client), add_passkey(client)
    assert one.handle == other.handle
    assert len(one.handle) == 16
    assert one.handle != alice.user.pk.bytes
    assert alice.email.encode() not in one.handle


def test_a_name_is_suggested_changed_and_shown_to_the_letter(alice: Person):
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"
    client = Visitor(HTTP_USER_AGENT=agent)
    log_in(client, alice)
    client.post(f"{PAGE}start/")
    assert 'value="Chrome on Linux"' in client.get(ADD).text
    add_passkey(client)
    path = f"{PAGE}{Passkey.objects.get().pk}/"
    assert 'value="My phone"' in client.get(path).text
    for wrong in ("", "x" * 61, "\u202eevil", "a\x00b"):
        assert client.post(path, {"name": wrong}).status_code == 422
    assert client.post(path, {"name": "<b>key</b>"})["Location"] == PAGE
    assert "&lt;b&gt;key&lt;/b&gt;" in client.get(PAGE).text


def test_a_mistake_in_the_name_is_explained_with_a_new_challenge(client: Visitor, alice: Person):
    log_in(client, alice)
    client.post(f"{PAGE}start/")
    asked = asked_on(client, ADD)
    answer = Authenticator().create(asked)
    response = client.post(ADD, {"name": "", "credential": answer})
    assert response.status_code == 422
    assert "Give it a name." in response.text
    assert asked["challenge"] not in response.text
    assert not Passkey.objects.exists()


def test_the_page_to_add_one_is_reached_by_its_button_alone(client: Visitor, alice: Person):
    log_in(client, alice)
    assert client.get(ADD)["Location"] == PAGE
    assert client.get(f"{PAGE}start/").status_code == 405


@pytest.mark.asvs("6.5.6")
def test_a_removed_one_opens_nothing_and_ends_what_it_opened(client: Visitor, alice: Person):
    log_in(client, alice)
    phone = add_passkey(client)
    elsewhere = Visitor()
    log_in_with(phone, elsewhere)
    assert client.post(f"{PAGE}{Passkey.objects.get().pk}/remove/")["Location"] == PAGE
    assert not Passkey.objects.exists()
    assert client.is_in
    assert not elsewhere.is_in
    visitor = Visitor()
    assert is_refused(log_in_with(phone, visitor), visitor)


@pytest.mark.asvs("8.2.2")
def test_anothers_is_as_if_there_were_none(client: Visitor, alice: Person, bob: Person):
    passkey_of(alice)
    pk = Passkey.objects.get().pk
    log_in(client, bob)
    for path in (f"{PAGE}{pk}/", f"{PAGE}{pk}/remove/", f"{PAGE}{pk + 1}/", f"{PAGE}{2**70}/"):
        assert client.post(path, {"name": "mine"}).status_code == 404
    assert Passkey.objects.get().name == "My phone"


@pytest.mark.asvs("7.5.1")
def test_adding_and_removing_want_a_fresh_proof(client: Visitor, alice: Person, still_clock: Any):
    log_in(client, alice)
    add_passkey(client)
    client.post(f"{PAGE}start/")
    answer = Authenticator().create(asked_on(client, ADD))
    still_clock.shift(timedelta(minutes=11))
    typed = {"name": "Kept", "credential": answer}
    remove = f"{PAGE}{Passkey.objects.get().pk}/remove/"
    for path in (ADD, f"{PAGE}start/", remove):
        assert client.post(path, typed)["Location"].startswith("/reauth/")
    assert Passkey.objects.count() == 1
    assert (
        client.post(
            "/reauth/", {"by": "password", "password": alice.password, "next": ADD}
        ).status_code
        == 302
    )
    assert client.post(f"{PAGE}start/").status_code == 302


def test_what_was_typed_comes_back_and_the_answer_does_not(
    client: Visitor, alice: Person, still_clock: Any
):
    log_in(client, alice)
    client.post(f"{PAGE}start/")
    answer = Authenticator().create(asked_on(client, ADD))
    still_clock.shift(timedelta(minutes=11))
    client.post(ADD, {"name": "The blue key", "credential": answer})
    client.post("/reauth/", {"by": "password", "password": alice.password})
    page = client.get(ADD).text
    assert 'value="The blue key"' in page
    assert "attestationObject" not in page


def test_nobody_removes_the_last_way_in(client: Visitor, olivia: Person):
    log_in(client, olivia)
    add_passkey(client)
    one, other = Passkey.objects.get(), add_passkey(client, "Second")
    user = olivia.user
    user.set_unusable_password()
    user.save()
    client = Visitor()
    log_in_with(other, client)
    assert client.post(f"{PAGE}{one.pk}/remove/").status_code == 302
    [left] = Passkey.objects.all()
    client.post(f"{PAGE}{left.pk}/remove/")
    assert "your only way in" in client.get(PAGE).text
    assert Passkey.objects.get() == left


def test_a_member_has_so_many_and_no_more(client: Visitor, alice: Person):
    log_in(client, alice)
    client.post(f"{PAGE}start/")
    for number in range(MOST):
        Passkey.objects.create(
            user=alice.user, credential_id=bytes([number]), public_key=b"", is_synced=True, name="x"
        )
    answer = Authenticator().create(asked_on(client, ADD))
    response = client.post(ADD, {"name": "One more", "credential": answer})
    assert response.status_code == 422
    assert "as many passkeys as one can have" in response.text
    assert client.post(f"{PAGE}start/")["Location"] == PAGE
    assert Passkey.objects.count() == MOST


def test_one_passkey_is_one_members_and_is_added_once(alice: Person, bob: Person):
    phone = passkey_of(alice)
    for person in (alice, bob):
        visitor = Visitor()
        log_in(visitor, person)
        visitor.post(f"{PAGE}start/")
        answer = phone.create(asked_on(visitor, ADD))
        response = visitor.post(ADD, {"name": "Again", "credential": answer})
        assert response.status_code == 422
        assert "known here already" in response.text
    assert Passkey.objects.get().user == alice.user


@pytest.mark.asvs("6.3.7")
@pytest.mark.parametrize("language", ["en", "de"])
def test_adding_and_removing_are_told_and_written_down(
    client: Visitor, alice: Person, inbox: Inbox, language: str
):
    User.objects.update(language=language)
    log_in(client, alice)
    add_passkey(client)
    client.post(f"{PAGE}{Passkey.objects.get().pk}/remove/")
    added, removed = inbox.mails_to(alice.email)[-2:]
    words = {
        "en": ("A passkey was added for The Bottom Line", "A passkey was removed"),
        "de": ("Ein Passkey wurde für The Bottom Line hinzugefügt", "Ein Passkey wurde"),
    }[language]
    assert added.subject == words[0]
    assert removed.subject.startswith(words[1])
    assert "/account/not-me/" in str(added.body)
    page = client.get("/account/activity/").text
    assert "A passkey was added." in page
    assert "A passkey was removed." in page
    kept = Event.objects.filter(kind__startswith="passkey.").values_list("details", flat=True)
    assert list(kept) == [{}, {}]


# --- what a new one must be ---


def try_to_add(visitor: Visitor, answer: str) -> Any:
    return visitor.post(ADD, {"name": "Mine", "credential": answer})


@pytest.fixture
def adding(client: Visitor, alice: Person) -> Visitor:
    log_in(client, alice)
    client.post(f"{PAGE}start/")
    return client


@pytest.mark.asvs("6.7.2")
@pytest.mark.parametrize(
    "device",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://door.example.org"},
        {"origin": "https://door.example.org.evil.example"},
        {"host": "evil.example"},
        {"host": "example.org"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"flags": PRESENT | VERIFIED | BACKED_UP},
        {"id": b"x" * 1024},
        {"id": b""},
    ],
    ids=str,
)
def test_a_passkey_of_another_site_or_without_verification_is_none(
    adding: Visitor, device: dict[str, Any]
):
    answer = Authenticator(**device).create(asked_on(adding, ADD))
    response = try_to_add(adding, answer)
    assert response.status_code == 422
    assert "could not be added" in response.text
    assert not Passkey.objects.exists()


def test_nor_one_that_was_made_in_a_frame_of_another_site(adding: Visitor):
    answer = Authenticator().create(asked_on(adding, ADD), crossOrigin=True)
    assert try_to_add(adding, answer).status_code == 422


def test_a_challenge_to_log_in_makes_no_passkey(adding: Visitor):
    asked = asked_on(adding, ADD)
    challenge = asked_on(Visitor(), "/login/")["challenge"]
    answer = Authenticator().create(asked | {"challenge": challenge})
    assert try_to_add(adding, answer).status_code == 422


def test_nor_does_that_of_another_member(adding: Visitor, bob: Person):
    other = Visitor()
    log_in(other, bob)
    other.post(f"{PAGE}start/")
    answer = Authenticator().create(asked_on(other, ADD))
    assert try_to_add(adding, answer).status_code == 422


def test_a_proof_is_no_new_passkey_and_a_new_passkey_no_proof(adding: Visitor, alice: Person):
    phone = passkey_of(alice)
    asked = asked_on(adding, ADD)
    assert try_to_add(adding, phone.get(asked)).status_code == 422
    visitor = Visitor()
    login = asked_on(visitor, "/login/")
    answer = phone.create(asked | {"challenge": login["challenge"]})
    assert is_refused(visitor.post(LOGIN, {"credential": answer}), visitor)


@pytest.mark.asvs("11.6.1")
@pytest.mark.parametrize(
    "key",
    [Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)],
    ids=["EdDSA", "RS256"],
)
def test_each_kind_of_key_we_ask_for_is_taken(client: Visitor, alice: Person, key: Any):
    log_in(client, alice)
    assert log_in_with(add_passkey(client, key=key), Visitor()).status_code == 302


@pytest.mark.asvs("11.6.1")
def test_an_algorithm_we_did_not_ask_for_makes_none(adding: Visitor):
    said = json.loads(Authenticator().create(asked_on(adding, ADD)))
    made = cbor2.loads(decode(said["response"]["attestationObject"]))
    made["authData"] = made["authData"].replace(b"\x03\x26", b"\x03\x38\x23")  # ES512
    said["response"]["attestationObject"] = encode(cbor2.dumps(made))
    assert try_to_add(adding, json.dumps(said)).status_code == 422


# --- at the login ---


def test_it_leads_on_to_where_they_were_going_and_stays_as_long_as_they_said(alice: Person):
    phone, visitor = passkey_of(alice), Visitor()
    response = log_in_with(phone, visitor, next="/account/invites/", remember="on")
    assert response["Location"] == "/account/invites/"
    assert visitor.cookies["__Host-session"]["expires"]
    other = Visitor()
    assert log_in_with(phone, other, next="//evil.example/")["Location"] == "/account/"
    assert not other.cookies["__Host-session"]["expires"]


def test_it_has_a_page_of_its_own(alice: Person):
    phone, visitor = passkey_of(alice), Visitor()
    answer = phone.get(asked_on(visitor, f"{LOGIN}?next=/account/invites/"))
    assert 'value="/account/invites/"' in visitor.get(f"{LOGIN}?next=/account/invites/").text
    assert visitor.post(LOGIN, {"credential": answer}).status_code == 302
    assert visitor.get(LOGIN)["Location"] == "/account/"


@pytest.mark.asvs("6.7.2")
def test_an_answer_is_good_once(alice: Person):
    phone, visitor = passkey_of(alice), Visitor()
    answer = phone.get(asked_on(visitor, "/login/"))
    browser = visitor.cookies["__Host-csrf"].value
    assert visitor.post(LOGIN, {"credential": answer}).status_code == 302
    again = Visitor()
    again.cookies["__Host-csrf"] = browser
    assert is_refused(again.post(LOGIN, {"credential": answer}), again)


@pytest.mark.asvs("6.7.2")
def test_an_answer_is_good_in_the_browser_that_was_asked(alice: Person):
    phone, visitor, other = passkey_of(alice), Visitor(), Visitor()
    answer = phone.get(asked_on(visitor, "/login/"))
    other.get("/login/")
    assert is_refused(other.post(LOGIN, {"credential": answer}), other)
    assert visitor.post(LOGIN, {"credential": answer}).status_code == 302


@pytest.mark.asvs("6.7.2")
@pytest.mark.parametrize(("seconds", "is_good"), [(299, True), (301, False)])
def test_a_challenge_is_good_for_five_minutes(
    alice: Person, still_clock: Any, seconds: int, is_good: bool
):
    phone, visitor = passkey_of(alice), Visitor()
    answer = phone.get(asked_on(visitor, "/login/"))
    still_clock.shift(timedelta(seconds=seconds))
    response = visitor.post(LOGIN, {"credential": answer})
    if is_good:
        assert response.status_code == 302
    else:
        assert is_refused(response, visitor)


@pytest.mark.asvs("6.7.2")
def test_every_challenge_is_another(client: Visitor):
    challenges = {asked_on(client, "/login/")["challenge"] for _ in range(20)}
    assert len(challenges) == 20


def other_key(phone: Authenticator) -> None:
    phone.key = Authenticator().key


def other_id(phone: Authenticator) -> None:
    phone.id = b"an id that nobody has"


def other_handle(phone: Authenticator) -> None:
    phone.handle = b"somebody else"


WRONG: dict[str, Any] = {
    "another key": other_key,
    "an unknown id": other_id,
    "another handle": other_handle,
    "another site's origin": lambda phone: setattr(phone, "origin", "https://evil.example"),
    "plain http": lambda phone: setattr(phone, "origin", "http://door.example.org"),
    "another port": lambda phone: setattr(phone, "origin", "https://door.example.org:8443"),
    "another site's id": lambda phone: setattr(phone, "host", "evil.example"),
    "nobody verified": lambda phone: setattr(phone, "flags", PRESENT),
    "nobody there": lambda phone: setattr(phone, "flags", VERIFIED),
    "now synced": lambda phone: setattr(phone, "flags", PRESENT | VERIFIED | SYNCED),
}


@pytest.mark.asvs("6.3.8")
@pytest.mark.asvs("6.5.7")
@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG)
def test_whatever_is_wrong_is_refused_in_one_sentence(alice: Person, spoil: Any):
    phone, visitor = passkey_of(alice), Visitor()
    spoil(phone)
    assert is_refused(log_in_with(phone, visitor), visitor)
    assert Passkey.objects.get().last_used_at is None


def test_refusals_stand_in_the_history_of_whom_they_concern_alone(alice: Person):
    phone = passkey_of(alice)
    before = Event.objects.count()
    key, phone.key = phone.key, Authenticator().key
    log_in_with(phone, Visitor())
    assert Event.objects.count() == before + 1
    refused = Event.objects.latest("pk")
    assert (refused.kind, refused.user_id) == ("login.refused", alice.user.pk)
    phone.key, phone.id = key, b"an id that nobody has"
    log_in_with(phone, Visitor())
    assert Event.objects.count() == before + 1


def test_the_answer_must_name_the_account_where_nobody_else_does(alice: Person):
    phone, visitor = passkey_of(alice), Visitor()
    said = json.loads(phone.get(asked_on(visitor, "/login/")))
    del said["response"]["userHandle"]
    assert is_refused(visitor.post(LOGIN, {"credential": json.dumps(said)}), visitor)


@pytest.mark.parametrize(
    "made_up",
    [
        "",
        "x",
        "null",
        "[]",
        "1e999",
        '"x"',
        "{}",
        '{"id": 1}',
        '{"id": "AA", "rawId": "AA", "type": "public-key", "response": {}}',
        "[" * 10_000,
        '{"a":' * 5_000,
        "{" + "x" * 20_000,
        "\ud7ff\ufffe",
    ],
    ids=lambda text: text[:20],
)
def test_what_no_browser_says_is_refused_and_no_fault_of_ours(adding: Visitor, made_up: str):
    visitor = Visitor()
    assert visitor.post(LOGIN, {"credential": made_up}).status_code == 422
    assert try_to_add(adding, made_up).status_code == 422
    assert visitor.post(LOGIN).status_code == 422


@pytest.fixture
def phone(alice: Person) -> Authenticator:
    """Alice's passkey, one for many examples."""
    return passkey_of(alice)


@how(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    part=st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "userHandle"]),
    at=st.integers(0, 400),
    noise=st.binary(min_size=0, max_size=12),
)
def test_no_noise_in_an_answer_is_taken_or_breaks_us(
    phone: Authenticator, part: str, at: int, noise: bytes
):
    ceremony = Ceremony("log-in", "a browser")
    asked = json.loads(ceremonies.ask_for_proof(ceremony))
    said = json.loads(phone.get(asked))
    raw = decode(said["response"][part])
    at %= len(raw)
    spoiled = raw[:at] + noise + raw[at + max(1, len(noise)) :]
    said["response"][part] = encode(spoiled)
    key = bytes(Passkey.objects.get().public_key)
    try:
        claimed = ceremonies.read_proof(json.dumps(said))
        ceremonies.check_proof(claimed, ceremony, public_key=key)
    except ceremonies.Refused:
        return
    assert spoiled == raw or part == "userHandle"


@how(deadline=None, max_examples=150)
@given(at=st.integers(0, 400), noise=st.binary(min_size=1, max_size=12))
def test_no_noise_in_a_new_one_breaks_us(at: int, noise: bytes):
    ceremony = Ceremony("add", "a browser", "somebody")
    asked = json.loads(ceremonies.ask_for_new(ceremony, handle=b"x", name="x", known=()))
    said = json.loads(Authenticator().create(asked))
    raw = decode(said["response"]["attestationObject"])
    at %= len(raw)
    spoiled = raw[:at] + noise + raw[at + len(noise) :]
    said["response"]["attestationObject"] = encode(spoiled)
    with suppress(ceremonies.Refused):
        ceremonies.check_new(ceremonies.read_new(json.dumps(said)), ceremony)


def test_a_larger_body_is_refused_before_it_is_read(client: Visitor):
    assert client.post(LOGIN, {"credential": "x" * 70_000}).status_code == 413


def test_a_network_has_so_many_tries(client: Visitor, alice: Person):
    statuses = [client.post(LOGIN, {"credential": "{}"}).status_code for _ in range(61)]
    assert statuses == [422] * 60 + [429]
    response = client.post(LOGIN, {"credential": "{}"})
    assert int(response["Retry-After"]) > 0


@pytest.mark.asvs("6.7.1")
def test_one_that_counts_backwards_is_refused_and_told_to_its_owner(alice: Person, inbox: Inbox):
    phone = passkey_of(alice, count=41)
    assert log_in_with(phone, Visitor()).status_code == 302
    copy = Authenticator(id=phone.id, key=phone.key, handle=phone.handle, count=41)
    visitor = Visitor()
    assert is_refused(log_in_with(copy, visitor), visitor)
    assert Event.objects.filter(kind="passkey.copied", user_id=alice.user.pk).count() == 1
    told = inbox.mails_to(alice.email)[-1]
    assert told.subject == "A passkey was refused at The Bottom Line"
    assert "there may be a copy of it" in str(told.body)
    # Its owner's own goes on.
    assert log_in_with(phone, Visitor()).status_code == 302


def test_a_count_that_stops_counting_is_one_that_has_not_grown(alice: Person):
    phone = passkey_of(alice, count=5)
    phone.count = None
    visitor = Visitor()
    assert is_refused(log_in_with(phone, visitor), visitor)
    assert Event.objects.filter(kind="passkey.copied").exists()


def test_nobody_raises_that_alarm_without_the_key(alice: Person):
    phone = passkey_of(alice, count=41)
    log_in_with(phone, Visitor())
    forged = Authenticator(id=phone.id, handle=phone.handle, count=1)
    visitor = Visitor()
    assert is_refused(log_in_with(forged, visitor), visitor)
    assert not Event.objects.filter(kind="passkey.copied").exists()


def test_one_that_is_synced_counts_nothing_and_says_where_it_is(client: Visitor, alice: Person):
    log_in(client, alice)
    synced = PRESENT | VERIFIED | SYNCED | BACKED_UP
    phone = add_passkey(client, flags=synced)
    assert "On all your devices" in client.get(PAGE).text
    for _ in range(2):
        assert log_in_with(phone, Visitor()).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_of_two_logins_at_once_with_one_answer_one_gets_in(alice: Person):
    phone, first = passkey_of(alice), Visitor()
    answer = phone.get(asked_on(first, "/login/"))
    second = Visitor()
    second.cookies["__Host-csrf"] = first.cookies["__Host-csrf"].value
    statuses: list[int] = []

    def enter(visitor: Visitor) -> None:
        statuses.append(visitor.post(LOGIN, {"credential": answer}).status_code)

    at_once([lambda: enter(first), lambda: enter(second)])
    assert sorted(statuses) == [302, 422]


@pytest.mark.django_db(transaction=True)
def test_of_two_uses_with_one_count_one_is_taken(alice: Person):
    passkey_of(alice, count=1)
    passkey = Passkey.objects.get()
    taken: list[bool] = []
    at_once([lambda: taken.append(passkey.use(9))] * 2)
    assert sorted(taken) == [False, True]


def test_the_login_page_leads_with_it_where_it_was_used_last(alice: Person):
    phone, visitor = passkey_of(alice), Visitor()
    log_in_with(phone, visitor)
    visitor.post("/logout/")
    assert "As last time in this browser" in visitor.get("/login/").text


# --- as a second factor ---


@pytest.fixture
def both(client: Visitor, alice: Person) -> Authenticator:
    """Alice has a second factor, and this passkey."""
    log_in(client, alice)
    set_up_factor(alice, client)
    return add_passkey(client)


@pytest.mark.asvs("6.3.3")
def test_it_is_two_factors_by_itself(alice: Person, both: Authenticator):
    visitor = Visitor()
    assert log_in_with(both, visitor).status_code == 302
    assert visitor.is_in
    assert last_login().details["method"] == "passkey"
    assert "A passkey needs none" in visitor.get("/account/security/factor/").text


def test_it_stands_in_for_a_code(alice: Person, both: Authenticator):
    visitor = Visitor()
    led = first_factor(visitor, alice, next="/account/invites/", remember="on")["Location"]
    asked = asked_on(visitor, led)
    assert [each["id"] for each in asked["allowCredentials"]] == [encode(both.id)]
    more = {"next": "/account/invites/"}
    response = visitor.post(WITH_PASSKEY, {"credential": both.get(asked), **more})
    assert response["Location"] == "/account/invites/"
    assert visitor.is_in
    assert last_login().details["method"] == "password+passkey"
    assert visitor.cookies["__Host-session"]["expires"]
    assert visitor.cookies["__Host-half-login"].value == ""
    assert "with the password and a passkey" in visitor.get("/account/activity/").text


def test_without_one_the_page_asks_for_a_code_alone(client: Visitor, alice: Person):
    log_in(client, alice)
    set_up_factor(alice, client)
    visitor = Visitor()
    assert "data-passkey" not in visitor.get(first_factor(visitor, alice)["Location"]).text


def test_somebody_elses_is_no_second_factor(alice: Person, bob: Person, both: Authenticator):
    other, visitor = passkey_of(bob), Visitor()
    asked = asked_on(visitor, first_factor(visitor, alice)["Location"])
    for handle in (other.handle, both.handle):
        other.handle = handle
        response = visitor.post(WITH_PASSKEY, {"credential": other.get(asked)})
        assert is_refused(response, visitor)
    assert 'name="code"' in response.content.decode()


def test_a_challenge_is_good_for_its_own_page(alice: Person, both: Authenticator):
    visitor = Visitor()
    login = asked_on(visitor, "/login/")
    verify = asked_on(visitor, first_factor(visitor, alice)["Location"])
    assert is_refused(visitor.post(WITH_PASSKEY, {"credential": both.get(login)}), visitor)
    assert is_refused(visitor.post(LOGIN, {"credential": both.get(verify)}), visitor)


def test_nor_is_that_of_another_half_login(alice: Person, both: Authenticator):
    visitor = Visitor()
    earlier = asked_on(visitor, first_factor(visitor, alice)["Location"])
    first_factor(visitor, alice)
    assert is_refused(visitor.post(WITH_PASSKEY, {"credential": both.get(earlier)}), visitor)


def test_half_a_login_has_five_tries_of_both_kinds(alice: Person, both: Authenticator):
    visitor = Visitor()
    asked = asked_on(visitor, first_factor(visitor, alice)["Location"])
    for _ in range(5):
        assert visitor.post(WITH_PASSKEY, {"credential": "{}"}).status_code == 422
    response = visitor.post(WITH_PASSKEY, {"credential": both.get(asked)})
    assert urlsplit(response["Location"]).path == "/login/"
    assert not visitor.is_in


def test_without_half_a_login_there_is_nothing_to_finish(alice: Person, both: Authenticator):
    visitor = Visitor()
    answer = both.get(asked_on(visitor, "/login/"))
    assert visitor.post(WITH_PASSKEY, {"credential": answer})["Location"] == "/login/"
    assert visitor.get(WITH_PASSKEY).status_code == 405
    assert not visitor.is_in


def test_the_answer_need_not_name_the_account_here(alice: Person, both: Authenticator):
    visitor = Visitor()
    said = json.loads(both.get(asked_on(visitor, first_factor(visitor, alice)["Location"])))
    del said["response"]["userHandle"]
    assert visitor.post(WITH_PASSKEY, {"credential": json.dumps(said)}).status_code == 302
    assert visitor.is_in


def test_a_code_still_works_beside_it(alice: Person, both: Authenticator):
    visitor = Visitor()
    first_factor(visitor, alice)
    assert visitor.post(VERIFY, {"code": app_code(alice)}).status_code == 302


# --- before what matters ---


AGAIN = "/reauth/"


def test_it_proves_that_it_is_still_them(client: Visitor, alice: Person, still_clock: Any):
    log_in(client, alice)
    phone = add_passkey(client)
    still_clock.shift(timedelta(minutes=11))
    before = client.cookies["__Host-session"].value
    led = client.post(f"{PAGE}start/")["Location"]
    asked = asked_on(client, led)
    assert [each["id"] for each in asked["allowCredentials"]] == [encode(phone.id)]
    answer = {"by": "passkey", "credential": phone.get(asked), "next": PAGE}
    assert client.post(AGAIN, answer)["Location"] == PAGE
    assert client.cookies["__Host-session"].value != before
    assert client.post(f"{PAGE}start/")["Location"] == ADD
    assert "Used a passkey before a change." in client.get("/account/activity/").text


def test_the_password_still_does(client: Visitor, alice: Person, still_clock: Any):
    log_in(client, alice)
    add_passkey(client)
    still_clock.shift(timedelta(minutes=11))
    assert "Use your password instead" in client.get(AGAIN).text
    assert 'name="password"' in client.get(f"{AGAIN}?by=password").text
    typed = {"by": "password", "password": alice.password, "next": PAGE}
    assert client.post(AGAIN, typed)["Location"] == PAGE


def test_who_has_nothing_else_proves_it_by_a_passkey(alice: Person, still_clock: Any):
    phone, visitor = passkey_of(alice), Visitor()
    user = alice.user
    user.set_unusable_password()
    user.save()
    log_in_with(phone, visitor)
    still_clock.shift(timedelta(minutes=11))
    page = visitor.get(AGAIN).text
    assert "Use a passkey" in page
    assert "Mail me a code" not in visitor.get(f"{AGAIN}?by=mail").text
    answer = phone.get(asked_on(visitor, AGAIN))
    assert visitor.post(AGAIN, {"by": "passkey", "credential": answer}).status_code == 302
    assert visitor.post(f"{PAGE}start/")["Location"] == ADD


def test_anothers_or_an_answer_to_another_question_proves_nothing(
    client: Visitor, alice: Person, bob: Person
):
    hers, his = passkey_of(alice), passkey_of(bob)
    log_in(client, alice)
    asked = asked_on(client, AGAIN)
    visitor = Visitor()
    login = asked_on(visitor, "/login/")
    for answer in (his.get(asked), hers.get(login), "{}"):
        response = client.post(AGAIN, {"by": "passkey", "credential": answer})
        assert response.status_code == 422
        assert SENTENCE in response.text
    refused = Event.objects.filter(kind="reauth.refused", user_id=alice.user.pk)
    assert {event.details["reason"] for event in refused} == {"bad_passkey"}
    answer = hers.get(asked_on(client, AGAIN))
    assert is_refused(visitor.post(LOGIN, {"credential": answer}), visitor)


def test_staff_enter_the_admin_with_one(client: Visitor, olivia: Person):
    phone, visitor = passkey_of(olivia), Visitor()
    log_in_with(phone, visitor)
    assert visitor.get("/admin/").status_code == 200


@pytest.fixture
def guarded(alice: Person) -> Authenticator:
    """The passkey that is all the second factor that Alice has, who is an owner."""
    phone = passkey_of(alice)
    User.objects.filter(pk=alice.user.pk).update(is_staff=True, is_superuser=True)
    return phone


@pytest.mark.asvs("6.3.3")
@pytest.mark.asvs("7.5.1")
def test_who_knows_the_password_of_staff_with_a_passkey_sets_up_no_factor_of_their_own(
    guarded: Authenticator, alice: Person
):
    thief = Visitor()
    log_in(thief, alice)
    new = {"password": "other plum kettle orbit", "repeated": "other plum kettle orbit"}
    for begin in (
        lambda: None,
        lambda: thief.post(AGAIN, {"by": "password", "password": alice.password}),
        lambda: thief.post("/password/change/", {"current": alice.password, **new}),
    ):
        begin()
        assert thief.is_in
        passkey = f"{PAGE}{Passkey.objects.get().pk}/remove/"
        for path in ("/account/security/factor/start/", f"{PAGE}start/", passkey):
            assert thief.post(path)["Location"].startswith(AGAIN)
    assert alice.user.check_password(new["password"])  # all that they could change
    assert Passkey.objects.filter(user=alice.user).count() == 1
    assert thief.get("/admin/").status_code == 302


@pytest.mark.asvs("6.3.3")
def test_staff_with_a_passkey_set_an_app_up_by_it(guarded: Authenticator, alice: Person):
    visitor = Visitor()
    log_in(visitor, alice)
    assert "Whoever runs this site can end them" in visitor.get(AGAIN).text
    answer = guarded.get(asked_on(visitor, AGAIN))
    assert visitor.post(AGAIN, {"by": "passkey", "credential": answer}).status_code == 302
    set_up_factor(alice, visitor)
    assert visitor.get("/admin/").status_code == 200

    other = Visitor()
    log_in_with(guarded, other)
    assert other.post(f"{PAGE}start/")["Location"] == ADD  # it has proved who they are


@pytest.mark.asvs("6.4.4")
def test_an_operator_ends_the_lost_passkeys_of_staff_who_have_nothing_else(
    guarded: Authenticator, alice: Person, bob: Person, inbox: Inbox
):
    passkey_of(bob)
    visitor = Visitor()
    log_in_with(guarded, visitor)
    with commits():
        call_command("reset_second_factor", alice.email, bob.email, stdout=StringIO())
    assert not visitor.is_in
    assert list(Passkey.objects.values_list("user__email", flat=True)) == [bob.email]
    assert "those who run the site ended it" in inbox.mails_to(alice.email)[-1].body
    log_in(visitor, alice)
    set_up_factor(alice, visitor)


@pytest.mark.asvs("6.3.3")
def test_the_admin_closes_when_staff_remove_their_last_one(guarded: Authenticator, alice: Person):
    log_in_with(guarded, visitor := Visitor())
    add_passkey(visitor)
    first, last = Passkey.objects.order_by("pk")
    for passkey, status in ((first, 200), (last, 302)):
        visitor.post(f"{PAGE}{passkey.pk}/remove/")
        assert visitor.get("/admin/").status_code == status
    assert visitor.is_in
    assert visitor.get("/account/sessions/").status_code == 200


@pytest.mark.asvs("6.3.3")
def test_the_admin_stays_open_to_an_app_and_closes_when_that_goes_too(
    guarded: Authenticator, alice: Person
):
    log_in_with(guarded, visitor := Visitor())
    set_up_factor(alice, visitor)
    visitor.post(f"{PAGE}{Passkey.objects.get().pk}/remove/")
    assert visitor.get("/admin/").status_code == 200
    visitor.post("/account/security/factor/off/", {"code": app_code(alice, steps=1)})
    assert alice.user.second_factor_at is None
    assert visitor.get("/admin/").status_code == 302
    assert visitor.is_in


# --- an intruder's, and what goes with an account ---


def test_this_was_not_me_ends_every_passkey(client: Visitor, alice: Person, inbox: Inbox):
    log_in(client, alice)  # somebody who knows Alice's password
    intruders = add_passkey(client)
    [told] = [m for m in inbox.mails_to(alice.email) if m.subject.startswith("A passkey was added")]
    link = next(word for word in str(told.body).split() if "/account/not-me/" in word)
    page = Visitor().get(link.removeprefix("https://door.example.org")).text
    assert "Every passkey ends." in page
    disown(told)
    visitor = Visitor()
    assert is_refused(log_in_with(intruders, visitor), visitor)
    assert not client.is_in


def test_none_is_added_from_a_session_that_its_owner_has_ended_meanwhile(alice: Person):
    before, here = alice.user, Caller(ip="192.0.2.7", proved_at=timezone.now())
    passkeys.start(before, caller=here)
    before.refresh_from_db()
    asked = json.loads(passkeys.ask_for_new(before, "a browser") or "")
    answer = Authenticator().create(asked)
    sessions.end_all(alice.user)
    with pytest.raises(ProofTooOld):
        passkeys.add(before, answer, "Mine", browser="a browser", caller=here)
    assert not Passkey.objects.exists()


def choose_password(person: Person, inbox: Inbox) -> str:
    """Choose a new one by a mailed link; returns what its page says."""
    visitor = Visitor()
    visitor.post("/password/forgot/", {"email": person.email})
    link, new = inbox.link_to(person.email), "quite another lamp 7 river"
    page: str = visitor.get(link).text
    assert visitor.post(link, {"password": new, "repeated": new}).status_code == 302
    return page


def test_a_new_password_by_mail_ends_the_passkeys_of_the_last_days(alice: Person, inbox: Inbox):
    hers = passkey_of(alice)
    Passkey.objects.update(created_at=timezone.now() - timedelta(days=8))
    intruders = passkey_of(alice)
    assert "Passkeys that were added in the last 7 days end" in choose_password(alice, inbox)
    visitor = Visitor()
    assert is_refused(log_in_with(intruders, visitor), visitor)
    assert log_in_with(hers, visitor).status_code == 302


def test_undoing_a_change_of_address_ends_every_passkey(
    client: Visitor, alice: Person, inbox: Inbox
):
    log_in(client, alice)  # somebody who knows Alice's password
    intruders = add_passkey(client)
    client.post("/email/change/", {"email": "mallory@example.org"})
    client.post(inbox.link_to("mallory@example.org"))
    undo = next(
        word.removeprefix("https://door.example.org")
        for told in inbox.mails_to(alice.email)
        for word in str(told.body).split()
        if "/email/undo/" in word
    )
    assert "ends its password, its passkeys" in Visitor().get(undo).text
    assert Visitor().post(undo).status_code == 302
    visitor = Visitor()
    assert is_refused(log_in_with(intruders, visitor), visitor)


def test_erasing_leaves_none(alice: Person):
    phone = passkey_of(alice)
    alice_id = alice.user.pk
    User.objects.filter(pk=alice_id).update(closed_at=timezone.now() - timedelta(days=15))
    erasure.say_goodbyes()
    outbox.sweep()
    assert erasure.erase_all() == 1
    assert not Passkey.objects.exists()
    assert User.objects.get(pk=alice_id).passkey_handle is None
    visitor = Visitor()
    assert is_refused(log_in_with(phone, visitor), visitor)


def test_the_admin_shows_no_passkey(alice: Person, olivia: Person, client: Visitor):
    passkey_of(alice)
    log_in(client, olivia)
    page = client.get(f"/admin/accounts/user/{alice.user.pk}/change/").text
    assert "passkey" not in page.lower()
    assert client.get("/admin/accounts/passkey/").status_code == 404


# --- where there are none ---


@pytest.mark.parametrize("path", [LOGIN, PAGE, ADD, f"{PAGE}start/", WITH_PASSKEY])
def test_where_the_site_has_no_name_there_are_none(client: Visitor, alice: Person, settings, path):
    settings.HAS_PASSKEYS = False
    if path not in {LOGIN, WITH_PASSKEY}:
        log_in(client, alice)
    assert client.post(path).status_code in {404, 405}
    page = Visitor().get("/login/").text
    assert "passkey" not in page
    assert "webauthn" not in page.replace("username webauthn", "")
    assert "passkey" not in [own.way.name for own in ways_in.list_own(alice.user)]


def test_where_there_are_none_no_page_speaks_of_them(client: Visitor, alice: Person, settings):
    settings.HAS_PASSKEYS = False
    log_in(client, alice)
    set_up_factor(alice, client)
    assert "passkey" not in client.get("/account/security/factor/").text.lower()


@pytest.mark.parametrize(
    ("address", "origin", "has_passkeys"),
    [
        ("https://door.example.org", "https://door.example.org", True),
        ("https://Door.Example.org:443", "https://door.example.org", True),
        ("https://door.example.org:8443", "https://door.example.org:8443", True),
        ("http://localhost:8000", "http://localhost:8000", True),
        ("http://door.example.org", "http://door.example.org", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", False),
        ("https://192.0.2.7", "https://192.0.2.7", False),
        ("https://[2001:db8::7]", "https://[2001:db8::7]", False),
    ],
)
def test_what_passkeys_are_bound_to_follows_from_the_address_of_the_site(
    address: str, origin: str, has_passkeys: bool
):
    asked = "from bottomline import settings as s; print(s.SITE_ORIGIN, s.HAS_PASSKEYS)"
    said = subprocess.run(
        [sys.executable, "-c", asked],
        # No number makes an address to send mail from.
        env=os.environ | {"SITE_URL": address, "DEFAULT_FROM_EMAIL": "door@example.org"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == [origin, str(has_passkeys)]


def test_the_password_manager_is_told_which_are_left(client: Visitor, alice: Person):
    log_in(client, alice)
    assert "data-passkeys-accepted" not in client.get(PAGE).text
    phone = add_passkey(client)
    told = json.loads(passkeys.accepted(alice.user))
    assert told == {
        "rpId": "door.example.org",
        "userId": encode(phone.handle),
        "allAcceptedCredentialIds": [encode(phone.id)],
    }
    assert "data-passkeys-accepted" in client.get(PAGE).text
