"""Proving again who you are: when it is asked, and what it is worth."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.utils import timezone

from accounts import resume
from accounts.errors import BadCode, ProofTooOld
from accounts.models import Event, MailedLogin, User
from accounts.services import reauth
from bottomline.caller import Caller
from bottomline.sessions import cookie, index
from bottomline.sessions.store import SessionStore
from conftest import Inbox, Person, Visitor, app_code, log_in, set_up_factor
from invites.models import Invite

pytestmark = pytest.mark.django_db


def proved_at(person: Person) -> datetime:
    (session,) = index.list_live(person.user.pk)
    assert session.meta.proved
    return session.meta.proved


@pytest.mark.asvs("7.5.1")
def test_a_proof_is_good_for_ten_minutes():
    now = timezone.now()
    reauth.require(Caller(ip="192.0.2.1", proved_at=now - timedelta(minutes=9)))
    with pytest.raises(ProofTooOld):
        reauth.require(Caller(ip="192.0.2.1", proved_at=now - timedelta(minutes=11)))
    with pytest.raises(ProofTooOld):
        reauth.require(Caller(ip="192.0.2.1"))


@pytest.mark.asvs("7.2.4")
def test_the_password_makes_the_proof_fresh_under_a_new_session_id(client: Visitor, alice: Person):
    log_in(client, alice)
    before = client.cookies["__Host-session"].value
    with time_machine.travel(timezone.now() + timedelta(minutes=30), tick=False):
        response = client.post(
            "/reauth/", {"password": alice.password, "next": "/account/invites/"}
        )
        assert response.headers["Location"] == "/account/invites/"
        assert abs(proved_at(alice) - timezone.now()) < timedelta(seconds=1)
    after = client.cookies["__Host-session"].value
    assert before != after
    stale = Visitor()
    stale.cookies["__Host-session"] = before
    assert stale.get("/session/").status_code == 401


@pytest.mark.parametrize("by", ["password", "app"])
def test_the_one_field_has_the_keyboard(client: Visitor, alice: Person, by: str):
    set_up_factor(alice)
    log_in(client, alice)
    field = client.get(f"/reauth/?by={by}").text.partition('class="field__control">')[2]
    assert "autofocus" in field.partition(">")[0]


def test_a_wrong_password_proves_nothing(client: Visitor, alice: Person):
    log_in(client, alice)
    with time_machine.travel(timezone.now() + timedelta(minutes=30), tick=False):
        response = client.post("/reauth/", {"password": "not the password at all"})
        assert response.status_code == 422
        assert "not your password" in response.content.decode()
        assert timezone.now() - proved_at(alice) > timedelta(minutes=29)


def test_somebody_elses_password_proves_nothing(client: Visitor, alice: Person, bob: Person):
    bob.user.set_password("bobs own long password")
    user = bob.user
    user.set_password("quite another lamp 7 river")
    user.save()
    log_in(client, alice)
    response = client.post("/reauth/", {"password": "quite another lamp 7 river"})
    assert response.status_code == 422


@pytest.mark.asvs("6.3.1")
def test_after_five_wrong_passwords_the_session_is_over(client: Visitor, alice: Person):
    log_in(client, alice)
    for _ in range(5):
        assert client.post("/reauth/", {"password": "not the password"}).status_code == 422
    response = client.post("/reauth/", {"password": alice.password})
    assert response.headers["Location"] == "/login/"
    assert client.get("/session/").status_code == 401
    log_in(Visitor(), alice)


def test_a_stranger_with_one_session_of_mine_ends_only_that_one(alice: Person):
    stolen, mine = Visitor(), Visitor()
    log_in(stolen, alice)
    log_in(mine, alice)
    for _ in range(6):
        stolen.post("/reauth/", {"password": "not the password"})
    assert mine.post("/reauth/", {"password": alice.password}).status_code == 302


@pytest.mark.asvs("3.7.2")
@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:1"])
def test_it_leads_to_no_other_site(client: Visitor, alice: Person, target):
    log_in(client, alice)
    response = client.post("/reauth/", {"password": alice.password, "next": target})
    assert response.headers["Location"] == "/account/"


@pytest.mark.asvs("16.3.1")
def test_it_is_written_down(client: Visitor, alice: Person):
    log_in(client, alice)
    client.post("/reauth/", {"password": "not the password"})
    client.post("/reauth/", {"password": alice.password})
    kinds = (
        Event.objects.filter(kind__startswith="reauth.")
        .order_by("pk")
        .values_list("kind", flat=True)
    )
    assert list(kinds) == ["reauth.refused", "reauth.done"]


def test_a_session_keeps_nothing_large_whatever_the_fields_are_called(
    client: Visitor, alice: Person
):
    with time_machine.travel(timezone.now() - timedelta(minutes=11)):
        log_in(client, alice)
    many = {f"{number}{'x' * 500}": "" for number in range(20)}
    assert client.post("/account/delete/", many)["Location"].startswith("/reauth/")
    assert resume.KEY not in kept_of(client)
    client.post("/account/delete/", {"username": "alice"})
    assert resume.KEY in kept_of(client)


@pytest.mark.asvs("7.5.1")
def test_nobody_makes_staff_with_an_owners_session_alone(
    client: Visitor, olivia: Person, alice: Person
):
    with time_machine.travel(timezone.now() - timedelta(minutes=11)):
        log_in(client, olivia)
    page = f"/admin/accounts/user/{alice.user.pk}/change/"
    staff = {"is_staff": "on", "is_superuser": "on"}
    invite = {"uses": "1", "days": "7", "staff": "on"}
    before = Invite.objects.count()

    assert client.get(page).status_code == 200
    for path, typed in ((page, staff), ("/admin/invites/invite/add/", invite)):
        assert client.post(path, typed)["Location"] == f"/reauth/?next={quote(path, safe='')}"
    assert not alice.user.is_staff
    assert Invite.objects.count() == before

    client.post("/reauth/", {"password": olivia.password})
    client.post(page, staff)
    assert alice.user.is_superuser


# --- by what else than a password ---


def log_in_without_password(visitor: Visitor, person: Person) -> None:
    """By mail, as somebody who never had one."""
    User.objects.filter(email=person.email).update(password=UNUSABLE_PASSWORD_PREFIX)
    visitor.post("/login/link/", {"email": person.email})
    code = MailedLogin.objects.get(sent_to=person.email).code
    assert visitor.post("/login/code/", {"code": code})["Location"] == "/account/"


def ask_for_code(visitor: Visitor, person: Person) -> str:
    assert visitor.post("/reauth/mail/", {"next": "/email/change/"})["Location"] == (
        "/reauth/?next=%2Femail%2Fchange%2F"
    )
    return MailedLogin.objects.get(sent_to=person.email).code


def later() -> Any:
    return time_machine.travel(timezone.now() + timedelta(minutes=30), tick=False)


@pytest.mark.asvs("7.5.1")
def test_a_code_of_the_app_proves_it_once(client: Visitor, alice: Person):
    log_in(client, alice)
    set_up_factor(alice, client)
    assert 'href="?by=app"' in client.get("/reauth/").content.decode()
    with later():
        assert 'autocomplete="one-time-code"' in client.get("/reauth/?by=app").content.decode()
        typed = {"by": "app", "code": app_code(alice), "next": "/email/change/"}
        assert client.post("/reauth/", typed)["Location"] == "/email/change/"
        assert abs(proved_at(alice) - timezone.now()) < timedelta(seconds=1)
        assert client.post("/reauth/", typed).status_code == 422
    last = Event.objects.filter(kind="reauth.done").latest("pk")
    assert last.details["method"] == "app"


def test_somebody_elses_app_proves_nothing(client: Visitor, alice: Person, bob: Person):
    set_up_factor(bob)
    log_in(client, alice)
    set_up_factor(alice, client)
    with later():
        typed = {"by": "app", "code": app_code(bob)}
        assert client.post("/reauth/", typed).status_code == 422
        assert timezone.now() - proved_at(alice) > timedelta(minutes=29)


@pytest.mark.asvs("7.5.1")
def test_who_has_no_password_and_no_app_proves_it_by_a_mailed_code(
    client: Visitor, alice: Person, inbox: Inbox
):
    log_in_without_password(client, alice)
    with later():
        page = client.get("/reauth/?next=/email/change/").content.decode()
        assert "Mail me a code" in page
        assert 'name="code"' not in page
        code = ask_for_code(client, alice)
        assert f"{code[:4]} {code[4:]}" in str(inbox.mails_to(alice.email)[-1].body)
        assert 'name="code"' in client.get("/reauth/").content.decode()
        typed = {"by": "mail", "code": code, "next": "/email/change/"}
        assert client.post("/reauth/", typed)["Location"] == "/email/change/"
        assert abs(proved_at(alice) - timezone.now()) < timedelta(seconds=1)
        assert client.post("/reauth/", typed).status_code == 422


def test_who_has_no_password_can_set_a_second_factor_up(client: Visitor, alice: Person):
    log_in_without_password(client, alice)
    with later():
        factor = "/account/security/factor/"
        assert client.post(f"{factor}start/")["Location"] == f"/reauth/?next={quote(factor, '')}"
        client.post("/reauth/", {"by": "mail", "code": ask_for_code(client, alice)})
        set_up_factor(alice, client)
        assert reauth.list_proofs(alice.user) == ["app"]


@pytest.mark.asvs("6.3.6")
def test_a_mailed_code_proves_nothing_of_who_has_something_better(client: Visitor, alice: Person):
    log_in(client, alice)
    assert client.post("/reauth/mail/")["Location"] == "/reauth/"
    assert not MailedLogin.objects.exists()
    Visitor().post("/login/link/", {"email": alice.email})
    asked = MailedLogin.objects.get(sent_to=alice.email)
    session = SessionStore(cookie.read(client.cookies["__Host-session"].value))
    known = {"caller": Caller(ip="192.0.2.1"), "browser": asked.browser_token}
    with pytest.raises(BadCode):
        reauth.prove(alice.user, reauth.MAIL, asked.code, session, **known)


def test_the_code_mailed_to_somebody_else_proves_nothing(
    client: Visitor, alice: Person, bob: Person
):
    log_in_without_password(client, alice)
    elsewhere = Visitor()
    elsewhere.post("/login/link/", {"email": bob.email})
    client.cookies["__Host-login"] = elsewhere.cookies["__Host-login"].value
    code = MailedLogin.objects.get(sent_to=bob.email).code
    assert client.post("/reauth/", {"by": "mail", "code": code}).status_code == 422


def test_after_five_wrong_codes_the_session_is_over(client: Visitor, alice: Person):
    log_in_without_password(client, alice)
    for number in range(5):
        typed = {"by": "mail", "code": f"0000000{number}"}
        assert client.post("/reauth/", typed).status_code == 422
    assert client.post("/reauth/", typed)["Location"] == "/login/"
    assert client.get("/session/").status_code == 401


@pytest.mark.asvs("16.3.1")
def test_a_wrong_mailed_code_before_a_change_is_no_refused_login(client: Visitor, alice: Person):
    log_in_without_password(client, alice)
    code = ask_for_code(client, alice)
    client.post("/reauth/", {"by": "mail", "code": f"{(int(code) + 1) % 10**8:08}"})
    last = Event.objects.latest("pk")
    assert (last.kind, last.details["reason"]) == ("reauth.refused", "bad_code")


def test_staff_without_a_password_are_led_to_set_one(client: Visitor, alice: Person):
    User.objects.filter(email=alice.email).update(is_staff=True)
    log_in(client, alice)
    User.objects.filter(email=alice.email).update(password=UNUSABLE_PASSWORD_PREFIX)
    assert "Set a password" in client.get("/reauth/").content.decode()
    assert client.post("/reauth/mail/").status_code == 302
    assert not MailedLogin.objects.exists()


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEWER = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"
ANDROID = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
AT_HOME = {"REMOTE_ADDR": "203.0.113.7", "HTTP_USER_AGENT": FIREFOX}
ELSEWHERE = {
    "another network": AT_HOME | {"REMOTE_ADDR": "198.51.100.7"},
    "another network, of IPv6": AT_HOME | {"REMOTE_ADDR": "2001:db8::7"},
    "another system": AT_HOME | {"HTTP_USER_AGENT": ANDROID},
    "another browser": AT_HOME | {"HTTP_USER_AGENT": FIREFOX.replace("Firefox", "Chrome")},
    "no browser": AT_HOME | {"HTTP_USER_AGENT": ""},
}


@pytest.mark.asvs("8.2.4")
@pytest.mark.parametrize("there", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_session_that_is_carried_elsewhere_is_asked_for_the_password(alice: Person, there):
    owner, thief = Visitor(), Visitor()
    owner.defaults |= AT_HOME
    thief.defaults |= there
    log_in(owner, alice)
    thief.cookies = owner.cookies
    asked = "/reauth/?next=%2Faccount%2Fsessions%2F"

    assert thief.post("/account/sessions/end-others/")["Location"] == asked
    assert thief.get("/session/").status_code == 200  # logged in still, as on a phone on its way
    assert owner.post("/account/sessions/end-others/")["Location"] == "/account/sessions/"


@pytest.mark.asvs("8.2.4")
def test_who_proves_it_there_goes_on_there_and_no_longer_here(alice: Person):
    visitor = Visitor()
    visitor.defaults |= AT_HOME
    log_in(visitor, alice)
    visitor.defaults |= ELSEWHERE["another network"]
    visitor.post("/reauth/", {"password": alice.password})
    assert visitor.post("/account/sessions/end-others/")["Location"] == "/account/sessions/"
    visitor.defaults |= AT_HOME
    assert visitor.post("/account/sessions/end-others/")["Location"].startswith("/reauth/")


@pytest.mark.asvs("8.2.4")
def test_a_newer_version_at_the_next_door_is_still_the_same_browser(alice: Person):
    visitor = Visitor()
    visitor.defaults |= AT_HOME
    log_in(visitor, alice)
    visitor.defaults |= {"REMOTE_ADDR": "203.0.113.200", "HTTP_USER_AGENT": NEWER}
    assert visitor.post("/account/sessions/end-others/")["Location"] == "/account/sessions/"


def kept_of(visitor: Visitor) -> dict[str, Any]:
    sid = cookie.read(visitor.cookies[settings.SESSION_COOKIE_NAME].value)
    return SessionStore(sid).load()
