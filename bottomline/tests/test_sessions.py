"""Staying logged in, and ceasing to be: journeys through the real pages and the real Redis."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import UpdateError
from django.db import connection
from django.http import HttpResponse
from django.utils import timezone

from accounts.models import Token, User
from accounts.services import login, members, sessions, snapshots
from bottomline.caller import Caller
from bottomline.sessions import cookie, index
from bottomline.sessions.middleware import SessionMiddleware
from bottomline.sessions.redis import client as redis
from bottomline.sessions.redis import digest_of, index_key, session_key
from bottomline.sessions.store import SessionStore
from bottomline.tests.environment import need
from conftest import Person, Visitor, log_in
from invites.models import Redemption

NAME = django_settings.SESSION_COOKIE_NAME
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CALLER = Caller("203.0.113.7")


def whole_second() -> datetime:
    """Now, as exactly as a session keeps it."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def clock(alice: Person) -> Iterator[time_machine.Traveller]:
    """A clock that stands still until told otherwise, begun when alice was already a member."""
    with time_machine.travel(whole_second(), tick=False) as traveller:
        yield traveller


def sid_of(visitor: Visitor) -> str:
    sid = cookie.read(visitor.cookies[NAME].value)
    assert sid
    return sid


def key_of(visitor: Visitor) -> str:
    return session_key(digest_of(sid_of(visitor)))


def meta_of(visitor: Visitor) -> dict:
    return json.loads(redis().hget(key_of(visitor), "meta"))


def bearer(visitor: Visitor) -> Visitor:
    """Somebody else with a copy of the visitor's cookie, as it is now."""
    thief = Visitor()
    thief.cookies[NAME] = visitor.cookies[NAME].value
    return thief


# --- lifetimes ---

LIFETIMES = pytest.mark.parametrize(
    ("person", "choice", "idle", "absolute"),
    [
        ("alice", {}, 60 * MINUTE, 24 * HOUR),
        ("alice", {"remember": "on"}, 7 * DAY, 14 * DAY),
        ("olivia", {}, 15 * MINUTE, 8 * HOUR),
        ("olivia", {"remember": "on"}, 15 * MINUTE, 8 * HOUR),
    ],
    ids=["plain", "remembered", "staff", "staff who asked to be remembered"],
)


@pytest.mark.asvs("7.3.1")
@LIFETIMES
def test_a_session_left_alone_ends(request, person, choice, idle, absolute):
    person, visitor = request.getfixturevalue(person), Visitor()
    with time_machine.travel(whole_second(), tick=False) as clock:
        log_in(visitor, person, **choice)
        copy = bearer(visitor)
        clock.shift(idle - timedelta(seconds=1))
        assert visitor.is_in
        clock.shift(idle - timedelta(seconds=1))
        assert visitor.is_in
        clock.shift(idle)
        assert not copy.is_in
        assert copy.get("/account/")["Location"] == "/login/?next=/account/"


@pytest.mark.asvs("7.3.2")
@LIFETIMES
def test_a_session_in_use_ends_at_its_absolute_end(request, person, choice, idle, absolute):
    person, visitor = request.getfixturevalue(person), Visitor()
    with time_machine.travel(whole_second(), tick=False) as clock:
        began = timezone.now()
        log_in(visitor, person, **choice)
        ends = visitor.get("/session/").json()["expires_at"]
        while timezone.now() + idle * 0.9 < began + absolute:
            clock.shift(idle * 0.9)
            assert visitor.get("/session/").json()["expires_at"] == ends
        clock.move_to(began + absolute - timedelta(seconds=1))
        assert visitor.is_in
        copy = bearer(visitor)
        clock.move_to(began + absolute)
        assert not visitor.is_in
        assert not copy.is_in


def test_the_session_says_when_it_ends_at_the_latest(clock, client: Visitor, alice: Person):
    log_in(client, alice)

    ends = datetime.fromisoformat(client.get("/session/").json()["expires_at"])
    assert abs(ends - (timezone.now() + 24 * HOUR)) <= timedelta(seconds=1)


def test_last_seen_is_written_at_most_once_a_minute(clock, client: Visitor, alice: Person):
    log_in(client, alice)
    seen = []
    for _ in range(13):  # four minutes
        client.get("/session/")
        seen.append(meta_of(client)["seen"])
        clock.shift(20)
    written = sorted(set(seen))

    assert len(written) == 5
    assert {round(later - earlier) for earlier, later in pairwise(written)} == {60}


def test_every_page_counts_as_being_here(clock, client: Visitor, alice: Person):
    log_in(client, alice)
    for path in ("/account/", "/login/", "/", "/session/") * 2:
        clock.shift(50 * MINUTE)
        client.get(path)
    assert client.is_in


# --- beginning ---


@pytest.mark.asvs("7.2.4")
@pytest.mark.asvs("7.2.2")
def test_each_login_has_an_id_of_its_own(client: Visitor, alice: Person):
    ids = set()
    for _ in range(3):
        log_in(client, alice)
        ids.add(sid_of(client))
        client.post("/logout/")

    assert len(ids) == 3
    assert not [sid for sid in ids if redis().exists(session_key(digest_of(sid)))]


@pytest.mark.asvs("7.2.4")
def test_an_id_planted_before_the_login_is_not_the_id_after_it(client: Visitor, alice: Person):
    planted = cookie.new_sid()
    client.cookies[NAME] = cookie.sign(planted)
    log_in(client, alice)

    assert sid_of(client) != planted
    assert not redis().exists(session_key(digest_of(planted)))


@pytest.mark.asvs("7.2.4")
def test_an_attackers_own_session_planted_in_a_browser_does_not_become_the_victims(
    alice: Person, bob: Person
):
    attacker, victim = Visitor(), Visitor()
    log_in(attacker, bob)
    planted = attacker.cookies[NAME].value
    victim.cookies[NAME] = planted
    victim.post("/logout/")
    log_in(victim, alice)

    assert victim.cookies[NAME].value != planted
    assert not attacker.is_in


@pytest.mark.asvs("7.2.4")
def test_logging_in_as_another_leaves_nothing_of_the_first(alice: Person, bob: Person):
    visitor = Visitor()
    log_in(visitor, alice)
    first = key_of(visitor)
    # The page takes members on; whatever way in does not, ends in the same function.
    request = visitor.get("/account/").wsgi_request
    request.session["kept by"] = "alice"
    login.complete(request, bob.user, method="password", caller=CALLER)
    request.session.save()

    assert not redis().exists(first)
    assert index.list_live(alice.user.pk) == []
    [now] = index.list_live(bob.user.pk)
    kept = b"".join(redis().hgetall(session_key(now.digest)).values())
    assert b"alice" not in kept
    assert str(alice.user.pk).encode() not in kept


def test_logging_in_again_as_oneself_leaves_one_session(client: Visitor, alice: Person):
    log_in(client, alice)
    request = client.get("/account/").wsgi_request
    login.complete(request, alice.user, method="password", caller=CALLER)
    request.session.save()

    assert len(index.list_live(alice.user.pk)) == 1
    assert len(redis().keys("session:*")) == 1


def test_the_page_that_logs_in_works_with_every_middleware_in_place(client: Visitor, alice: Person):
    response = client.post(
        "/login/", {"email": alice.email, "password": alice.password, "next": "/account/invites/"}
    )

    assert response["Location"] == "/account/invites/"
    assert response["Cache-Control"] == "no-store, private"
    assert response.cookies[NAME]["httponly"]
    assert client.get("/account/invites/").status_code == 200


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/login/", "/account/"),
        ("/login/?next=/account/invites/", "/account/invites/"),
        ("/login/?next=https://evil.test/", "/account/"),
        ("/login/?next=//evil.test/", "/account/"),
        ("/signup/", "/account/"),
        ("/", "/account/"),
    ],
)
def test_whoever_is_logged_in_is_taken_on(client: Visitor, alice: Person, path, target):
    log_in(client, alice)

    assert client.get(path)["Location"] == target


def test_a_login_form_posted_by_a_member_does_not_log_in_anybody_else(
    client: Visitor, alice: Person, bob: Person
):
    log_in(client, alice)
    client.post("/login/", {"email": bob.email, "password": bob.password})

    assert client.get("/session/").json()["user"]["username"] == "alice"


def test_a_session_notes_how_and_from_where_it_began(clock, alice: Person):
    visitor = Visitor()
    data = {"email": alice.email, "password": alice.password}
    visitor.post("/login/", data, HTTP_USER_AGENT="Lynx/2.9", REMOTE_ADDR="203.0.113.7")
    [session] = index.list_live(alice.user.pk)

    assert session.meta.ip == "203.0.113.7"
    assert session.meta.user_agent == "Lynx/2.9"
    assert session.meta.method == "password"
    assert session.meta.proved == session.meta.created
    assert abs(session.meta.created - timezone.now()) < timedelta(seconds=1)


# --- ending ---


@pytest.mark.asvs("7.4.1")
def test_a_cookie_replayed_after_logging_out_is_nobodys(client: Visitor, alice: Person):
    log_in(client, alice)
    copy = bearer(client)
    client.post("/logout/")

    assert not copy.is_in
    assert copy.get("/account/").status_code == 302
    assert redis().keys("session:*") == []


def test_logging_out_ends_this_session_and_no_other(alice: Person):
    phone, laptop = Visitor(), Visitor()
    log_in(phone, alice)
    log_in(laptop, alice)
    phone.post("/logout/")

    assert not phone.is_in
    assert laptop.is_in
    assert [one.digest for one in index.list_live(alice.user.pk)] == [digest_of(sid_of(laptop))]


def test_logging_out_answers_the_same_whoever_asks(client: Visitor, alice: Person):
    log_in(client, alice)
    answers = [client.post("/logout/") for _ in range(2)]

    assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, "/login/")}


@pytest.mark.asvs("7.4.3")
def test_ending_all_sessions_holds_on_the_next_request(alice: Person, bob: Person):
    phone, laptop, bystander = Visitor(), Visitor(), Visitor()
    log_in(phone, alice)
    log_in(laptop, alice)
    log_in(bystander, bob)
    ended = index.end_all(alice.user.pk)

    assert ended == 2
    assert not phone.is_in
    assert not laptop.is_in
    assert bystander.is_in
    assert redis().exists(index_key(alice.user.pk)) == 0


@pytest.mark.asvs("7.4.3")
def test_ending_all_others_spares_one(alice: Person):
    phone, laptop = Visitor(), Visitor()
    log_in(phone, alice)
    log_in(laptop, alice)
    ended = index.end_all(alice.user.pk, spare=digest_of(sid_of(phone)))

    assert ended == 1
    assert phone.is_in
    assert not laptop.is_in


@pytest.mark.asvs("7.4.2")
def test_a_blocked_members_sessions_end(
    client: Visitor, alice: Person, django_capture_on_commit_callbacks
):
    log_in(client, alice)
    with django_capture_on_commit_callbacks(execute=True):
        members.block(alice.user, until=timezone.now() + DAY, reason="spam")

    assert not client.is_in
    assert client.get("/account/").status_code == 302


@pytest.mark.asvs("7.4.2")
def test_a_deleted_members_sessions_end(
    client: Visitor, alice: Person, django_capture_on_commit_callbacks
):
    log_in(client, alice)
    with django_capture_on_commit_callbacks(execute=True):
        alice.user.delete()

    assert not client.is_in
    assert redis().keys("session*") == []


@pytest.mark.asvs("7.4.2")
def test_a_member_deleted_behind_our_back_is_out_within_a_minute(client: Visitor, alice: Person):
    log_in(client, alice)
    Redemption.objects.all().delete()
    Token.objects.all().delete()
    User.objects.filter(email=alice.email)._raw_delete("default")  # no signal, no service

    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert not client.is_in


def test_a_change_that_is_rolled_back_logs_nobody_out(
    client: Visitor, alice: Person, django_capture_on_commit_callbacks
):
    log_in(client, alice)
    with django_capture_on_commit_callbacks(execute=False):
        sessions.end_all(alice.user)

    assert client.is_in


@pytest.mark.asvs("7.4.5")
def test_staff_end_a_members_sessions_in_the_admin(alice: Person, olivia: Person):
    member, staff = Visitor(), Visitor()
    log_in(member, alice)
    log_in(staff, olivia)
    staff.post(
        "/admin/accounts/user/",
        {"action": "end_sessions", "_selected_action": [str(alice.user.pk)], "sure": "yes"},
    )

    assert not member.is_in
    assert staff.is_in


# --- the epoch: what must hold even when Redis forgets ---


@pytest.mark.asvs("7.4.1")
def test_a_session_that_an_older_redis_brings_back_is_refused_once_its_user_is_read(
    clock, client: Visitor, alice: Person, django_capture_on_commit_callbacks
):
    log_in(client, alice)
    key, dump = key_of(client), redis().dump(key_of(client))
    copy = bearer(client)
    with django_capture_on_commit_callbacks(execute=True):
        sessions.end_all(alice.user)
    redis().restore(key, 24 * 3600 * 1000, dump)

    clock.shift(60)
    assert not copy.is_in
    assert not redis().exists(key)


def test_a_session_begun_after_all_were_ended_is_of_the_new_epoch(
    clock, client: Visitor, alice: Person, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        sessions.end_all(alice.user)
    log_in(client, alice)

    clock.shift(61)
    assert client.is_in


@pytest.mark.parametrize("field", ["password", "session_epoch", "blocked_until"])
def test_what_staff_change_by_hand_in_the_database_holds_within_a_minute(
    clock, client: Visitor, alice: Person, field
):
    log_in(client, alice)
    new = {"password": "!", "session_epoch": 5, "blocked_until": timezone.now() + DAY}[field]
    User.objects.filter(email=alice.email).update(**{field: new})

    clock.shift(60)
    assert not client.is_in
    assert redis().keys("session:*") == []


# --- the snapshot of the user ---


def test_the_user_is_read_again_after_a_minute_and_not_before(
    clock, client: Visitor, alice: Person, django_assert_num_queries
):
    log_in(client, alice)
    User.objects.filter(email=alice.email).update(username="alicia")
    clock.shift(59)
    with django_assert_num_queries(0):
        assert client.get("/session/").json()["user"]["username"] == "alice"
    clock.shift(1)
    with django_assert_num_queries(1):
        assert client.get("/session/").json()["user"]["username"] == "alicia"
    with django_assert_num_queries(0):
        assert client.get("/session/")["X-Auth-Username"] == "alicia"


def test_a_changed_name_shows_on_the_next_request_of_every_session(alice: Person):
    phone, laptop = Visitor(), Visitor()
    log_in(phone, alice)
    log_in(laptop, alice)
    User.objects.filter(email=alice.email).update(username="alicia")
    snapshots.refresh(alice.user)

    for visitor in (phone, laptop):
        assert visitor.get("/session/").json()["user"]["username"] == "alicia"


def test_a_display_name_shows_on_the_next_request(client: Visitor, alice: Person):
    log_in(client, alice)
    User.objects.filter(email=alice.email).update(display_name="Alice Liddell")
    snapshots.refresh(alice.user)

    request = client.get("/account/").wsgi_request
    assert request.user.display_name == "Alice Liddell"


@pytest.mark.asvs("8.3.2")
def test_whoever_ceases_to_be_staff_is_out_of_the_admin_on_the_next_request(
    olivia: Person, django_capture_on_commit_callbacks
):
    visitor = Visitor()
    log_in(visitor, olivia)
    assert visitor.get("/admin/").status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        members.set_standing(olivia.user, is_staff=False, is_superuser=False)

    assert visitor.get("/admin/").status_code != 200


def test_a_refresh_does_not_bring_back_a_session_that_ended(client: Visitor, alice: Person):
    log_in(client, alice)
    key = key_of(client)
    redis().delete(key)  # as its end in Redis would: the index still names it
    snapshots.refresh(alice.user)

    assert not redis().exists(key)


def test_a_user_of_a_session_is_a_real_one_whose_other_fields_load_when_asked(
    client: Visitor, alice: Person, django_assert_num_queries
):
    log_in(client, alice)
    user = client.get("/account/").wsgi_request.user
    with django_assert_num_queries(0):
        assert (user.username, user.email, user.is_staff) == ("alice", alice.email, False)
        assert user.is_authenticated
        assert user.is_active
    with django_assert_num_queries(1):
        assert user.email_confirmed_at
    assert user == alice.user


@pytest.mark.django_db(transaction=True)
def test_without_its_database_the_door_still_knows_who_is_logged_in(
    client: Visitor, alice: Person, monkeypatch
):
    need("PostgreSQL")
    log_in(client, alice)
    with (
        monkeypatch.context() as patch,
        time_machine.travel(timezone.now() + 5 * MINUTE),
    ):
        connection.close()
        connection.close_pool()
        patch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        patch.setitem(connection.settings_dict, "PORT", "1")  # nobody listens there
        answer, page = client.get("/session/"), client.get("/account/invites/")
        assert answer.json()["user"]["username"] == "alice"
        assert page.status_code == 503
        assert page["Retry-After"]
        assert NAME not in page.cookies
        connection.close()
        connection.close_pool()
    assert client.is_in


# --- a change of the secret key ---


def test_members_stay_logged_in_while_the_old_key_is_listed(
    clock, client: Visitor, alice: Person, settings
):
    log_in(client, alice)
    # Whoever asks through a gateway never sees our Set-Cookie, and pages load side by side: the
    # cookie the browser has must stay good.
    old_cookie = bearer(client)
    old, settings.SECRET_KEY = settings.SECRET_KEY, "a new secret key, as long as it should be"
    settings.SECRET_KEY_FALLBACKS = [old]
    clock.shift(61)

    assert client.is_in
    assert old_cookie.is_in
    clock.shift(61)
    assert client.is_in
    assert old_cookie.is_in
    assert len(index.list_live(alice.user.pk)) == 1


# --- the list of a member's sessions ---


def test_the_list_has_every_live_session_the_latest_seen_first(clock, alice: Person):
    visitors = [Visitor() for _ in range(3)]
    for visitor in visitors:
        log_in(visitor, alice)
        clock.shift(2 * MINUTE)
    visitors[0].get("/session/")
    live = [one.digest for one in index.list_live(alice.user.pk)]

    assert live == [digest_of(sid_of(visitors[which])) for which in (0, 2, 1)]


def test_the_list_has_none_that_ended(clock, alice: Person):
    gone, idle, here = Visitor(), Visitor(), Visitor()
    log_in(gone, alice)
    gone.post("/logout/")
    log_in(idle, alice)
    clock.shift(61 * MINUTE)
    log_in(here, alice)

    assert [one.digest for one in index.list_live(alice.user.pk)] == [digest_of(sid_of(here))]


def test_the_list_is_one_members_own(alice: Person, bob: Person):
    log_in(Visitor(), alice)
    log_in(Visitor(), bob)

    assert len(index.list_live(alice.user.pk)) == 1


def test_the_list_ends_with_the_last_session_that_could_be_in_it(client, alice: Person):
    log_in(client, alice)
    left = redis().ttl(index_key(alice.user.pk))

    assert 24 * 3600 - 60 <= left <= 24 * 3600 + 1


@pytest.mark.asvs("7.1.2")
@pytest.mark.parametrize("first_stays_logged_in", [False, True])
def test_a_21st_session_ends_the_oldest(clock, alice: Person, first_stays_logged_in: bool):
    stores = []
    for number in range(20):
        # One that keeps somebody logged in has longer to live than the others, and is older.
        stores.append(begun(alice.user, remember=first_stays_logged_in and number == 0))
        clock.shift(MINUTE)
    assert len(index.list_live(alice.user.pk)) == 20
    last = begun(alice.user)
    live = {one.digest for one in index.list_live(alice.user.pk)}

    assert live == {digest_of(one.session_key) for one in (*stores[1:], last)}
    assert not stores[0].exists(stores[0].session_key)


def begun(user: User, *, remember: bool = False) -> SessionStore:
    """A session as the login makes it, without the cost of hashing a password for each."""
    session = SessionStore()
    session.create()
    session["_auth_user_id"] = str(user.pk)
    meta = login._new_meta(user, method="x", caller=CALLER, remember=remember)
    session.begin(user.snapshot(), meta)
    session.save()
    return session


# --- two at once ---


def race(*steps) -> None:
    """Run each step in a thread of its own, all let go together."""
    start = threading.Barrier(len(steps))

    def run(step) -> None:
        start.wait()
        step()

    threads = [threading.Thread(target=run, args=[step]) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.asvs("7.4.1")
def test_a_session_ended_while_requests_are_in_flight_never_comes_back(alice: Person):
    user = alice.user
    for _ in range(500):
        session = begun(user)
        writer, toucher, reader = (SessionStore(session.session_key) for _ in range(3))
        for in_flight in (writer, toucher, reader):
            in_flight.load()
        writer["changed"] = True

        def write(writer=writer) -> None:
            with suppress(UpdateError):
                writer.save()

        def touch(toucher=toucher) -> None:
            toucher.touch(timezone.now())

        def read_again(reader=reader) -> None:
            reader.write_snapshot(user.snapshot())

        race(write, touch, read_again, lambda: index.end_all(user.pk))
        assert not session.exists(session.session_key)
        assert index.list_live(user.pk) == []


@pytest.mark.asvs("7.4.1")
def test_a_request_whose_session_ended_meanwhile_is_answered_and_its_cookie_cleared(
    client: Visitor, alice: Person
):
    log_in(client, alice)
    request = client.get("/account/").wsgi_request
    request.session["changed"] = True
    index.end_all(alice.user.pk)
    response = SessionMiddleware(lambda _: HttpResponse()).process_response(request, HttpResponse())

    assert response.status_code == 200
    assert response.cookies[NAME].value == ""
    assert redis().keys("session:*") == []


def test_a_touch_that_comes_too_late_is_a_logout(clock, client: Visitor, alice: Person):
    log_in(client, alice)
    clock.shift(2 * MINUTE)
    key = key_of(client)
    request = client.get("/").wsgi_request
    assert request.user.is_authenticated
    redis().delete(key)

    assert not client.is_in
    assert not redis().exists(key)


def test_of_many_logins_at_once_none_is_missing_from_the_list(alice: Person):
    user = alice.user
    stores: list[SessionStore] = []
    race(*[lambda: stores.append(begun(user)) for _ in range(8)])

    live = {one.digest for one in index.list_live(user.pk)}
    assert live == {digest_of(one.session_key) for one in stores}
