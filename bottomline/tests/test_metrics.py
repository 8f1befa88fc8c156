"""What is counted, who is shown it, and that it says nothing about anybody."""

import ast
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from accounts.hashers import admission
from bottomline import bodies, exposition, seldom
from bottomline.outbox.models import OutboxMessage
from bottomline.signals import serve_metrics
from bottomline.tests import environment
from bottomline.tests.places import no_places
from bottomline.tests.servers import free_port, link_in, wait_until
from bottomline.tests.stack import Stack
from bottomline.tests.test_architecture import modules
from bottomline.tests.test_budgets import counted
from bottomline.tests.test_session_gate import ask, cookies
from bottomline.wsgi import application
from conftest import Inbox, Person, Visitor, join, log_in, sign_up
from invites import services as invites

__all__ = ["cookies", "counted"]

TOKEN = django_settings.METRICS_TOKEN
Samples = dict[tuple[str, ...], float]


def read(text: str) -> Samples:
    """Each series by its name and the values of its labels, in the order of their names."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, *(value for _, value in sorted(sample.labels.items())))
            assert key not in found, "a series is given once"
            found[key] = sample.value
    return found


def scrape(app=application, **headers: str) -> Samples:
    status, sent, body = ask(
        app, path="/metrics", **{"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"} | headers
    )
    assert status == "200 OK", body
    assert sent["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read(body.decode())


def more(before: Samples, after: Samples, *key: str) -> float:
    return after.get(key, 0) - before.get(key, 0)


# --- who is shown it ---


@pytest.mark.asvs("13.4.5")
def test_without_a_token_in_the_environment_there_is_no_such_page(db, settings):
    settings.METRICS_TOKEN = ""
    for given in ({}, {"HTTP_AUTHORIZATION": "Bearer "}, {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}):
        for method in ("GET", "HEAD", "POST"):
            here = ask(application, path="/metrics", method=method, **given)
            nowhere = ask(application, path="/nothing", method=method, **given)

            assert here[0] == nowhere[0] == "404 Not Found"
            assert here[2] == nowhere[2]
            assert set(here[1]) == set(nowhere[1])


@pytest.mark.asvs("13.4.5")
@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN.upper()}",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 9000,
    ],
)
def test_whoever_has_not_the_token_is_shown_nothing_and_costs_nothing(db, given, counted):
    with counted() as cost:
        status, headers, body = ask(application, path="/metrics", HTTP_AUTHORIZATION=given)

    assert status == "401 Unauthorized"
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert b"bottomline_" not in body
    assert cost.counts == (0, 0, 0)


def test_whoever_has_it_is_shown_all_by_whatever_name_they_call(db):
    for host in ("10.0.0.7:8000", "web", "door.example.org"):
        assert ("bottomline_up", "database") in scrape(HTTP_HOST=host)


def test_the_answer_has_the_whole_set_of_headers(db):
    _, unknown, _ = ask(application, path="/nothing")
    for given in ("", f"Bearer {TOKEN}"):
        _, headers, body = ask(application, path="/metrics", HTTP_AUTHORIZATION=given)
        assert set(unknown) - set(headers) == {"Vary"} & set(unknown)
        assert headers["Content-Length"] == str(len(body))


def test_asking_for_the_head_gives_no_body(db):
    given = {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}
    status, headers, body = ask(application, path="/metrics", method="HEAD", **given)

    assert (status, body) == ("200 OK", b"")
    assert int(headers["Content-Length"]) > 100


@pytest.mark.parametrize("token", ["short", "x" * 31])
def test_a_token_that_can_be_guessed_is_refused(token):
    done = subprocess.run(
        [sys.executable, "-c", "import bottomline.settings"],
        env={**os.environ, "METRICS_TOKEN": token},
        capture_output=True,
        text=True,
    )
    assert done.returncode
    assert "METRICS_TOKEN must be 32 characters" in done.stderr


# --- what is counted ---


@pytest.mark.asvs("16.3.1")
def test_each_outcome_is_counted_with_its_reason(inbox: Inbox, client: Visitor):
    before = scrape()
    person = join(inbox, "dora@example.org", "dora")
    client.post("/login/", {"email": person.email, "password": "not the password at all"})
    log_in(client, person)
    client.post("/logout/")
    after = scrape()

    for event, reason in (
        ("signup.done", ""),
        ("login.refused", "bad_credentials"),
        ("login.completed", ""),
        ("logout.done", ""),
    ):
        assert more(before, after, "bottomline_events_total", event, reason) == 1, event
    assert more(before, after, "bottomline_mails_total", "confirm_email", "sent") == 1
    assert more(before, after, "bottomline_hash_seconds_count", "encode") >= 1
    assert more(before, after, "bottomline_hash_seconds_count", "verify") >= 2


def test_each_answer_is_counted_by_its_view_and_timed(cookies: str):
    before, visitor = scrape(), Visitor()
    visitor.get("/login/")
    visitor.post("/login/")
    visitor.get("/health/live")
    ask(application, HTTP_COOKIE=cookies)
    ask(application)
    after = scrape()

    for status, view in (
        ("200", "accounts:login"),
        ("422", "accounts:login"),
        ("200", "bottomline.health.views.live"),
        ("200", "session"),
        ("401", "session"),
    ):
        assert more(before, after, "bottomline_requests_total", status, view) == 1, view
    for view, times in (("accounts:login", 2), ("session", 2)):
        assert more(before, after, "bottomline_request_seconds_count", view) == times
        assert more(before, after, "bottomline_request_seconds_bucket", "+Inf", view) == times
        assert more(before, after, "bottomline_request_seconds_sum", view) > 0


@pytest.mark.usefixtures("still_clock")
def test_a_limit_that_is_exceeded_is_counted_by_its_name(db, client: Visitor):
    before = scrape()
    while client.post("/login/", {"email": "a@example.org", "password": "x"}).status_code != 429:
        pass
    after = scrape()

    assert more(before, after, "bottomline_limits_exceeded_total", "login:account") == 1
    assert more(before, after, "bottomline_limits_exceeded_total", "login:network") == 0


def test_who_hashes_is_seen_while_they_do(db):
    with admission("192.0.2.1"):
        assert scrape()["bottomline_hashing_requests", "admitted"] == 1
    after = scrape()

    assert after["bottomline_hashing_requests", "admitted"] == 0
    assert after["bottomline_hashing_requests", "waiting"] == 0


def test_invented_addresses_make_no_series(db, client: Visitor):
    for path in ("/nothing/", "/login/x/", "/static/none.css"):
        client.get(path)
    before = scrape()
    for number in range(30):
        client.get(f"/nothing/{number}/")
        client.get(f"/invite/{number}/")
        client.get(f"/people/{number}/")
        client.generic(f"METHOD{number}", "/login/")
    views = {key[2] for key in set(scrape()) - set(before) if key[0] == "bottomline_requests_total"}

    assert views <= {"invites:welcome", "accounts:person", "accounts:login"}


@pytest.mark.asvs("16.2.5")
def test_a_whole_journey_leaves_nothing_of_anybody(inbox: Inbox, alice: Person):
    person, visitor = Person("carol@example.org", "carol"), Visitor()
    invite = invites.issue(issuer=alice.user, label="for my friend Carol")
    sign_up(visitor, invite, person)
    link = inbox.link_to(person.email)
    token = visitor.get(link).context["token"]
    visitor.post("/confirm_account/", {"confirmation": token})
    log_in(visitor, person)
    given = {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}
    text = ask(application, path="/metrics", **given)[2].decode()

    assert "login.completed" in text
    cookie = visitor.cookies[django_settings.SESSION_COOKIE_NAME].value
    for secret in ("@", "carol", "alice", token, cookie, str(alice.user.pk), "127.0.0.1", "friend"):
        assert secret not in text.lower(), secret


def test_a_reason_is_a_word_of_ours():
    """Typed by nobody: what a service gives as a reason is written in the code."""
    calls = [
        (name, node)
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"record", "log_only"}
    ]
    given = [(name, k) for name, call in calls for k in call.keywords if k.arg in {"reason", None}]
    reasons = [ast.unparse(k.value) for _, k in given if k.arg == "reason"]
    unnamed = {(name, ast.unparse(k.value)) for name, k in given if k.arg is None}

    assert len(reasons) >= 6
    assert all(r.endswith(".reason") or ast.literal_eval(r).isidentifier() for r in reasons)
    # One passes on what it was given, the other says only that a login was unusual.
    assert unnamed == {("accounts/events.py", "fields"), ("accounts/services/login.py", "unusual")}


# --- how things stand ---


def test_a_scrape_costs_two_queries_and_one_round_trip_to_each_redis(db, counted):
    scrape()
    with counted() as here:
        scrape()
    with counted() as on_the_other_thread:
        exposition._outbox()

    assert here.counts == (2, 0, 0)
    assert on_the_other_thread.counts == (0, 2, 0)


@pytest.mark.django_db(transaction=True)
def test_what_waits_in_the_outbox_is_seen():
    empty = scrape()
    now = timezone.now()
    for minutes, status in ((10, "pending"), (5, "pending"), (60, "dead"), (90, "moot")):
        past = now - timezone.timedelta(minutes=minutes)
        OutboxMessage.objects.create(
            kind="x", subject="x", status=status, created_at=past, next_attempt_at=past
        )
    OutboxMessage.objects.filter(created_at=now - timezone.timedelta(minutes=10)).update(
        next_attempt_at=now + timezone.timedelta(hours=1)
    )
    found = scrape()

    assert empty["bottomline_outbox_messages", "pending"] == 0
    assert empty["bottomline_outbox_messages", "dead"] == 0
    assert empty["bottomline_outbox_oldest_seconds",] == 0
    assert found["bottomline_outbox_messages", "pending"] == 2
    assert found["bottomline_outbox_messages", "dead"] == 1
    assert found["bottomline_outbox_oldest_seconds",] == pytest.approx(600, abs=30)
    assert found["bottomline_outbox_overdue_seconds",] == pytest.approx(300, abs=30)


def test_sessions_are_seen_to_begin_and_end(client: Visitor, alice: Person):
    none = scrape()["bottomline_redis_keys", "sessions"]
    log_in(client, alice)
    one = scrape()["bottomline_redis_keys", "sessions"]
    client.post("/logout/")

    assert (none, one) == (0, 2)
    assert scrape()["bottomline_redis_keys", "sessions"] == 0
    assert scrape()["bottomline_redis_memory_bytes", "sessions"] > 0


@pytest.mark.asvs("16.5.2")
def test_without_redis_the_rest_is_shown(db, client: Visitor):
    before = scrape()
    environment.redis.kill()
    try:
        client.post("/login/", {"email": "a@example.org", "password": "x" * 20})
        away = scrape()
    finally:
        environment.redis.start()

    assert away["bottomline_up", "database"] == 1
    assert away["bottomline_up", "redis_sessions"] == 0
    assert away["bottomline_up", "redis_limits"] == 0
    assert away["bottomline_outbox_messages", "pending"] == 0
    assert more(before, away, "bottomline_unavailable_total", "redis_away") == 1
    assert not [key for key in away if key[0].startswith("bottomline_redis_")]
    assert scrape()["bottomline_up", "redis_sessions"] == 1


def test_what_is_full_is_counted_each_time_and_said_once_a_second(
    db, client: Visitor, caplog: pytest.LogCaptureFixture
):
    before, began, refused = scrape(), monotonic(), 0
    with no_places(bodies._reading):
        while monotonic() - began < 1.5 * seldom.PAUSE:
            assert client.post("/robots.txt", {"a": "b"}).status_code == 503
            refused += 1
    took = monotonic() - began
    lines = [record for record in caplog.records if record.message == "unavailable"]

    assert {record.reason for record in lines} == {"bodies_busy"}
    assert 1 <= len(lines) <= 1 + took / seldom.PAUSE < refused
    assert more(before, scrape(), "bottomline_unavailable_total", "bodies_busy") == refused


# --- several processes ---

DIES = """
import os, django; django.setup()
from bottomline import metrics
metrics.EVENTS.labels("test.died", "").inc(3)
metrics.HASHING_REQUESTS.labels("waiting").inc(7)
os._exit(9)
"""


def test_what_a_process_counted_outlives_it_and_what_it_was_doing_does_not(db):
    before = scrape()
    subprocess.run([sys.executable, "-c", DIES], cwd=environment_root(), check=False)
    (Path(django_settings.METRICS_DIR) / f"counter_{os.getpid()}0.db").touch()  # being made
    after = scrape()

    assert more(before, after, "bottomline_events_total", "test.died", "") == 3
    assert after.get(("bottomline_hashing_requests", "waiting"), 0) == 0


def environment_root() -> Path:
    return Path(__file__).resolve().parents[2]


def test_a_command_leaves_no_files(tmp_path: Path):
    folder = tmp_path / "metrics"
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env={**os.environ, "METRICS_DIR": str(folder)},
        cwd=environment_root(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not folder.exists()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two web processes that share a folder, and a worker that answers for itself."""
    folder = tmp_path_factory.mktemp("metrics")
    stack = Stack(
        folder,
        database="postgres",
        web_processes=2,
        METRICS_TOKEN=TOKEN,
        METRICS_DIR=str(folder / "counts"),
        METRICS_PORT=str(free_port()),
    )
    with stack.up():
        yield stack


def scrape_port(port: int, token: str = TOKEN) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.stack
def test_whichever_process_is_asked_answers_for_all(stack: Stack):
    def robots(samples: Samples) -> float:
        return samples.get(("bottomline_requests_total", "200", "bottomline.views.robots"), 0)

    sent = 0

    def both_have_answered() -> bool:
        nonlocal sent
        for _ in range(20):
            assert stack.visitor().get("/robots.txt").status == 200
            sent += 1
        counts = (stack.folder / "counts").glob("counter_*.db")
        return sum(b"views.robots" in file.read_bytes() for file in counts) >= 2

    wait_until(both_have_answered, what="both processes have answered")
    seen = Counter(robots(read(scrape_port(stack.port)[1])) for _ in range(20))

    assert seen == {sent: 20}


@pytest.mark.stack
def test_a_worker_answers_for_itself(stack: Stack):
    port = int(stack.environment["METRICS_PORT"])
    visitor = stack.visitor()
    page = visitor.sign_up(stack.issue_invite(), "erin@example.org", "erin", "x plum orbit kettle")
    assert page.status == 200
    assert link_in(stack.mail.wait_for("erin@example.org"))

    def mail_counted() -> bool:
        return ("bottomline_mails_total", "confirm_email", "sent") in read(scrape_port(port)[1])

    wait_until(mail_counted, what="the worker has counted the mail")
    samples = read(scrape_port(port)[1])
    assert any(
        key[0] == "bottomline_tasks_total" and key[1] == "SUCCESS" and "outbox" in key[2]
        for key in samples
    )
    assert not [key for key in samples if key[0].startswith(("bottomline_up", "bottomline_outbox"))]
    assert scrape_port(port, token="wrong")[0] == 401
    assert '"request": "' in stack.log("worker")


def test_a_worker_whose_port_is_taken_works_on_and_says_so(settings, caplog):
    with socket.create_server(("", 0)) as taken:
        settings.METRICS_PORT = taken.getsockname()[1]
        serve_metrics()

    assert [record.message for record in caplog.records] == ["metrics.not_served"]


@pytest.mark.stack
@pytest.mark.asvs("16.5.2")
def test_a_frozen_database_does_not_hold_a_scrape(stack: Stack):
    with stack.database_proxy.frozen():
        began = monotonic()
        status, text = scrape_port(stack.port)
        took = monotonic() - began

    assert status == 200
    assert read(text)["bottomline_up", "database"] == 0
    assert read(text)["bottomline_up", "redis_sessions"] == 1
    assert took < 10, "within a scraper's patience"
    wait_until(
        lambda: read(scrape_port(stack.port)[1])["bottomline_up", "database"] == 1,
        what="the database is seen again",
    )
