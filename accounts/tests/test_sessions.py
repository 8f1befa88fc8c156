"""The sessions page: what it shows, and that what it ends has ended."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from accounts.errors import NoSuchSession, ProofTooOld
from accounts.models import Event, User
from accounts.services import sessions, snapshots
from bottomline.caller import Caller
from bottomline.sessions import cookie, index
from bottomline.sessions.redis import client as redis
from bottomline.sessions.redis import digest_of
from conftest import Inbox, Person, Visitor, log_in

HANDLE = re.compile(r"/account/sessions/([^/]+)/end/")
FIREFOX = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
LATER = timedelta(minutes=11)


@pytest.fixture
def here(alice: Person) -> Visitor:
    """The browser that looks at the list."""
    visitor = Visitor()
    log_in(visitor, alice)
    return visitor


@pytest.fixture
def there(alice: Person) -> Visitor:
    """Another browser of the same member, on another device and network."""
    visitor = Visitor(REMOTE_ADDR="203.0.113.77", HTTP_USER_AGENT=FIREFOX)
    log_in(visitor, alice)
    return visitor


def listed(visitor: Visitor) -> str:
    page = visitor.get("/account/sessions/")
    assert page.status_code == 200
    return page.content.decode()


def handles(visitor: Visitor) -> list[str]:
    return HANDLE.findall(listed(visitor))


def end(visitor: Visitor, handle: str):
    return visitor.post(f"/account/sessions/{handle}/end/")


def sid_of(visitor: Visitor) -> str:
    sid = cookie.read(visitor.cookies[settings.SESSION_COOKIE_NAME].value)
    assert sid
    return sid


# --- the list ---


@pytest.mark.asvs("7.5.2", "14.2.6")
def test_each_session_has_its_device_network_and_proof_and_this_one_comes_first(
    here: Visitor, there: Visitor
):
    there.get("/account/")
    text = listed(here)

    assert text.index("This one") < text.index("Firefox on Android")
    assert "203.0.113.0/24" in text
    assert "203.0.113.77" not in text, "of an address the network is enough"
    assert text.count("Logged in with the password") == 2
    assert text.count("Last seen") == 1


def test_the_only_session_has_nothing_to_end(here: Visitor):
    assert "nowhere else" in listed(here)
    assert handles(here) == []
    assert "end-others" not in listed(here)


@pytest.mark.asvs("7.1.2")
def test_the_page_says_how_many_there_can_be(here: Visitor):
    assert f"At most {settings.SESSIONS_PER_USER} at a time" in listed(here)


@pytest.mark.asvs("7.2.3")
@pytest.mark.asvs("3.3.4")
def test_a_handle_leads_neither_to_the_id_nor_to_the_key(here: Visitor, there: Visitor):
    sid, (handle,), text = sid_of(there), handles(here), listed(here)

    assert re.fullmatch(r"[0-9a-f]{32}", handle)
    assert sid not in text
    assert digest_of(sid) not in text
    assert handle not in digest_of(sid)


def test_a_session_of_a_way_to_log_in_we_have_no_words_for_is_listed(here: Visitor, there: Visitor):
    key = f"session:{digest_of(sid_of(there))}"
    redis().hset(key, "meta", redis().hget(key, "meta").replace(b'"password"', b'"carrier pigeon"'))
    text = listed(here)

    assert len(HANDLE.findall(text)) == 1
    assert "pigeon" not in text


# --- ending one ---


@pytest.mark.asvs("7.5.2")
def test_a_session_that_is_ended_is_out_on_its_next_request(
    here: Visitor, there: Visitor, alice: Person
):
    third = Visitor()
    log_in(third, alice)
    (handle,) = [
        one.handle
        for one in index.list_live(alice.user.pk)
        if one.digest == digest_of(sid_of(there))
    ]
    response = end(here, handle)

    assert (response.status_code, response["Location"]) == (302, "/account/sessions/")
    sent = there.get("/account/")
    assert (sent.status_code, sent["Location"]) == (302, "/login/?next=/account/")
    assert here.is_in
    assert third.is_in
    assert handle not in handles(here)
    assert Event.objects.filter(kind="session.ended", user_id=alice.user.pk).count() == 1


@pytest.mark.asvs("8.2.2")
@pytest.mark.parametrize("which", ["somebody else's", "made up", "a digest", "empty", "long"])
def test_a_session_that_is_not_theirs_is_not_found(
    here: Visitor, there: Visitor, bob: Person, which: str
):
    stranger = Visitor()
    log_in(stranger, bob)
    handle = {
        "somebody else's": handles(here)[0],
        "made up": "0" * 32,
        "a digest": digest_of(sid_of(there)),
        "empty": "-",
        "long": "x" * 2000,
    }[which]

    assert end(stranger, handle).status_code == 404
    assert there.is_in
    assert stranger.is_in
    assert not Event.objects.filter(kind="session.ended").exists()


def test_a_session_is_ended_once(here: Visitor, there: Visitor):
    (handle,) = handles(here)
    assert end(here, handle).status_code == 302
    assert end(here, handle).status_code == 404


def test_a_logged_in_visitor_who_gets_the_page_cannot_end_by_get(here: Visitor, there: Visitor):
    (handle,) = handles(here)
    assert here.get(f"/account/sessions/{handle}/end/").status_code == 405
    assert here.get("/account/sessions/end-others/").status_code == 405
    assert there.is_in


@pytest.mark.asvs("3.5.1")
def test_another_site_cannot_end_a_session(alice: Person, there: Visitor):
    strict = Visitor(enforce_csrf_checks=True)
    strict.cookies[settings.SESSION_COOKIE_NAME] = there.cookies[settings.SESSION_COOKIE_NAME].value
    assert strict.post("/account/sessions/end-others/").status_code == 403


# --- ending all others ---


@pytest.mark.asvs("7.5.2", "7.4.3")
def test_ending_all_others_leaves_this_one_under_a_new_id(
    here: Visitor, there: Visitor, alice: Person, bob: Person
):
    another, somebody_else, before = Visitor(), Visitor(), sid_of(here)
    log_in(another, alice)
    log_in(somebody_else, bob)
    response = here.post("/account/sessions/end-others/")

    assert (response.status_code, response["Location"]) == (302, "/account/sessions/")
    assert not there.is_in
    assert not another.is_in
    assert here.is_in
    assert somebody_else.is_in
    assert sid_of(here) != before
    assert len(index.list_live(alice.user.pk)) == 1


@pytest.mark.asvs("7.4.1")
def test_all_others_stay_out_even_when_redis_is_restored_from_before(here: Visitor, there: Visitor):
    key = f"session:{digest_of(sid_of(there))}"
    dump = redis().dump(key)
    here.post("/account/sessions/end-others/")
    redis().restore(key, 24 * 3600 * 1000, dump)

    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        assert not there.is_in
        assert here.is_in


@pytest.mark.asvs("6.3.7")
def test_the_owner_is_told_by_mail_when_all_others_are_ended(
    here: Visitor, there: Visitor, alice: Person, inbox: Inbox
):
    here.post("/account/sessions/end-others/")
    message = inbox.mails_to(alice.email)[-1]

    assert message.subject == "All other sessions of your account were ended"
    assert "/account/not-me/" in message.body


def test_a_german_owner_is_told_in_german(here: Visitor, alice: Person, inbox: Inbox):
    user = alice.user
    user.language = "de"
    user.save()
    here.post("/account/sessions/end-others/")

    message = inbox.mails_to(alice.email)[-1]
    assert message.subject == "Alle anderen Sitzungen deines Kontos wurden beendet"


# --- proving it first ---


@pytest.mark.asvs("7.5.2")
@pytest.mark.parametrize("which", ["one", "others"])
def test_whoever_proved_themselves_long_ago_is_asked_again_and_nothing_ends(
    here: Visitor, there: Visitor, alice: Person, which: str
):
    (handle,) = handles(here)
    path = {
        "one": f"/account/sessions/{handle}/end/",
        "others": "/account/sessions/end-others/",
    }[which]
    with time_machine.travel(timezone.now() + LATER, tick=False):
        asked = here.post(path)
        assert asked["Location"] == "/reauth/?next=%2Faccount%2Fsessions%2F"
        assert there.is_in

        proved = here.post(asked["Location"], {"password": alice.password})
        assert proved["Location"] == "/account/sessions/"
        assert there.is_in, "nothing is done that was not pressed again"
        assert here.post(path).status_code == 302
        assert not there.is_in


@pytest.mark.asvs("8.3.1")
def test_the_rule_holds_behind_the_page_too(here: Visitor, there: Visitor, alice: Person):
    (handle,), stale = handles(here), Caller("192.0.2.1", proved_at=timezone.now() - LATER)
    with pytest.raises(ProofTooOld):
        sessions.end_one(alice.user, handle, caller=stale)
    fresh = Caller("192.0.2.1", proved_at=timezone.now())
    with pytest.raises(NoSuchSession):
        sessions.end_one(alice.user, "0" * 32, caller=fresh)
    assert there.is_in


# --- what ended stays ended ---


def end_without_redis(person: Person) -> None:
    """As where the row says so, and Redis was away when it should have been told."""
    User.objects.filter(email=person.email).update(session_epoch=F("session_epoch") + 1)


@pytest.mark.asvs("7.4.1")
def test_news_of_a_member_bring_no_session_back(client: Visitor, alice: Person):
    log_in(client, alice)
    end_without_redis(alice)
    snapshots.refresh(alice.user)
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert client.get("/session/").status_code == 401


@pytest.mark.asvs("7.4.1")
def test_a_session_that_has_ended_ends_no_others_and_does_not_go_on(client: Visitor, alice: Person):
    log_in(client, alice)
    end_without_redis(alice)
    log_in(other := Visitor(), alice)
    assert client.post("/account/sessions/end-others/").status_code in {302, 400}
    assert other.get("/session/").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert client.get("/session/").status_code == 401
