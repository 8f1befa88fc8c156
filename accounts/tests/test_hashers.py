"""Argon2 behind its bulkhead."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import BoundedSemaphore
from time import monotonic

import pytest
from django.contrib.auth.hashers import check_password, get_hasher, make_password
from django_redis import get_redis_connection

from accounts import hashers
from accounts.hashers import AT_ONCE, BoundedArgon2Hasher
from accounts.services import passwords
from bottomline.errors import Unavailable
from bottomline.tests.places import no_places
from conftest import PASSWORD, Person, Visitor, log_in


@pytest.fixture(autouse=True)
def _hashes_of_production(settings) -> None:
    settings.PASSWORD_HASHERS = ["accounts.hashers.BoundedArgon2Hasher"]


@pytest.mark.asvs("11.4.2")
def test_a_password_is_kept_as_argon2id_with_owasp_parameters():
    assert make_password(PASSWORD).startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.asvs("6.2.8")
def test_a_password_is_compared_to_the_letter():
    kept = make_password(" Plum orbit kettle ")
    assert check_password(" Plum orbit kettle ", kept)
    assert not check_password("Plum orbit kettle", kept)
    assert not check_password(" plum orbit kettle ", kept)


def counters() -> dict[bytes, bytes]:
    """What the limits have counted."""
    limits = get_redis_connection("default")
    return {key: limits.get(key) for key in limits.scan_iter("limit:*")}


@contextmanager
def taken(places: BoundedSemaphore, number: int) -> Iterator[None]:
    for _ in range(number):
        places.acquire()
    try:
        yield
    finally:
        for _ in range(number):
            places.release()


def test_a_hash_that_finds_no_thread_is_refused_in_time_and_not_taken_for_a_mismatch():
    kept = make_password(PASSWORD)
    free = threading.Event()
    for _ in range(AT_ONCE):
        hashers._threads.submit(free.wait, 30)
    try:
        with pytest.raises(Unavailable):
            check_password(PASSWORD, kept)
    finally:
        free.set()
    hashers._threads.submit(int).result()  # one is free again
    assert check_password(PASSWORD, kept)


@pytest.mark.asvs("15.2.2")
def test_a_busy_bulkhead_is_answered_503_and_counts_as_no_wrong_password(
    client: Visitor, alice: Person
):
    attempt = {"email": alice.email, "password": alice.password}
    counted = counters()
    with taken(hashers._admitted, hashers.ADMITTED):
        response = client.post("/login/", attempt)
        assert response.status_code == 503
        assert response["Retry-After"] == "2"
        assert client.get("/login/").status_code == 200
    assert counters() == counted
    log_in(client, alice)
    assert counters() != counted


def test_whoever_finds_too_many_waiting_is_told_at_once(client: Visitor, db: None):
    with taken(hashers._admitted, hashers.ADMITTED), no_places(hashers._waiting):
        began = monotonic()
        assert client.post("/login/", {"email": "a@x.org", "password": "x"}).status_code == 503
        assert monotonic() - began < hashers.LONGEST_WAIT


@pytest.mark.asvs("15.2.2")
def test_one_network_that_waits_keeps_nobody_else_from_logging_in(client: Visitor, alice: Person):
    attempt = {"email": alice.email, "password": alice.password}
    with no_places(hashers._waiting, "192.0.2.1"):
        assert client.post("/login/", attempt, REMOTE_ADDR="192.0.2.1").status_code == 503
        assert client.post("/login/", attempt, REMOTE_ADDR="192.0.2.2").status_code == 302


def test_no_more_hash_at_once_than_there_are_cores():
    running, most, lock = 0, 0, threading.Lock()

    class Watched(BoundedArgon2Hasher):
        def params(self):
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            try:
                return super().params()
            finally:
                with lock:
                    running -= 1

    def hash_one():
        with suppress(Unavailable):  # a machine that is busy enough refuses some
            Watched().encode(PASSWORD, "somesaltsomesalt")

    threads = [threading.Thread(target=hash_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= AT_ONCE


MEMORY_TEST = """
import resource
from accounts.hashers import BoundedArgon2Hasher
from bottomline.errors import Unavailable
hasher = BoundedArgon2Hasher()
kept = hasher.encode("plum orbit", "somesaltsomesalt")
class Greedy(BoundedArgon2Hasher):
    memory_cost = 4_000_000
resource.setrlimit(resource.RLIMIT_AS, (600_000_000, 600_000_000))
try:
    Greedy().encode("plum orbit", "somesaltsomesalt")
except Unavailable:
    print("unavailable")
greedy = kept.replace("m=19456", "m=4000000")
try:
    print("verified", hasher.verify("plum orbit", greedy))
except Unavailable:
    print("unavailable")
"""


def test_out_of_memory_is_unavailable_and_never_a_wrong_password():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_TEST], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["unavailable", "unavailable"], done.stderr


@pytest.mark.asvs("11.2.2")
def test_a_login_brings_an_old_hash_up_to_date(client: Visitor, alice: Person):
    weaker = get_hasher("argon2")
    weaker.time_cost = 1
    try:
        old = make_password(alice.password)
    finally:
        del weaker.time_cost
    user = alice.user
    user.password = old
    user.save()
    assert ",t=1," in alice.user.password

    log_in(client, alice)
    assert ",t=2," in alice.user.password


def test_a_rehash_never_undoes_a_password_changed_meanwhile(alice: Person):
    stale = alice.user
    changed = alice.user
    changed.set_password("another plum orbit kettle")
    changed.save()

    passwords._rehash(stale, alice.password)
    assert alice.user.check_password("another plum orbit kettle")
    assert not alice.user.check_password(alice.password)
