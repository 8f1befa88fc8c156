"""Counting attempts, in a real Redis."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.cache import cache
from django_redis import get_redis_connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import RedisError

from bottomline.errors import TooManyAttempts
from bottomline.limits import SPARE, Limit, spend
from bottomline.tests import environment

FIVE = Limit("test:five", 5, timedelta(minutes=15))
TEN = Limit("test:ten", 10, timedelta(minutes=15))
SHORT = Limit("test:short", 5, timedelta(seconds=60))


@pytest.fixture
def no_redis() -> Iterator[None]:
    environment.redis.kill()
    yield
    environment.redis.start()


def is_open(limit: Limit, value: str) -> bool:
    try:
        spend((limit, value))
    except TooManyAttempts:
        return False
    return True


def uses_until_closed(limit: Limit, value: str) -> int:
    return next(count for count in range(100) if not is_open(limit, value))


@pytest.mark.asvs("6.3.1")
def test_exactly_as_many_uses_as_the_limit_says(still_clock):
    assert uses_until_closed(FIVE, "alice") == 5


@pytest.mark.asvs("15.4.1")
def test_exactly_as_many_uses_however_many_arrive_at_once(still_clock):
    limit = Limit("test:crowd", 100, timedelta(minutes=15))
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda _: is_open(limit, "alice"), range(8 * 50)))

    assert outcomes.count(True) == 100


def test_one_persons_uses_are_not_anothers(still_clock):
    assert uses_until_closed(FIVE, "alice") == 5
    assert uses_until_closed(FIVE, "bob") == 5


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from([FIVE, TEN]), st.text(max_size=3)), max_size=40))
def test_whatever_is_counted_in_whatever_order_each_has_its_own_number(still_clock, uses):
    cache.clear()
    opened = Counter(use for use in uses if is_open(*use))
    asked = Counter(uses)
    assert opened == Counter({(limit, v): min(asked[limit, v], limit.count) for limit, v in asked})


def test_uses_under_one_name_are_not_uses_under_another(still_clock):
    same_numbers = Limit("test:other", FIVE.count, FIVE.period)

    assert uses_until_closed(FIVE, "198.51.100.9") == 5
    assert is_open(same_numbers, "198.51.100.9")


def test_a_value_that_ends_like_a_name_does_not_reach_another_bucket(still_clock):
    longer = Limit("test:five1", FIVE.count, FIVE.period)
    for value in ("1alice", "\0alice", ":alice"):
        assert uses_until_closed(FIVE, value) == 5
    assert is_open(longer, "alice")
    assert is_open(FIVE, "alice")


def test_a_limit_opens_again_when_its_window_ends(still_clock):
    assert uses_until_closed(SHORT, "alice") == 5
    still_clock.shift(60)
    assert uses_until_closed(SHORT, "alice") == 5


def test_whoever_is_over_is_told_when_it_opens_again(still_clock):
    uses_until_closed(SHORT, "alice")
    with pytest.raises(TooManyAttempts) as refusal:
        spend((SHORT, "alice"))

    assert 1 <= refusal.value.retry_after <= 60
    still_clock.shift(refusal.value.retry_after)
    assert is_open(SHORT, "alice")


def test_of_two_limits_the_longer_wait_is_told(still_clock):
    uses_until_closed(SHORT, "alice")
    uses_until_closed(FIVE, "alice")

    def told(*uses: tuple[Limit, str]) -> int:
        with pytest.raises(TooManyAttempts) as refusal:
            spend(*uses)
        return refusal.value.retry_after

    waits = [told((SHORT, "alice")), told((FIVE, "alice"))]
    assert told((SHORT, "alice"), (FIVE, "alice")) == max(waits)


def test_a_use_counts_against_both_limits_though_the_first_is_over(still_clock):
    uses_until_closed(FIVE, "alice")
    for _ in range(10):
        with pytest.raises(TooManyAttempts):
            spend((FIVE, "alice"), (TEN, "203.0.113.7"))

    assert not is_open(TEN, "203.0.113.7")


def test_a_use_counts_against_the_first_limit_though_the_second_is_over(still_clock):
    uses_until_closed(FIVE, "alice")
    for _ in range(10):
        with pytest.raises(TooManyAttempts):
            spend((TEN, "203.0.113.7"), (FIVE, "alice"))

    assert not is_open(TEN, "203.0.113.7")


@pytest.mark.parametrize("period", [timedelta(days=1), timedelta(days=7), timedelta(hours=1)])
def test_a_limit_counts_for_the_whole_of_a_long_period(still_clock, period):
    limit = Limit("test:long", 5, period)
    assert uses_until_closed(limit, "alice") == 5
    with pytest.raises(TooManyAttempts) as refusal:
        spend((limit, "alice"))
    still_clock.shift(refusal.value.retry_after - 1)
    assert not is_open(limit, "alice")


@pytest.mark.asvs("1.3.9")
@pytest.mark.parametrize("value", ["", "\0", "x" * 10_000, "päivi@example.org", "a b\r\nc", "💶"])
def test_whatever_is_typed_can_be_counted(still_clock, value):
    assert uses_until_closed(FIVE, value) == 5


@pytest.mark.asvs("16.5.3")
def test_without_redis_nothing_may_be_tried(no_redis):
    with pytest.raises((RedisError, OSError)):
        spend((FIVE, "alice"))


def test_when_redis_is_back_so_are_limits_with_what_was_counted(still_clock):
    for _ in range(3):
        spend((FIVE, "alice"))
    environment.redis.kill()
    environment.redis.start()

    assert uses_until_closed(FIVE, "alice") == 2


@pytest.mark.asvs("14.2.4")
@pytest.mark.asvs("1.3.9")
def test_redis_does_not_say_who_is_counted(still_clock):
    spend((FIVE, "alice@example.org"), (TEN, "203.0.113.7"))
    redis = get_redis_connection("default")
    kept = [*redis.keys("*"), *redis.mget(redis.keys("*"))]

    assert kept
    assert not [text for text in kept if b"alice" in text or b"example" in text or b"203" in text]


def test_a_counter_is_gone_from_redis_soon_after_its_window_is(still_clock):
    redis = get_redis_connection("default")
    for _ in range(2):
        [use] = spend((SHORT, "alice"))
        [key] = redis.keys("*")
        assert use.time_left <= redis.ttl(key) <= use.time_left + SPARE


def test_a_use_knows_which_of_its_window_it_was(still_clock):
    spend((FIVE, "alice"))
    uses = spend((FIVE, "alice"), (SHORT, "alice"))
    assert [(use.limit, use.count) for use in uses] == [(FIVE, 2), (SHORT, 1)]
    still_clock.shift(uses[0].time_left - 1)
    assert [use.count for use in spend((FIVE, "alice"))] == [3]
    still_clock.shift(1)
    assert [use.count for use in spend((FIVE, "alice"))] == [1]


def test_windows_of_different_values_end_at_different_times(still_clock):
    ends = {spend((FIVE, f"somebody{number}"))[0].time_left for number in range(20)}
    assert len(ends) > 10


def test_a_counter_that_cannot_be_kept_is_an_outage(still_clock):
    """A full Redis refuses to write: nothing may be tried then, and it is no fault."""
    redis = get_redis_connection("default")
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(RedisError):
            spend((FIVE, "alice"))
    finally:
        redis.config_set("maxmemory", 0)
