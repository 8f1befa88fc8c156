"""Keys for each purpose."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottomline import keys

NEW = "a new secret key, as long as it should be"


@pytest.mark.asvs("11.1.2")
def test_what_signs_for_one_purpose_does_not_for_another():
    assert not keys.is_mac("token:invite", b"message", keys.mac("session-cookie", b"message"))


def test_no_purpose_uses_the_secret_key_itself(settings):
    plain = hmac.digest(settings.SECRET_KEY.encode(), b"message", "sha256")

    assert keys.mac("session-cookie", b"message") != plain


@given(st.binary(max_size=64), st.integers(16, 32))
def test_a_mac_is_known_whole_or_by_its_first_16_bytes(message: bytes, size: int):
    assert keys.is_mac("test", message, keys.mac("test", message)[:size])


@given(st.binary(max_size=64), st.integers(0, 15))
def test_less_than_16_bytes_of_a_mac_are_none(message: bytes, size: int):
    assert not keys.is_mac("test", message, keys.mac("test", message)[:size])


@pytest.mark.asvs("11.2.5")
@given(st.binary(max_size=80))
def test_made_up_bytes_are_no_mac(claimed: bytes):
    assert not keys.is_mac("test", b"message", claimed)


def test_a_mac_with_something_behind_it_is_none():
    assert not keys.is_mac("test", b"message", keys.mac("test", b"message") + b"x")


def test_a_mac_of_another_message_is_none():
    assert not keys.is_mac("test", b"message", keys.mac("test", b"another message"))


@pytest.mark.asvs("11.2.2")
def test_after_a_change_of_key_old_signatures_hold_only_while_the_old_key_is_listed(settings):
    signed = keys.mac("test", b"message")
    old, settings.SECRET_KEY = settings.SECRET_KEY, NEW

    assert not keys.is_mac("test", b"message", signed)
    settings.SECRET_KEY_FALLBACKS = ["one older still, and quite as long as that", old]
    assert keys.is_mac("test", b"message", signed)


def test_after_a_change_of_key_the_old_one_signs_nothing_new(settings):
    old, settings.SECRET_KEY = settings.SECRET_KEY, NEW
    settings.SECRET_KEY_FALLBACKS = [old]
    signed = keys.mac("test", b"message")

    settings.SECRET_KEY_FALLBACKS = []
    assert keys.is_mac("test", b"message", signed)
