"""The session engine keeps the whole contract of Django's, as Django's own tests ask for it."""

import json
import pickle
from datetime import timedelta

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils import timezone

from bottomline.sessions import cookie, index
from bottomline.sessions.redis import client as redis
from bottomline.sessions.redis import digest_of, session_key
from bottomline.sessions.store import SessionStore
from conftest import Person, Visitor, log_in

SOON, DAY = timedelta(minutes=10), 24 * 60 * 60


@pytest.fixture
def session() -> SessionStore:
    return SessionStore()


def kept(session: SessionBase) -> dict[bytes, bytes]:
    return redis().hgetall(session_key(digest_of(session.session_key)))


def again(session: SessionBase) -> SessionStore:
    """The same session, as another request finds it."""
    return SessionStore(session.session_key)


# --- a dictionary ---


def test_a_new_session_is_neither_modified_nor_accessed(session):
    assert not session.modified
    assert not session.accessed


def test_a_missing_key_has_the_default(session):
    assert session.get("cat") is None
    assert session.get("cat", "does not exist") == "does not exist"
    assert session.accessed
    assert not session.modified


def test_a_key_set_is_a_key_had(session):
    session["cat"] = "dog"

    assert session.modified
    assert session["cat"] == "dog"
    assert "cat" in session
    assert session.pop("cat") == "dog"
    assert "cat" not in session


def test_deleting_a_key_modifies_the_session(session):
    session["cat"] = "dog"
    session.modified = False
    del session["cat"]

    assert session.modified
    assert "cat" not in session


def test_pop_of_a_missing_key_has_a_default_or_raises(session):
    assert session.pop("some key", "does not exist") == "does not exist"
    assert session.pop("some key", default="does not exist") == "does not exist"
    with pytest.raises(KeyError):
        session.pop("some key")
    assert session.accessed
    assert not session.modified


def test_setdefault_sets_only_what_is_missing(session):
    assert session.setdefault("foo", "bar") == "bar"
    assert session.modified
    session.modified = False
    assert session.setdefault("foo", "baz") == "bar"
    assert session.accessed
    assert not session.modified


def test_update_merges(session):
    session.update({"update key": 1})

    assert session.accessed
    assert session.modified
    assert session["update key"] == 1


def test_has_key_asks_without_modifying(session):
    session["some key"] = 1
    session.accessed = session.modified = False

    assert session.has_key("some key")
    assert session.accessed
    assert not session.modified


def test_keys_values_and_items_are_the_dictionarys(session):
    assert list(session.keys()) == []
    session["x"] = 1
    session.modified = False

    assert list(session.keys()) == ["x"]
    assert list(session.values()) == [1]
    assert list(session.items()) == [("x", 1)]
    assert not session.modified


def test_clear_empties_it(session):
    session["x"] = 1
    session.accessed = session.modified = False
    session.clear()

    assert list(session.items()) == []
    assert session.accessed
    assert session.modified


def test_the_test_cookie_works(session):
    session.set_test_cookie()
    assert session.test_cookie_worked()
    session.delete_test_cookie()
    assert not session.test_cookie_worked()


# --- kept in Redis ---


def test_what_is_saved_is_found_again(session):
    session["cat"] = {"name": "Tom", "lives": [9, 8.5, None, True], "💶": "ü"}
    session.save()

    assert again(session)["cat"] == {"name": "Tom", "lives": [9, 8.5, None, True], "💶": "ü"}


def test_saving_twice_keeps_what_was_there(session):
    session["a"], session["b"] = "a", "b"
    session.save()
    other = again(session)
    other["b"] = "c"
    other.save()

    assert dict(again(session).items()) == {"a": "a", "b": "c"}


def test_saving_does_not_change_the_id(session):
    session.save()
    before = session.session_key
    session["a"] = 1
    session.save()

    assert session.session_key == before


def test_a_session_exists_from_save_to_delete(session):
    assert session.session_key is None
    session.save()
    assert session.exists(session.session_key)
    session.delete(session.session_key)
    assert not session.exists(session.session_key)


def test_delete_without_a_name_deletes_itself(session):
    session.save()
    session.delete()

    assert not session.exists(session.session_key)


def test_deleting_what_was_never_saved_is_no_error(session):
    session.delete()
    session.delete(cookie.new_sid())


def test_flush_deletes_it_and_begins_an_empty_one(session):
    session["foo"] = "bar"
    session.save()
    before = session.session_key
    session.flush()

    assert not session.exists(before)
    assert session.session_key is None
    assert session.get("foo") is None
    assert session.modified
    assert session.accessed


@pytest.mark.asvs("7.2.4")
def test_cycling_the_key_keeps_the_data_under_a_new_id_and_kills_the_old(session):
    session["a"], session["b"] = "c", "d"
    session.save()
    before = session.session_key
    session.cycle_key()

    assert session.session_key != before
    assert not session.exists(before)
    assert dict(again(session).items()) == {"a": "c", "b": "d"}
    assert redis().dbsize() == 1


def test_cycling_the_key_of_a_session_not_looked_at_yet_keeps_its_data(session):
    session["a"] = "c"
    session.save()
    other = again(session)
    other.cycle_key()

    assert other["a"] == "c"
    assert dict(again(other).items()) == {"a": "c"}


def test_cycling_the_key_of_a_new_session_makes_one(session):
    session.cycle_key()

    assert session.exists(session.session_key)


def test_cycling_the_key_does_not_move_the_absolute_end(session):
    session.save()
    ends = session.meta.expires
    with time_machine.travel(timezone.now() + SOON):
        session.cycle_key()

    assert abs(again_meta(session).expires - ends) < timedelta(milliseconds=1)


def again_meta(session):
    found = again(session)
    found.load()
    return found.meta


def test_an_id_we_did_not_make_is_not_adopted():
    claimed = "c" * 43
    session = SessionStore(claimed)
    assert session.get("x") is None
    session["x"] = 1
    session.save()

    assert session.session_key != claimed
    assert not session.exists(claimed)


@pytest.mark.parametrize("claimed", ["", "1", "short"])
def test_an_id_too_short_to_be_one_is_not_adopted(claimed):
    session = SessionStore(claimed)
    session.save()

    assert session.session_key not in {claimed, None}


def test_looking_for_a_session_that_is_not_there_makes_none():
    session = SessionStore("someunknownkeythatisnotthereatallandwillnot")
    session.load()

    assert session.session_key is None
    assert not session.exists("someunknownkeythatisnotthereatallandwillnot")
    assert redis().dbsize() == 0


def test_a_key_that_is_taken_is_not_overwritten(session):
    session["mine"] = 1
    session.save()
    other = SessionStore(session.session_key)
    other._session_cache = {"mine": 2}
    with pytest.raises(CreateError):
        other.save(must_create=True)

    assert again(session)["mine"] == 1


@pytest.mark.asvs("7.4.1")
def test_saving_does_not_bring_back_what_was_logged_out_elsewhere(session):
    session["a"] = 1
    session.save()
    in_flight = again(session)
    in_flight["a"] = 2
    session.flush()

    with pytest.raises(UpdateError):
        in_flight.save()
    assert redis().dbsize() == 0


def test_touching_and_new_snapshots_do_not_bring_back_what_was_logged_out_elsewhere(session):
    session.save()
    in_flight = again(session)
    in_flight.load()
    session.flush()

    assert not in_flight.touch(timezone.now())
    assert not in_flight.write_snapshot({"id": "x"})
    assert redis().dbsize() == 0


@pytest.mark.asvs("1.3.9")
def test_redis_knows_only_a_digest_of_the_id(session):
    session["a"] = 1
    session.save()
    everything = b"".join([*redis().keys("*"), *kept(session).values()])

    assert redis().keys("*") == [session_key(digest_of(session.session_key)).encode()]
    assert session.session_key.encode() not in everything


def test_a_session_is_kept_as_json_and_nothing_else(session):
    session["a"] = 1
    session.save()
    fields = kept(session)

    assert set(fields) == {b"data", b"meta"}
    assert json.loads(fields[b"data"]) == {"a": 1}
    assert set(json.loads(fields[b"meta"])) >= {"created", "seen", "expires", "idle"}


@pytest.mark.asvs("1.5.2")
@pytest.mark.parametrize("field", ["data", "user", "meta"])
@pytest.mark.parametrize(
    "garbage", [pickle.dumps({"a": 1}), b"\xff\xfe", b"", b"null", b"[1]", b"{}", b'"x"', b"{"]
)
def test_what_somebody_else_wrote_into_redis_is_at_worst_no_session(session, field, garbage):
    session["a"] = 1
    session.save()
    redis().hset(session_key(digest_of(session.session_key)), field, garbage)

    found = again(session)
    assert found.get("_auth_user_id") is None


def test_a_value_json_cannot_say_is_refused_when_saved(session):
    session["a"] = object()
    with pytest.raises(TypeError):
        session.save()
    assert redis().dbsize() == 0


def test_a_session_takes_itself_out_of_redis_when_it_ends(session):
    session.save()
    left = redis().pttl(session_key(digest_of(session.session_key))) / 1000

    assert abs(left - session.meta.idle.total_seconds()) < 5


def test_clearing_expired_sessions_is_left_to_redis(session):
    session.save()
    SessionStore.clear_expired()

    assert session.exists(session.session_key)


# --- when it expires ---


def test_it_ends_with_the_settings_lifetime_unless_told_otherwise(session, settings):
    assert session.get_expiry_age() == settings.SESSION_COOKIE_AGE == DAY


def test_expiry_in_seconds(session):
    session.set_expiry(10)
    assert session.get_expiry_age() == 10
    assert timezone.now() < session.get_expiry_date() <= timezone.now() + timedelta(seconds=10)


def test_expiry_as_a_timedelta(session):
    session.set_expiry(timedelta(seconds=10))
    assert session.get_expiry_age() in {9, 10}


def test_expiry_as_a_moment(session):
    session.set_expiry(timezone.now() + timedelta(seconds=10))
    assert session.get_expiry_age() in {9, 10}


def test_expiry_counts_from_a_moment_that_may_be_named(session):
    now = timezone.now()
    session.set_expiry(10)

    assert session.get_expiry_date(modification=now) == now + timedelta(seconds=10)
    assert session.get_expiry_age(modification=now, expiry=20) == 20


def test_expiry_none_is_back_to_the_settings(session, settings):
    session.set_expiry(10)
    session.set_expiry(None)

    assert session.get_expiry_age() == settings.SESSION_COOKIE_AGE


def test_expiry_zero_and_the_setting_mean_until_the_browser_closes(session, settings):
    assert session.get_expire_at_browser_close()  # as our settings say
    session.set_expiry(10)
    assert not session.get_expire_at_browser_close()
    session.set_expiry(0)
    assert session.get_expire_at_browser_close()
    session.set_expiry(None)
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = False
    assert not session.get_expire_at_browser_close()


def test_a_custom_expiry_is_kept_with_the_session(session):
    moment = timezone.now() + SOON
    session.set_expiry(moment)
    session.save()

    assert again(session).get_expiry_date() == moment


def test_a_session_set_to_have_expired_is_gone(session):
    session["foo"] = "bar"
    session.set_expiry(-3600)
    session.save()

    assert "foo" not in again(session)


def test_a_custom_expiry_shortens_a_session_and_never_lengthens_it(session):
    session.set_expiry(60)
    session.save()
    shortened = session.meta.expires
    session.set_expiry(DAY * 365)
    session.save()

    assert session.meta.expires == shortened <= timezone.now() + timedelta(seconds=60)


def test_an_expired_session_is_gone_though_redis_still_has_it(session):
    session["foo"] = "bar"
    session.save()
    # A millisecond later: that is how exactly Redis keeps when it was last seen.
    over = timezone.now() + session.meta.idle + timedelta(milliseconds=1)
    with time_machine.travel(over, tick=False):
        assert session.exists(session.session_key)
        assert "foo" not in again(session)


# --- encoding ---


def test_encoding_and_decoding_are_each_others_opposite(session):
    data = {"a": "b", "answer": 42}
    assert session.decode(session.encode(data)) == data


@pytest.mark.parametrize("broken", ["", "x", "flaskdj:alkdjf", "bad:encoded:value"])
def test_what_cannot_be_decoded_is_empty(session, broken):
    assert session.decode(broken) == {}


# --- the asynchronous twins ---
# One each, run by asgiref, so that no further plugin is needed.


def run(coroutine_function):
    return async_to_sync(coroutine_function)()


def test_the_twins_are_a_dictionary_too(session):
    async def scenario():
        await session.aset("cat", "dog")
        assert await session.aget("cat") == "dog"
        assert await session.ahas_key("cat")
        assert await session.asetdefault("foo", "bar") == "bar"
        await session.aupdate({"x": 1})
        assert set(await session.akeys()) == {"cat", "foo", "x"}
        assert await session.apop("cat") == "dog"
        assert set(await session.avalues()) == {"bar", 1}
        assert dict(await session.aitems()) == {"foo": "bar", "x": 1}
        await session.aset_test_cookie()
        assert await session.atest_cookie_worked()
        await session.adelete_test_cookie()

    run(scenario)


def test_the_twins_save_find_cycle_and_delete(session):
    async def scenario():
        await session.aset("cat", "dog")
        await session.asave()
        before = session.session_key
        assert await session.aexists(before)
        assert await SessionStore(before).aget("cat") == "dog"

        await session.acycle_key()
        assert session.session_key != before
        assert not await session.aexists(before)
        assert await again(session).aload() == {"cat": "dog"}

        await session.adelete()
        assert not await session.aexists(session.session_key)

    run(scenario)


def test_the_twins_create_and_flush(session):
    async def scenario():
        await session.acreate()
        before = session.session_key
        assert await session.aexists(before)
        await session.aflush()
        assert session.session_key is None
        assert not await session.aexists(before)
        await SessionStore.aclear_expired()

    run(scenario)


def test_the_twins_know_when_it_expires(session):
    async def scenario():
        assert await session.aget_expiry_age() == DAY
        await session.aset_expiry(10)
        assert await session.aget_expiry_age() == 10
        assert await session.aget_expiry_date() > timezone.now()
        assert not await session.aget_expire_at_browser_close()

    run(scenario)


def test_the_twins_do_not_bring_back_what_was_logged_out_elsewhere(session):
    async def scenario():
        await session.aset("a", 1)
        await session.asave()
        in_flight = again(session)
        await in_flight.aset("a", 2)
        await session.aflush()
        with pytest.raises(UpdateError):
            await in_flight.asave()

    run(scenario)


# --- somebody's session ---


@pytest.fixture
def logged_in(client: Visitor, alice: Person) -> SessionStore:
    log_in(client, alice)
    return client.get("/account/").wsgi_request.session


def test_a_logged_in_session_is_json_and_knows_its_user(logged_in, alice: Person):
    fields = {name: json.loads(value) for name, value in kept(logged_in).items()}

    assert fields[b"user"]["username"] == "alice"
    assert fields[b"data"]["_auth_user_id"] == str(alice.user.pk)
    assert fields[b"meta"]["method"] == "password"


def test_a_logged_in_session_takes_at_most_a_kibibyte(alice: Person):
    Visitor().post(
        "/login/",
        {"email": alice.email, "password": alice.password},
        HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
        REMOTE_ADDR="2001:db8:1234:5678:9abc:def0:1234:5678",
    )
    [key] = redis().keys("session:*")

    fields = redis().hgetall(key)
    assert len(key) + sum(len(name) + len(value) for name, value in fields.items()) <= 1024


def test_a_cycled_session_is_still_in_its_users_list(logged_in, alice: Person):
    logged_in.cycle_key()

    live = [one.digest for one in index.list_live(alice.user.pk)]
    assert live == [digest_of(logged_in.session_key)]


def test_cycling_does_not_bring_back_what_was_logged_out_elsewhere(logged_in, alice: Person):
    index.end_all(alice.user.pk)
    with pytest.raises(SessionInterrupted):
        logged_in.cycle_key()
    assert redis().keys("session:*") == []
