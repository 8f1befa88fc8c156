"""Whose address a request comes from."""

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from bottomline.caller import Caller, caller_of, client_ip

PROXY = "10.0.0.1"


def seen(remote: str = PROXY, forwarded: str | None = None) -> str:
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return client_ip(RequestFactory().get("/", REMOTE_ADDR=remote, **headers))


@pytest.fixture
def proxies(settings):
    def trust(count: int) -> None:
        settings.TRUSTED_PROXY_COUNT = count

    return trust


@pytest.mark.asvs("4.1.3")
@pytest.mark.parametrize("forwarded", [None, "", "198.51.100.9", "1.1.1.1, 2.2.2.2"])
def test_without_proxies_of_ours_nobodys_header_is_believed(proxies, forwarded):
    proxies(0)
    assert seen("203.0.113.7", forwarded) == "203.0.113.7"


@pytest.mark.asvs("4.1.3")
@pytest.mark.asvs("15.3.4")
@pytest.mark.parametrize(
    ("count", "forwarded"),
    [
        (1, "203.0.113.7"),
        (1, "198.51.100.9, 203.0.113.7"),
        (1, "127.0.0.1,10.0.0.1,  203.0.113.7  "),
        (1, "nonsense, 203.0.113.7"),
        (2, "203.0.113.7, 10.0.0.2"),
        (2, "198.51.100.9, 203.0.113.7, 10.0.0.2"),
        (2, "198.51.100.9,,203.0.113.7,10.0.0.2"),
    ],
)
def test_what_stands_left_of_our_proxies_word_is_the_visitors_own_invention(
    proxies, count, forwarded
):
    proxies(count)
    assert seen(PROXY, forwarded) == "203.0.113.7"


@pytest.mark.parametrize(("count", "forwarded"), [(1, None), (2, None), (2, "198.51.100.9")])
def test_a_request_that_came_past_our_proxies_counts_as_whoever_sent_it(proxies, count, forwarded):
    proxies(count)
    assert seen("203.0.113.7", forwarded) == "203.0.113.7"


@pytest.mark.parametrize("count", [0, 1])
def test_a_visitor_on_ipv4_is_one_on_a_server_bound_to_both_families(proxies, count):
    proxies(count)
    assert seen("::ffff:203.0.113.7", "::ffff:203.0.113.7") == "203.0.113.7"


def test_two_visitors_on_ipv4_are_not_one_on_a_server_bound_to_both_families():
    one, other = seen("::ffff:203.0.113.7"), seen("::ffff:203.0.113.8")
    assert Caller(one).network != Caller(other).network


@pytest.mark.asvs("15.3.4")
def test_a_household_on_ipv6_is_one_network():
    one, other = Caller("2001:db8:1:2::1"), Caller("2001:db8:1:2:ffff:ffff:ffff:ffff")
    assert one.network == other.network == "2001:db8:1:2::"


def test_two_households_on_ipv6_are_two_networks():
    assert Caller("2001:db8:1:2::1").network != Caller("2001:db8:1:3::1").network


def test_an_ipv4_address_is_a_network_of_its_own():
    assert Caller("203.0.113.7").network == "203.0.113.7"


@pytest.mark.parametrize(
    "nonsense",
    ["", "unix:", "localhost", "203.0.113.7:555", "[2001:db8::1]:555", "1.2.3", "\0", "٣.٣.٣.٣"],
)
@pytest.mark.parametrize("count", [0, 1])
def test_a_unix_socket_and_nonsense_share_one_bucket(proxies, count, nonsense):
    proxies(count)
    assert seen(nonsense, nonsense) == "0.0.0.0"


@given(st.text(max_size=60))
def test_whatever_a_proxy_writes_has_a_network(text: str):
    request = RequestFactory().get("/", REMOTE_ADDR=text)
    assert caller_of(request).network


@pytest.mark.parametrize("address", ["fe80::1%eth0", "fe80::1%" + "x" * 300])
def test_a_zone_in_an_address_names_no_network_of_its_own(address):
    assert Caller(seen(address)).network == "fe80::"


def test_only_the_beginning_of_a_long_user_agent_is_kept():
    request = RequestFactory().get("/", HTTP_USER_AGENT="x" * 5000)
    assert caller_of(request).user_agent == "x" * 256


def test_a_caller_who_says_nothing_of_themselves_is_one_too():
    assert caller_of(RequestFactory().get("/")) == Caller("127.0.0.1")
