"""Passwords known from breaches: a service that speaks like Have I Been Pwned, and its file."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha1
from pathlib import Path
from typing import ClassVar

import pytest
import time_machine
from django.conf import settings as django_settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from accounts import breaches
from accounts.breaches import is_breached
from bottomline.tests.servers import free_port
from conftest import Inbox, Person, Visitor, log_in, path_of, sign_up
from invites.models import Invite

STOLEN = "lantern walnut copper drift"
SAFE = "harbour tinsel nine crumbs"
PATIENCE = 1.5  # the promise is a second; the rest is for a slow machine

Behaviour = Callable[["Far", socket.socket], None]


def digest_of(password: str) -> str:
    return sha1(password.encode()).hexdigest().upper()


class Far:
    """A server of our own in place of the far side: it keeps what it was asked, and misbehaves."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/range/"
        self.requests: list[str] = []
        self.behave: Behaviour = knows_the_stolen_one
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096)
            self.requests.append(request.decode())
            self.behave(self, connection)


def answer(body: str, *, status: str = "200 OK", headers: str = "") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if "Content-Length" not in headers else ""
    return f"HTTP/1.1 {status}\r\n{length}{headers}\r\n{body}".encode()


def lines(*passwords: str, count: int = 3) -> str:
    padding = (f"{n:035X}:0" for n in range(800))
    return "\r\n".join(
        [*(f"{digest_of(password)[5:]}:{count}" for password in passwords), *padding]
    )


def knows_the_stolen_one(far: Far, connection: socket.socket) -> None:
    connection.sendall(answer(lines(STOLEN)))


def pads_with_it(far: Far, connection: socket.socket) -> None:
    connection.sendall(answer(lines(STOLEN, count=0)))


def says_nothing(far: Far, connection: socket.socket) -> None:
    time.sleep(5)


def drips_a_header(far: Far, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(50):
        connection.sendall(b"x")
        time.sleep(0.1)


def drips_a_body(far: Far, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(50):
        connection.sendall(b"0")
        time.sleep(0.1)


def never_stops(far: Far, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"0" * 65536)


def hangs_up_early(far: Far, connection: socket.socket) -> None:
    connection.sendall(answer(lines(), headers="Content-Length: 100000\r\n"))


def hangs_up(far: Far, connection: socket.socket) -> None:
    connection.close()


def refuses(far: Far, connection: socket.socket) -> None:
    connection.sendall(answer(lines(STOLEN), status="429 Too Many Requests"))


def fails(far: Far, connection: socket.socket) -> None:
    connection.sendall(answer(lines(STOLEN), status="503 Service Unavailable"))


def sends_elsewhere(far: Far, connection: socket.socket) -> None:
    there = "Location: http://169.254.169.254/\r\n"
    connection.sendall(answer("", status="302 Found", headers=there))


def speaks_another_language(far: Far, connection: socket.socket) -> None:
    connection.sendall(b"220 smtp.example.org ready\r\n")


AWAY = [
    says_nothing,
    drips_a_header,
    drips_a_body,
    never_stops,
    hangs_up_early,
    hangs_up,
    refuses,
    fails,
    sends_elsewhere,
    speaks_another_language,
]


@pytest.fixture
def far(settings) -> Iterator[Far]:
    server = Far()
    settings.BREACHED_PASSWORDS = server.url
    yield server
    server.listener.close()


@pytest.fixture
def listing(settings, tmp_path: Path) -> Path:
    """As the downloader writes it, with 3000 hashes, two of them ours, and one seen no time."""
    path = tmp_path / "pwned-passwords.txt"
    known = [digest_of(f"stolen {n}") + f":{n + 1}" for n in range(3000)]
    known += [digest_of(STOLEN) + ":7", digest_of(SAFE) + ":0"]
    path.write_bytes("\r\n".join(sorted(known)).encode() + b"\r\n")
    settings.BREACHED_PASSWORDS = str(path)
    return path


def test_nobody_is_asked_unless_it_is_said_whom(settings):
    assert settings.BREACHED_PASSWORDS == ""
    assert not is_breached(STOLEN)


# --- the service ---


@pytest.mark.asvs("6.2.12")
def test_a_stolen_password_is_known_and_another_is_not(far: Far):
    assert is_breached(STOLEN)
    assert not is_breached(SAFE)


@pytest.mark.asvs("14.2.3")
def test_the_service_learns_five_digits_and_is_asked_to_pad_its_answer(far: Far):
    is_breached(STOLEN)
    (request,) = far.requests
    assert request.startswith(f"GET /range/{digest_of(STOLEN)[:5]} HTTP/1.1\r\n")
    assert digest_of(STOLEN)[5:10] not in request
    assert STOLEN not in request
    assert "Add-Padding: true" in request
    assert "User-Agent: bottomline" in request
    assert "Cookie" not in request


def test_padding_is_not_taken_for_a_breach(far: Far):
    far.behave = pads_with_it
    assert not is_breached(STOLEN)


@pytest.mark.asvs("6.2.12")
@pytest.mark.asvs("15.3.2")
@pytest.mark.asvs("16.3.4")
@pytest.mark.parametrize("behaviour", AWAY, ids=lambda each: each.__name__)
def test_whatever_the_service_does_a_password_waits_a_second_and_is_taken(
    far: Far, behaviour: Behaviour, caplog: pytest.LogCaptureFixture
):
    far.behave = behaviour
    began = time.monotonic()
    assert not is_breached(STOLEN)
    assert time.monotonic() - began < PATIENCE
    assert [record.message for record in caplog.records] == ["breached_passwords.away"]
    assert digest_of(STOLEN)[:5] not in repr([vars(record) for record in caplog.records])
    assert len(far.requests) == 1


def test_where_nobody_listens_a_password_is_taken(settings):
    settings.BREACHED_PASSWORDS = f"http://127.0.0.1:{free_port()}/range/"
    assert not is_breached(STOLEN)


def test_where_the_name_is_not_known_a_password_is_taken(settings):
    settings.BREACHED_PASSWORDS = "https://pwned.invalid/range/"
    began = time.monotonic()
    assert not is_breached(STOLEN)
    assert time.monotonic() - began < PATIENCE


def test_whoever_did_not_answer_is_left_alone_for_half_a_minute(
    far: Far, caplog: pytest.LogCaptureFixture
):
    far.behave = says_nothing
    assert not is_breached(STOLEN)
    far.behave = knows_the_stolen_one
    began = time.monotonic()
    assert not is_breached(STOLEN)
    assert time.monotonic() - began < 0.5  # and not the second that it does not answer for
    assert len(far.requests) == 1
    assert [record.reason for record in caplog.records] == ["timeout", "paused"]

    with time_machine.travel(timezone.now() + breaches.PAUSE):
        assert is_breached(STOLEN)


def test_of_many_at_once_none_waits_longer(far: Far):
    far.behave = says_nothing
    waits = []

    def ask() -> None:
        began = time.monotonic()
        is_breached(STOLEN)
        waits.append(time.monotonic() - began)

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(waits) < PATIENCE + 1  # thirty threads start
    assert len(far.requests) <= breaches.AT_ONCE


def test_no_thread_outlives_its_question_for_long(far: Far):
    before = threading.active_count()
    far.behave = drips_a_header
    is_breached(STOLEN)
    time.sleep(0.5)
    assert threading.active_count() <= before + 1  # the far side's own


# --- the file ---


@pytest.mark.asvs("6.2.12")
def test_every_hash_of_the_file_is_found_and_no_other(listing: Path):
    assert all(is_breached(f"stolen {n}") for n in range(0, 3000, 7))
    assert is_breached(STOLEN)
    assert not any(is_breached(f"not stolen {n}") for n in range(200))
    assert not is_breached(SAFE), "it was seen no time"


def test_the_first_and_the_last_hash_are_found(listing: Path):
    for line in (listing.read_text().split()[0], listing.read_text().split()[-1]):
        wanted = line.partition(":")[0].encode()
        assert breaches.Listing(str(listing)).knows(wanted.decode())


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("count", [":5", ""])
@pytest.mark.parametrize("last", [True, False])
def test_a_file_may_end_its_lines_one_way_or_the_other(
    settings, tmp_path: Path, ending: str, count: str, last: bool
):
    for size in range(5):
        known = sorted(digest_of(f"stolen {n}") for n in range(size))
        path = tmp_path / f"{size}.txt"
        text = ending.join(digest + count for digest in known) + (ending if last else "")
        path.write_bytes(text.encode().lower())
        settings.BREACHED_PASSWORDS = str(path)
        assert [is_breached(f"stolen {n}") for n in range(5)] == [n < size for n in range(5)]


@pytest.mark.parametrize("content", [None, "not a list at all\n" * 50, "x" * 100_000])
def test_a_file_that_cannot_be_read_takes_every_password(
    settings, tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "hashes.txt"
    if content:
        path.write_text(content)
    settings.BREACHED_PASSWORDS = str(path)
    assert not is_breached(STOLEN)
    assert [record.message for record in caplog.records] == ["breached_passwords.away"]


# --- every door ---


@pytest.mark.asvs("6.2.12")
def test_every_door_asks(far: Far, invite: Invite, alice: Person, inbox: Inbox):
    said = "in a list of stolen ones"
    page = sign_up(Visitor(), invite, Person("carol@example.org", "carol", STOLEN))
    assert (page.status_code, said in page.content.decode()) == (422, True)

    visitor = Visitor()
    visitor.post("/password/forgot/", {"email": alice.email})
    page = visitor.post(inbox.link_to(alice.email), {"password": STOLEN, "repeated": STOLEN})
    assert (page.status_code, said in page.content.decode()) == (422, True)

    log_in(visitor, alice)
    fields = {"current": alice.password, "password": STOLEN, "repeated": STOLEN}
    page = visitor.post("/password/change/", fields)
    assert (page.status_code, said in page.content.decode()) == (422, True)
    assert alice.user.check_password(alice.password)


class Witness:
    """A validator that notes whether it is asked inside a transaction."""

    seen: ClassVar[list[bool]] = []

    def validate(self, password: str, user: object = None) -> None:
        self.seen.append(connection.in_atomic_block)


@pytest.mark.django_db(transaction=True)
def test_no_door_asks_inside_a_transaction(settings, invite: Invite, alice: Person, inbox: Inbox):
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": f"{__name__}.Witness"}]
    Witness.seen.clear()
    sign_up(Visitor(), invite, Person("carol@example.org", "carol"))
    visitor = Visitor()
    visitor.post("/password/forgot/", {"email": alice.email})
    visitor.post(inbox.link_to(alice.email), {"password": SAFE, "repeated": SAFE})
    log_in(visitor, Person(alice.email, alice.username, SAFE))
    fields = {"current": SAFE, "password": STOLEN, "repeated": STOLEN}
    assert visitor.post("/password/change/", fields).status_code == 302
    assert Witness.seen == [False] * 3


def test_a_password_refused_for_another_reason_is_asked_nobody(far: Far, invite: Invite):
    for password in ("too short", "password" * 3, "carol carol carol 1"):
        sign_up(Visitor(), invite, Person("carol@example.org", "carol", password))
    assert far.requests == []


def test_nobody_is_asked_at_the_login(far: Far, alice: Person):
    far.requests.clear()
    log_in(Visitor(), alice)
    assert far.requests == []


@pytest.mark.asvs("6.2.12")
def test_with_the_service_away_people_sign_up(far: Far, invite: Invite):
    far.behave = says_nothing
    began = time.monotonic()
    page = Visitor().post(path_of(invite), vars(Person("carol@example.org", "carol", STOLEN)))
    assert page.status_code == 200
    assert time.monotonic() - began < PATIENCE + 1


def test_it_is_one_of_djangos_validators(far: Far):
    assert "accounts.password_validation.BreachedValidator" in str(
        django_settings.AUTH_PASSWORD_VALIDATORS
    )
    with pytest.raises(ValidationError, match="stolen"):
        validate_password(STOLEN)
