"""Where `next` may lead, whatever it says."""

import pytest
from django.test import RequestFactory
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.redirects import next_url, requested_next

# What browsers read in ways of their own: they drop tabs and line ends, and take \ for /.
TRICKS = st.text(st.sampled_from("/\\\t\n\r :@.#?%aé\u2028\x00"), max_size=30)


def request_for(wanted: str):
    return RequestFactory().post("/login/", {"next": wanted})


@pytest.mark.asvs("3.7.2")
@given(st.text(max_size=60) | TRICKS | TRICKS.map(lambda trick: f"/{trick}evil.test"))
@example("/\t/evil.test")
@example("/\\evil.test")
def test_whatever_is_asked_for_is_a_path_of_ours(wanted: str):
    there = next_url(request_for(wanted))
    as_read = there.translate({ord(char): None for char in "\t\r\n"}).replace("\\", "/")
    assert as_read.startswith("/")
    assert not as_read.startswith("//")
    assert there.isprintable()


@given(st.text(st.sampled_from("abc/?=&-_.é"), max_size=40))
def test_an_ordinary_path_is_kept_to_the_letter(rest: str):
    path = "/account/" + rest
    assert requested_next(request_for(path)) == path
