"""What a request may cost: counted, never timed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import get_ident

import argon2.low_level
import pytest
import time_machine
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_redis import get_redis_connection
from redis.connection import AbstractConnection

from bottomline.limits import Limit, spend
from bottomline.outbox import services as outbox
from bottomline.sessions import cookie
from bottomline.tests.test_session_gate import ask
from bottomline.wsgi import application
from conftest import Inbox, Person, Visitor, join, log_in, sign_up
from invites import services as invites
from invites.models import Invite

NAME = django_settings.SESSION_COOKIE_NAME


@dataclass
class Cost:
    """What was asked of others. Each write to a Redis socket waits for its answer: a round trip."""

    redis: list[bytes] = field(default_factory=list)
    sql: list[str] = field(default_factory=list)
    argon2: list[str] = field(default_factory=list)

    @property
    def counts(self) -> tuple[int, int, int]:
        return len(self.redis), len(self.sql), len(self.argon2)


class CountingLibrary:
    """The C library of Argon2, with a note of each run."""

    def __init__(self, library: object, runs: list[str]) -> None:
        self.library, self.runs = library, runs

    def __getattr__(self, name: str) -> object:
        if name in {"argon2_hash", "argon2_verify", "argon2_ctx"}:
            self.runs.append(name)
        return getattr(self.library, name)


@pytest.fixture
def counted(monkeypatch):
    """Counts at the far edge: the socket, the cursor and the C library are the real ones."""
    real = AbstractConnection.send_packed_command

    @contextmanager
    def count() -> Iterator[Cost]:
        cost, asking = Cost(), get_ident()

        def send(self, command, *args, **kwargs):
            # Only what the request waits for: another test's mail may still be on its way to Redis.
            if get_ident() == asking:
                sent = [command] if isinstance(command, (str, bytes)) else list(command)
                cost.redis.append(b"".join(sent))
            return real(self, command, *args, **kwargs)

        with monkeypatch.context() as patch, CaptureQueriesContext(connection) as queries:
            patch.setattr(AbstractConnection, "send_packed_command", send)
            library = CountingLibrary(argon2.low_level.lib, cost.argon2)
            patch.setattr(argon2.low_level, "lib", library)
            yield cost
        cost.sql = [
            query["sql"]
            for query in queries.captured_queries
            # Tests run inside a transaction, where an atomic block is a savepoint.
            if "SAVEPOINT" not in query["sql"]
        ]

    return count


@pytest.fixture
def member(client: Visitor, alice: Person) -> Visitor:
    log_in(client, alice)
    client.get("/account/")  # templates are read, and the connections open
    return client


# --- asking who it is ---


def test_asking_who_it_is_costs_one_round_trip_and_no_sql(member: Visitor, counted):
    header = f"{NAME}={member.cookies[NAME].value}"
    with counted() as through_django:
        assert member.get("/session/").status_code == 200
    with counted() as through_the_gate:
        assert ask(application, HTTP_COOKIE=header)[0] == "200 OK"

    assert through_django.counts == (1, 0, 0)
    assert through_the_gate.counts == (1, 0, 0)


@pytest.mark.parametrize("path", ["/account/", "/", "/login/"])
def test_a_members_page_costs_one_round_trip_and_no_sql(member: Visitor, counted, path):
    with counted() as cost:
        member.get(path)

    assert cost.counts == (1, 0, 0)


def test_once_a_minute_it_costs_a_touch_a_snapshot_and_one_query(member: Visitor, counted):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        clock.shift(61)
        with counted() as cost:
            assert member.get("/session/").status_code == 200
        with counted() as the_next:
            assert member.get("/session/").status_code == 200

    assert cost.counts == (3, 1, 0)
    assert the_next.counts == (1, 0, 0)


# --- nobody ---


@pytest.mark.parametrize("path", ["/", "/login/", "/signup/", "/session/", "/account/", "/admin/"])
def test_a_visitors_page_costs_nothing_and_leaves_no_session_cookie(
    db, client: Visitor, counted, path
):
    with counted() as cost:
        page = client.get(path)

    assert cost.counts == (0, 0, 0)
    assert NAME not in page.cookies


@pytest.mark.parametrize("path", ["/", "/login/", "/signup/", "/session/", "/account/", "/admin/"])
def test_a_forged_cookie_costs_nothing(db, client: Visitor, counted, path):
    client.cookies[NAME] = cookie.sign("s" * 43)[:-1] + "x"
    with counted() as cost:
        client.get(path)

    assert cost.counts == (0, 0, 0)


@pytest.mark.parametrize("path", ["/health/live", "/robots.txt", "/.well-known/security.txt"])
def test_machines_pages_cost_nothing(db, client: Visitor, counted, path):
    with counted() as cost:
        assert client.get(path).status_code == 200

    assert cost.counts == (0, 0, 0)


def test_ten_thousand_visits_leave_redis_as_it_was(db, client: Visitor):
    stores = [get_redis_connection(name) for name in ("default", "sessions")]
    paths = ("/session/", "/", "/login/", "/robots.txt", "/account/")
    for path in paths:
        ask(application, path=path)
    before = [(store.dbsize(), sorted(store.keys("*"))) for store in stores]
    written = stores[0].info("persistence")["aof_current_size"]
    for visit in range(10_000):
        # Most of them ask where it is cheap to, but they all ask through the whole application.
        path = paths[visit % 5] if visit % 50 < 20 else paths[0]
        _, headers, _ = ask(application, path=path)
        assert NAME not in headers.get("Set-Cookie", "")

    assert [(store.dbsize(), sorted(store.keys("*"))) for store in stores] == before
    assert stores[0].info("persistence")["aof_current_size"] == written


# --- logging in ---


def attempt(visitor: Visitor, email: str, password: str) -> int:
    return visitor.post("/login/", {"email": email, "password": password}).status_code


@pytest.fixture
def warm(bob: Person) -> None:
    """Connections open, scripts loaded: what the first login of a process pays and no other."""
    log_in(Visitor(), bob)


def test_a_login_costs_one_hash_six_queries_and_ten_round_trips(warm, alice: Person, counted):
    with counted() as cost:
        assert attempt(Visitor(), alice.email, alice.password) == 302

    assert len(cost.argon2) == 1
    assert len(cost.sql) <= 6, cost.sql
    assert len(cost.redis) <= 10, cost.redis


def test_however_many_limits_are_counted_at_once_it_is_one_round_trip(db, counted):
    limits = [Limit(f"test:{n}", 5, timedelta(minutes=n + 1)) for n in range(5)]
    spend((limits[0], "somebody"))
    for _ in range(2):
        with counted() as cost:
            spend(*((limit, "somebody") for limit in limits))
        assert cost.counts == (1, 0, 0)


def test_a_second_login_on_a_known_device_costs_no_more(warm, alice: Person, counted):
    visitor = Visitor()
    log_in(visitor, alice)
    visitor.post("/logout/")
    with counted() as cost:
        assert attempt(visitor, alice.email, alice.password) == 302

    assert len(cost.argon2) == 1
    assert len(cost.sql) <= 6, cost.sql
    assert len(cost.redis) <= 10, cost.redis


def test_an_unusual_login_costs_no_more(warm, alice: Person, counted):
    """From a device that is not known, after failures: its owner is mailed."""
    log_in(Visitor(), alice)
    for _ in range(5):
        attempt(Visitor(), alice.email, "x" * 20)
    with counted() as cost:
        assert attempt(Visitor(), alice.email, alice.password) == 302

    assert any("outbox" in sql for sql in cost.sql), "it promises a mail"
    assert len(cost.argon2) == 1
    assert len(cost.sql) <= 6, cost.sql
    assert len(cost.redis) <= 10, cost.redis


@pytest.mark.usefixtures("still_clock")
def test_a_login_that_cost_the_browser_work_costs_us_no_more(warm, alice: Person, counted):
    for _ in range(3):
        attempt(Visitor(), alice.email, "x" * 20)
    fields = {"email": alice.email, "password": alice.password}
    with counted() as without:
        assert Visitor().post("/login/", fields | {"altcha": ""}).status_code == 429
    with counted() as cost:
        assert attempt(Visitor(), alice.email, alice.password) == 302

    assert without.counts == (2, 0, 0)
    assert len(cost.argon2) == 1
    assert len(cost.sql) <= 6, cost.sql
    assert len(cost.redis) <= 5, cost.redis


@pytest.mark.asvs("6.3.8")
def test_a_wrong_password_and_an_unknown_address_cost_the_same(warm, alice: Person, counted):
    costs = []
    for email in (alice.email, "nobody@example.org"):
        attempt(Visitor(), email, "x" * 20)  # the first of an address makes its counters
        with counted() as cost:
            assert attempt(Visitor(), email, "x" * 20) == 422
        costs.append(cost.counts)

    assert costs[0] == costs[1]
    assert costs[0][2] == 1


@pytest.mark.usefixtures("still_clock")
def test_a_login_over_the_limit_costs_no_hash(warm, alice: Person, counted):
    while attempt(Visitor(), alice.email, "x" * 20) != 429:
        pass
    with counted() as cost:
        assert attempt(Visitor(), alice.email, alice.password) == 429

    assert cost.argon2 == []
    assert cost.sql == []


def test_a_page_with_a_challenge_costs_nothing(db, client: Visitor, counted):
    with counted() as cost:
        for path in ("/password/forgot/", "/confirmation/resend/"):
            assert "data-challenge=" in client.get(path).text

    assert cost.counts == (0, 0, 0)


# --- signing up ---


def test_signing_up_looks_an_invite_up_once_and_again_under_its_lock(warm, invite: Invite, counted):
    visitor, someone = Visitor(), Person("carol@example.org", "carol")
    with counted() as cost:
        assert sign_up(visitor, invite, someone).status_code == 200

    of_invites = [sql for sql in cost.sql if 'FROM "invites_invite"' in sql]
    assert len(of_invites) == 3, of_invites
    assert len(cost.argon2) == 1
    assert len(cost.redis) <= 6, cost.redis


# --- lists ---


def queries_of(visitor: Visitor, path: str, counted) -> list[str]:
    with counted() as cost:
        assert visitor.get(path).status_code == 200
    return cost.sql


def test_a_members_invites_cost_the_same_however_many_they_are(
    member: Visitor, alice: Person, bob: Person, settings, counted
):
    settings.INVITE_ALLOWANCE = 1000
    invites.issue(issuer=alice.user, label="the first")
    few = queries_of(member, "/account/invites/", counted)
    for number in range(15):
        invites.issue(issuer=alice.user, label=str(number), uses=1 + number)
    many = queries_of(member, "/account/invites/", counted)

    assert len(many) == len(few) <= 7, many


def test_a_members_sessions_cost_three_round_trips_and_no_sql_however_many_they_are(
    member: Visitor, alice: Person, counted
):
    costs = []
    for _ in range(2):
        with counted() as cost:
            assert member.get("/account/sessions/").status_code == 200
        costs.append(cost.counts)
        for _ in range(3):
            log_in(Visitor(), alice)

    assert costs == [(3, 0, 0)] * 2


@pytest.mark.parametrize(
    "path",
    [
        "/admin/accounts/user/",
        "/admin/accounts/event/",
        "/admin/invites/invite/",
        "/admin/outbox/outboxmessage/",
    ],
)
def test_a_list_in_the_admin_costs_the_same_however_long_it_is(
    olivia: Person, inbox: Inbox, counted, path
):
    staff = Visitor()
    log_in(staff, olivia)
    staff.get(path)
    few = queries_of(staff, path, counted)
    for number in range(6):
        person = join(inbox, f"person{number}@example.org", f"person{number}")
        invites.issue(issuer=person.user)
    many = queries_of(staff, path, counted)

    assert Invite.objects.count() > 12
    assert len(many) == len(few), many


def test_sweeping_an_empty_outbox_is_one_query(db, counted):
    with counted() as cost:
        assert outbox.sweep() == 0

    assert cost.counts == (0, 1, 0)
