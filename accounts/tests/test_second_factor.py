"""The second factor: set up, asked for at the login, replaced by recovery codes, turned off."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from accounts.errors import ProofTooOld
from accounts.models import Event, RecoveryCode, Totp, TrustedBrowser, User
from accounts.models.second_factor import CODES
from accounts.services import devices, half_login, members, second_factor, sessions
from accounts.services.disown import shut_out
from bottomline import sealing
from bottomline.caller import Caller
from bottomline.sessions import index
from bottomline.sessions.store import SessionStore
from conftest import Inbox, Person, Visitor, app_code, commits, log_in, set_up_factor

pytestmark = pytest.mark.django_db

PAGE = "/account/security/factor/"
VERIFY = "/login/verify/"
CALLER = Caller(ip="192.0.2.7")


def secret_of(person: Person) -> str:
    return Totp.objects.get(user=person.user).secret


def first_factor(visitor: Visitor, person: Person, **more: str) -> Any:
    """The password, after which a code is asked for."""
    typed = {"email": person.email, "password": person.password}
    response = visitor.post("/login/", typed | more)
    assert response.status_code == 302, response.content
    assert urlsplit(response["Location"]).path == VERIFY
    return response


@pytest.fixture
def codes(alice: Person) -> list[str]:
    """Alice has a second factor, and these recovery codes."""
    return set_up_factor(alice)


@pytest.fixture(autouse=True)
def _still(still_clock: Any) -> None:
    """No step of a code ends in the middle of a test."""


# --- setting up ---


@pytest.mark.asvs("6.5.3")
def test_a_member_sets_it_up_and_logs_in_with_a_code(client: Visitor, alice: Person):
    log_in(client, alice)
    codes = set_up_factor(alice, client)

    assert len(set(codes)) == CODES
    assert {len(code.replace(" ", "")) for code in codes} == {24}
    assert len(secret_of(alice)) == 32  # of base32: 160 bits
    assert client.is_in
    other = Visitor()
    assert first_factor(other, alice)["Location"] == "/login/verify/?next=%2Faccount%2F"
    assert not other.is_in
    response = other.post(VERIFY, {"code": app_code(alice)})
    assert (response.status_code, response["Location"]) == (302, "/account/")
    assert other.is_in
    last = Event.objects.filter(kind="login.completed").latest("pk")
    assert last.details["method"] == "password+totp"


def test_no_secret_counts_before_its_code_was_typed(client: Visitor, alice: Person):
    log_in(client, alice)
    client.post(f"{PAGE}start/")
    wrong = client.post(f"{PAGE}confirm/", {"code": "000000"})
    assert wrong.status_code == 422
    assert "not the code of this moment" in wrong.content.decode()
    assert alice.user.second_factor_at is None
    log_in(Visitor(), alice)


def test_an_app_on_the_same_phone_takes_the_secret_by_a_link(client: Visitor, alice: Person):
    log_in(client, alice)
    client.post(f"{PAGE}start/")
    link = re.search(r'href="(otpauth:[^"]+)"', client.get(f"{PAGE}confirm/").text)
    assert link
    assert parse_qs(urlsplit(unescape(link[1])).query)["secret"] == [secret_of(alice)]


def test_what_nobody_finishes_ends_in_an_hour(client: Visitor, alice: Person, still_clock: Any):
    log_in(client, alice)
    client.post(f"{PAGE}start/")
    code = app_code(alice)
    still_clock.shift(timedelta(hours=1))
    client.post("/reauth/", {"password": alice.password})
    log_in(client := Visitor(), alice)
    assert client.post(f"{PAGE}confirm/", {"code": code})["Location"] == PAGE
    assert Totp.objects.over().count() == 1


def test_a_new_secret_replaces_one_that_waits_and_never_one_in_use(
    client: Visitor, alice: Person, codes: list[str]
):
    before = secret_of(alice)
    second_factor.start(alice.user, caller=Caller(ip="192.0.2.7", proved_at=timezone.now()))
    assert secret_of(alice) == before
    with pytest.raises(IntegrityError):
        Totp.objects.begin(alice.user)


@pytest.mark.asvs("7.5.1")
@pytest.mark.parametrize("what", ["start/", "confirm/", "codes/", "off/"])
def test_every_change_wants_a_fresh_proof(client: Visitor, alice: Person, what, still_clock):
    log_in(client, alice)
    still_clock.shift(timedelta(minutes=11))
    assert client.post(f"{PAGE}{what}", {"code": "123456"})["Location"].startswith("/reauth/")
    assert not Totp.objects.exists()


@pytest.mark.asvs("7.4.3")
@pytest.mark.asvs("7.2.4")
def test_setting_it_up_ends_what_never_proved_it_and_renews_this_session(
    client: Visitor, alice: Person
):
    elsewhere = Visitor()
    log_in(elsewhere, alice)
    log_in(client, alice)
    before = client.cookies["__Host-session"].value
    set_up_factor(alice, client)
    assert not elsewhere.is_in
    assert client.is_in
    assert client.cookies["__Host-session"].value != before
    (session,) = index.list_live(alice.user.pk)
    assert session.meta.method == "password+totp"


# --- at the login ---


@pytest.mark.asvs("6.3.3")
def test_half_a_login_opens_nothing(alice: Person, codes: list[str]):
    visitor = Visitor()
    first_factor(visitor, alice)
    assert visitor.get("/session/").status_code == 401
    assert visitor.get("/account/")["Location"].startswith("/login/")
    assert "__Host-session" not in visitor.cookies
    cookie = visitor.cookies["__Host-half-login"]
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Strict")
    assert cookie["max-age"] == 300
    visitor.cookies["__Host-session"] = cookie.value
    assert visitor.get("/session/").status_code == 401


def test_it_leads_on_to_where_they_were_going_and_stays_as_long_as_they_said(
    alice: Person, codes: list[str]
):
    visitor = Visitor()
    led = first_factor(visitor, alice, next="/account/invites/", remember="on")["Location"]
    assert parse_qs(urlsplit(led).query) == {"next": ["/account/invites/"]}
    assert 'value="/account/invites/"' in visitor.get(led).content.decode()
    response = visitor.post(VERIFY, {"code": app_code(alice), "next": "/account/invites/"})
    assert response["Location"] == "/account/invites/"
    assert visitor.cookies["__Host-session"]["expires"]
    assert visitor.cookies["__Host-half-login"].value == ""


@pytest.mark.asvs("3.7.2")
def test_it_leads_to_no_other_site(alice: Person, codes: list[str]):
    visitor = Visitor()
    first_factor(visitor, alice)
    response = visitor.post(VERIFY, {"code": app_code(alice), "next": "//evil.example/"})
    assert response["Location"] == "/account/"


@pytest.mark.asvs("6.5.1")
def test_a_code_works_once(alice: Person, codes: list[str]):
    code = app_code(alice)
    one, other = Visitor(), Visitor()
    for visitor in (one, other):
        first_factor(visitor, alice)
    assert one.post(VERIFY, {"code": code}).status_code == 302
    assert other.post(VERIFY, {"code": code}).status_code == 422
    assert not other.is_in


@pytest.mark.asvs("6.5.5")
@pytest.mark.asvs("6.5.8")
@pytest.mark.parametrize(("steps", "status"), [(-2, 422), (0, 302), (1, 302), (2, 422)])
def test_a_code_is_good_for_its_step_and_one_beside_it_by_our_clock(
    alice: Person, codes: list[str], steps: int, status: int
):
    visitor = Visitor()
    first_factor(visitor, alice)
    typed = {"code": app_code(alice, steps=steps), "timestamp": "0", "date": "0"}
    assert visitor.post(VERIFY, typed).status_code == status


@pytest.mark.asvs("1.4.2")
@pytest.mark.parametrize(
    "typed", ["١٢٣٤٥٦", "１２３４５６", "12345", "1234567", "-12345", "0x1234"]
)
def test_digits_are_six_and_ascii(alice: Person, codes: list[str], typed: str):
    assert not Totp.objects.get(user=alice.user).spend(typed)
    visitor = Visitor()
    first_factor(visitor, alice)
    assert visitor.post(VERIFY, {"code": typed}).status_code == 422


def test_what_people_put_between_the_digits_is_forgiven(alice: Person, codes: list[str]):
    visitor, code = Visitor(), app_code(alice)
    first_factor(visitor, alice)
    assert visitor.post(VERIFY, {"code": f" {code[:3]} {code[3:]} "}).status_code == 302


@pytest.mark.asvs("6.3.1")
def test_five_codes_in_a_quarter_of_an_hour_and_then_not_even_the_right_one(
    alice: Person, codes: list[str], still_clock: Any
):
    still_clock.shift(timedelta(minutes=15))  # setting it up has counted as well
    visitor = Visitor()
    for number in range(5):
        if number % 2 == 0:
            visitor = Visitor()
            first_factor(visitor, alice)
        assert visitor.post(VERIFY, {"code": "000000"}).status_code == 422
    fresh = Visitor()
    first_factor(fresh, alice)
    paused = fresh.post(VERIFY, {"code": app_code(alice)})
    assert paused.status_code == 429
    assert int(paused["Retry-After"]) > 0
    assert not fresh.is_in
    still_clock.shift(timedelta(minutes=16))
    first_factor(fresh, alice)
    assert fresh.post(VERIFY, {"code": app_code(alice)}).status_code == 302


def test_half_a_login_has_five_tries(alice: Person, codes: list[str], still_clock: Any):
    half = half_login.read(half_login.new_cookie(alice.user, method="password", remember=False))
    assert half
    assert [half.spend_try() for _ in range(6)] == [True] * 5 + [False]


def test_half_a_login_ends_in_five_minutes(alice: Person, codes: list[str], still_clock: Any):
    visitor = Visitor()
    first_factor(visitor, alice)
    still_clock.shift(timedelta(minutes=5, seconds=1))
    response = visitor.post(VERIFY, {"code": app_code(alice)})
    assert response["Location"] == "/login/"
    assert "took too long" in visitor.get("/login/").content.decode()
    assert not visitor.is_in


def new_password(user: User) -> None:
    user.set_password("quite another lamp 7 river")
    user.save()


def sessions_end(user: User) -> None:
    user.session_epoch += 1
    user.save()


CHANGES = {
    "a new password": new_password,
    "all sessions end": sessions_end,
    "another factor": second_factor.forget,
}


@pytest.mark.asvs("6.5.6")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_half_a_login_ends_with_a_change(alice: Person, codes: list[str], change: Any):
    visitor, code = Visitor(), app_code(alice)
    first_factor(visitor, alice)
    change(alice.user)
    assert visitor.post(VERIFY, {"code": code})["Location"] == "/login/"
    assert not visitor.is_in


def test_half_a_login_that_we_did_not_sign_is_none(alice: Person, codes: list[str]):
    cookie = half_login.new_cookie(alice.user, method="password", remember=False)
    assert half_login.read(cookie)
    for made_up in ("", "x", cookie[:-1], f"A{cookie}", cookie.replace(":", ".")):
        assert half_login.read(made_up) is None
    visitor = Visitor()
    assert visitor.get(VERIFY)["Location"] == "/login/"
    assert visitor.post(VERIFY, {"code": app_code(alice)})["Location"] == "/login/"


@pytest.mark.asvs("6.4.3")
def test_a_new_password_by_mail_is_no_way_past_it(alice: Person, codes: list[str], inbox: Inbox):
    visitor = Visitor()
    visitor.post("/password/forgot/", {"email": alice.email})
    new = "quite another lamp 7 river"
    link = inbox.link_to(alice.email)
    assert visitor.post(link, {"password": new, "repeated": new}).status_code == 302
    assert not visitor.is_in
    first_factor(visitor, Person(alice.email, alice.username, new))
    assert visitor.post(VERIFY, {"code": app_code(alice)}).status_code == 302


# --- recovery codes ---


@pytest.mark.asvs("6.5.1")
@pytest.mark.asvs("6.5.4")
def test_a_recovery_code_lets_in_once_and_is_told(alice: Person, codes: list[str], inbox: Inbox):
    visitor = Visitor()
    first_factor(visitor, alice)
    typed = codes[3].lower().replace(" ", "-")
    assert visitor.post(VERIFY, {"code": typed}).status_code == 302
    assert "You have 9 left" in visitor.get("/account/").content.decode()
    again = Visitor()
    first_factor(again, alice)
    assert again.post(VERIFY, {"code": codes[3]}).status_code == 422
    [told] = [mail for mail in inbox.mails_to(alice.email) if "recovery code" in mail.subject]
    assert "9 of your codes are left" in str(told.body)
    assert Event.objects.filter(kind="recovery_code.used").get().details == {"left": 9}


def test_a_phone_shows_digits_for_the_app_and_letters_for_a_recovery_code(
    alice: Person, codes: list[str]
):
    visitor = Visitor()
    page = visitor.get(first_factor(visitor, alice, next="/account/invites/")["Location"]).text
    assert 'inputmode="numeric"' in page
    there = "/login/verify/?by=recovery&amp;next=/account/invites/"
    assert f'href="{there}"' in page
    page = visitor.get(unescape(there)).text
    assert "Recovery code" in page
    assert "inputmode" not in page
    again = visitor.post(VERIFY, {"code": "A" * 24, "by": "recovery", "next": "/account/invites/"})
    assert "Recovery code" in again.text
    assert "A" * 24 in again.text
    response = visitor.post(VERIFY, {"code": codes[0], "by": "recovery", "next": "/account/"})
    assert response["Location"] == "/account/"


@pytest.mark.asvs("6.5.2")
def test_recovery_codes_are_kept_as_hashes_and_shown_once(alice: Person, codes: list[str]):
    kept = set(RecoveryCode.objects.values_list("digest", flat=True))
    assert len(kept) == CODES
    assert {len(digest) for digest in kept} == {64}
    assert not kept & {code.replace(" ", "") for code in codes}


@pytest.mark.asvs("6.5.6")
def test_new_codes_end_the_old_ones(client: Visitor, alice: Person, inbox: Inbox):
    log_in(client, alice)
    old = set_up_factor(alice, client)
    assert client.post(f"{PAGE}codes/", {"code": "000000"}).status_code == 422
    shown = client.post(f"{PAGE}codes/", {"code": app_code(alice)})
    new = re.findall(r'class="secret">([A-Z2-7 ]+)<', shown.content.decode())
    assert len(new) == CODES
    assert not RecoveryCode.objects.spend(alice.user, old[0].replace(" ", ""))
    assert RecoveryCode.objects.spend(alice.user, new[0].replace(" ", ""))
    assert inbox.mails_to(alice.email)[-1].subject.startswith("New recovery codes")


def test_who_has_not_kept_them_or_has_few_is_told(client: Visitor, alice: Person):
    log_in(client, alice)
    codes = set_up_factor(alice, client)
    assert "not said yet that you kept them" in client.get(PAGE).content.decode()
    client.post(f"{PAGE}codes/saved/")
    page = client.get(PAGE).content.decode()
    assert "not said yet" not in page
    assert "before you need them" not in page
    for code in codes[:7]:
        assert RecoveryCode.objects.spend(alice.user, code.replace(" ", ""))
    page = client.get(PAGE).content.decode()
    assert "3 left" in page
    assert "before you need them" in page


# --- trusting a browser ---


def trusting(alice: Person) -> Visitor:
    """A browser of Alice's that is asked for no code."""
    visitor = Visitor()
    first_factor(visitor, alice)
    assert visitor.post(VERIFY, {"code": app_code(alice), "trust": "on"}).status_code == 302
    visitor.post("/logout/")
    return visitor


def test_a_trusted_browser_is_asked_for_no_code_for_thirty_days(
    alice: Person, codes: list[str], still_clock: Any
):
    visitor = trusting(alice)
    still_clock.shift(timedelta(days=29))
    log_in(visitor, alice)
    last = Event.objects.filter(kind="login.completed").latest("pk")
    assert last.details["method"] == "password+trusted"
    visitor.post("/logout/")
    first_factor(Visitor(), alice)
    still_clock.shift(timedelta(days=1))
    first_factor(visitor, alice)


@pytest.mark.parametrize("change", ["a new password", "all sessions end"])
def test_trust_ends_with_any_change(alice: Person, codes: list[str], change: str, still_clock):
    visitor = trusting(alice)
    still_clock.shift(timedelta(seconds=1))
    person = alice
    if change == "all sessions end":
        sessions_end(alice.user)
    else:
        log_in(visitor, alice)
        new = "quite another lamp 7 river"
        typed = {"current": alice.password, "password": new, "repeated": new}
        assert visitor.post("/password/change/", typed).status_code == 302
        visitor.post("/logout/")
        person = Person(alice.email, alice.username, new)
    first_factor(visitor, person)


def test_trust_ends_with_a_recovery_code_and_with_new_ones(alice: Person, codes: list[str]):
    visitor = trusting(alice)
    second_factor.prove(alice.user, codes[0].replace(" ", ""), caller=CALLER)
    first_factor(visitor, alice)


@pytest.mark.asvs("6.5.6")
def test_trust_is_taken_back_on_the_page_by_its_owner_alone(
    alice: Person, bob: Person, codes: list[str]
):
    visitor, stranger = trusting(alice), Visitor()
    log_in(visitor, alice)
    [browser] = TrustedBrowser.objects.all()
    path = f"{PAGE}browsers/{browser.pk}/forget/"
    assert path in visitor.get(PAGE).content.decode()
    log_in(stranger, bob)
    assert stranger.post(path).status_code == 404
    assert visitor.post(path).status_code == 302
    visitor.post("/logout/")
    first_factor(visitor, alice)


def test_staff_trust_no_browser(alice: Person, codes: list[str]):
    User.objects.filter(pk=alice.user.pk).update(is_staff=True)
    visitor = Visitor()
    page = visitor.get(first_factor(visitor, alice)["Location"]).content.decode()
    assert 'name="trust"' not in page
    visitor.post(VERIFY, {"code": app_code(alice), "trust": "on"})
    assert visitor.is_in
    assert not TrustedBrowser.objects.exists()
    visitor.post("/logout/")
    first_factor(visitor, alice)


# --- turning it off, and what is kept ---


def test_who_has_lost_both_and_is_logged_in_reads_where_to_go(
    client: Visitor, alice: Person, codes: list[str]
):
    words = "I have neither the app nor a recovery code"
    log_in(client, alice)
    assert words in client.get(f"{PAGE}off/").text
    visitor = Visitor()
    assert words in visitor.get(first_factor(visitor, alice)["Location"]).text


@pytest.mark.asvs("7.5.3")
def test_turning_it_off_wants_a_code_and_ends_every_other_session(
    client: Visitor, alice: Person, inbox: Inbox
):
    log_in(client, alice)
    set_up_factor(alice, client)
    elsewhere = Visitor()
    first_factor(elsewhere, alice)
    elsewhere.post(VERIFY, {"code": app_code(alice)})

    for wrong in ("", "000000", alice.password):
        assert client.post(f"{PAGE}off/", {"code": wrong}).status_code == 422
    assert alice.user.second_factor_at
    code = app_code(alice, steps=1)
    assert client.post(f"{PAGE}off/", {"code": code})["Location"] == PAGE

    assert alice.user.second_factor_at is None
    assert not Totp.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert client.is_in
    assert not elsewhere.is_in
    log_in(Visitor(), alice)
    subjects = [mail.subject for mail in inbox.mails_to(alice.email)]
    assert "A second factor was set up for The Bottom Line" in subjects
    assert "The second factor was turned off for The Bottom Line" in subjects


@pytest.mark.asvs("11.3.1")
@pytest.mark.asvs("11.3.2")
def test_the_database_does_not_know_the_secret(alice: Person, codes: list[str], settings: Any):
    row = Totp.objects.get(user=alice.user)
    seed = row._seed()
    assert seed not in bytes(row.sealed)
    assert row.secret.encode() not in bytes(row.sealed)
    settings.SECRET_KEY = "another secret that nobody ever guesses, 1"
    assert not row.is_readable


@pytest.mark.asvs("11.2.5")
@pytest.mark.asvs("11.3.3")
@pytest.mark.asvs("11.3.5")
def test_a_secret_that_was_changed_or_moved_lets_nobody_in(
    alice: Person, bob: Person, codes: list[str], caplog: pytest.LogCaptureFixture
):
    row, code = Totp.objects.get(user=alice.user), app_code(alice)
    sealed = bytearray(row.sealed)
    sealed[-1] ^= 1
    Totp.objects.update(sealed=bytes(sealed))
    visitor = Visitor()
    first_factor(visitor, alice)
    assert visitor.post(VERIFY, {"code": code}).status_code == 422
    assert "second_factor.unreadable" in caplog.text
    assert visitor.post(VERIFY, {"code": codes[0]}).status_code == 302  # the way that is left
    with pytest.raises(sealing.CannotOpen):
        sealing.open_sealed(bytes(row.sealed), place=f"accounts_totp:{bob.user.pk}")


@pytest.mark.asvs("11.2.2")
def test_a_retired_key_still_opens_and_its_secrets_are_sealed_anew_when_used(
    alice: Person, codes: list[str], settings: Any
):
    before = bytes(Totp.objects.get().sealed)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret that nobody ever guesses, 2"
    visitor = Visitor()
    first_factor(visitor, alice)
    assert visitor.post(VERIFY, {"code": app_code(alice)}).status_code == 302
    row = Totp.objects.get()
    assert bytes(row.sealed) != before
    assert sealing.is_of_today(bytes(row.sealed))
    settings.SECRET_KEY_FALLBACKS = []
    assert row.is_readable


@pytest.mark.asvs("11.3.4")
def test_no_nonce_is_used_twice():
    sealed = [sealing.seal(b"the same", place="here") for _ in range(100)]
    assert len({one[sealing.ID_BYTES :][: sealing.NONCE_BYTES] for one in sealed}) == 100
    assert {sealing.open_sealed(one, place="here") for one in sealed} == {b"the same"}


def test_the_admin_shows_that_there_is_one_and_never_the_secret(
    alice: Person, codes: list[str], olivia: Person, client: Visitor
):
    log_in(client, olivia)
    page = client.get(f"/admin/accounts/user/{alice.user.pk}/change/").content.decode()
    assert "Second factor since" in page
    assert secret_of(alice) not in page


@pytest.mark.asvs("6.3.7")
def test_setting_it_up_is_written_down_and_mailed_in_german_too(
    client: Visitor, alice: Person, inbox: Inbox
):
    User.objects.update(language="de")
    log_in(client, alice)
    codes = set_up_factor(alice, client)
    with commits():
        second_factor.prove(alice.user, codes[0].replace(" ", ""), caller=CALLER)
    subjects = [mail.subject for mail in inbox.mails_to(alice.email)][-2:]
    assert subjects == [
        "Ein zweiter Faktor wurde für The Bottom Line eingerichtet",
        "Ein Wiederherstellungscode wurde für The Bottom Line benutzt",
    ]
    page = client.get("/account/activity/").content.decode()
    assert "A second factor was set up" in page
    assert "A recovery code was used" in page


def test_the_pages_fit_the_content_security_policy(client: Visitor, alice: Person):
    log_in(client, alice)
    client.post(f"{PAGE}start/")
    page = client.get(f"{PAGE}confirm/").content.decode()
    assert '<svg class="qr"' in page
    assert "style" not in page.partition("<svg")[2].partition("</svg>")[0]
    assert settings.HALF_LOGIN_COOKIE_NAME == "__Host-half-login"


# --- an intruder's ---


def disown(mail: Any) -> None:
    """“This wasn’t me”, by the link in that mail."""
    found = re.search(r"(/account/not-me/[^/]+/)", str(mail.body))
    assert found
    assert Visitor().post(found[1]).status_code == 200


def test_an_owner_ends_a_factor_they_did_not_set_up_by_the_mail_about_it(
    client: Visitor, alice: Person, inbox: Inbox
):
    log_in(client, alice)
    set_up_factor(alice, client)  # somebody who knows Alice's password
    [told] = [m for m in inbox.mails_to(alice.email) if m.subject.startswith("A second factor")]
    disown(told)
    assert alice.user.second_factor_at is None
    assert not Totp.objects.exists()
    assert not client.is_in


@pytest.mark.asvs("6.4.3")
def test_no_other_mail_ends_a_factor(alice: Person, codes: list[str], inbox: Inbox):
    with commits():
        second_factor.prove(alice.user, codes[0].replace(" ", ""), caller=CALLER)
    [told] = [m for m in inbox.mails_to(alice.email) if "recovery code" in m.subject]
    disown(told)
    assert alice.user.second_factor_at
    assert Totp.objects.count() == 1


@pytest.mark.asvs("7.4.3")
def test_what_ends_sessions_while_a_code_is_looked_at_ends_the_trust_as_well(
    alice: Person, codes: list[str]
):
    proved = alice.user
    cookie = devices.new_cookie(proved, "")
    members.set_password(alice.user, "quite another lamp 7 river")
    sessions.end_all(alice.user)
    second_factor.trust(proved, cookie, caller=CALLER)
    assert not TrustedBrowser.objects.trusted().exists()


@pytest.mark.asvs("7.4.3")
def test_whoever_was_shut_out_meanwhile_leaves_no_second_factor_of_theirs(alice: Person):
    before, caller = alice.user, Caller(ip="192.0.2.7", proved_at=timezone.now())
    second_factor.start(before, caller=caller)
    code = app_code(alice)
    shut_out(alice.user, caller=CALLER)
    for act in (
        lambda: second_factor.confirm(before, code, SessionStore(), caller=caller),
        lambda: second_factor.start(before, caller=caller),
    ):
        with pytest.raises(ProofTooOld):
            act()
    assert alice.user.second_factor_at is None


@pytest.mark.asvs("6.3.5")
def test_an_owner_hears_of_who_knows_the_password_and_not_the_code(
    alice: Person, codes: list[str], inbox: Inbox, still_clock: Any
):
    def told() -> list[Any]:
        mails = inbox.mails_to(alice.email)
        return [mail for mail in mails if mail.subject == "A wrong code at The Bottom Line"]

    def try_code(visitor: Visitor) -> None:
        still_clock.shift(timedelta(minutes=16))  # so that no limit is reached
        first_factor(visitor, alice)
        assert visitor.post(VERIFY, {"code": "000000"}).status_code == 422

    home = Visitor()
    log_in(home, alice)
    home.post("/logout/")
    try_code(home)
    assert not told()  # they have mistyped it
    for _ in range(3):
        try_code(Visitor())
    [mail] = told()
    assert "/account/not-me/" in mail.body
    still_clock.shift(timedelta(days=1))
    try_code(Visitor())
    assert len(told()) == 2


# --- staff ---


@pytest.mark.asvs("6.3.3")
@pytest.mark.asvs("8.4.2")
@pytest.mark.parametrize("path", ["/admin/", "/admin/accounts/user/", "/admin/login/"])
def test_the_admin_opens_to_two_factors_alone(client: Visitor, alice: Person, path: str):
    User.objects.filter(email=alice.email).update(is_staff=True, is_superuser=True)
    log_in(client, alice)
    for ask in (client.get, client.post):
        led = ask(path, follow=True)
        assert led.redirect_chain[-1][0] == PAGE
        assert "The admin opens only to staff" in led.content.decode()
    set_up_factor(alice, client)
    assert client.get(path, follow=True).request["PATH_INFO"].startswith("/admin/")


@pytest.mark.asvs("6.3.3")
def test_the_admin_closes_when_staff_turn_their_second_factor_off(client: Visitor, olivia: Person):
    log_in(client, olivia)
    assert client.get("/admin/").status_code == 200
    client.post(f"{PAGE}off/", {"code": app_code(olivia, steps=1)})
    assert olivia.user.second_factor_at is None
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == PAGE
    assert client.is_in


def test_staff_without_one_are_told_so(client: Visitor, alice: Person):
    User.objects.filter(email=alice.email).update(is_staff=True)
    log_in(client, alice)
    for page in (PAGE, "/account/security/"):
        assert "the admin stays shut until" in client.get(page).content.decode()
