"""Real servers stopped, frozen and killed under the running product, which is never restarted.

What members and visitors meet meanwhile is the table of design.md, section 5: a page that says so
and when to come back, never a fault, never a logout, never a wait without end.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest
from redis import Redis

from bottomline.database import LONGEST_WAIT
from bottomline.sessions import cookie
from bottomline.sessions.redis import digest_of, session_key
from bottomline.tests.browser import Page, Visitor
from bottomline.tests.environment import POSTGRES
from bottomline.tests.servers import link_in, wait_until
from bottomline.tests.stack import Member, Stack
from conftest import PASSWORD

pytestmark = pytest.mark.stack

BY_ITSELF = 2  # seconds in which what came back is used again (design, section 5)
HANGS = 4  # seconds no answer may take, whatever is frozen; but for the database


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """SQLite, a Redis for sessions and limits, another for the broker."""
    with Stack(tmp_path_factory.mktemp("outages"), broker="redis").up() as stack:
        yield stack
        assert_no_faults(stack)


@pytest.fixture(scope="module")
def big_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL and RabbitMQ, each behind a network that can fail."""
    folder = tmp_path_factory.mktemp("outages")
    with Stack(folder, database="postgres", broker="rabbitmq").up() as stack:
        yield stack
        assert_no_faults(stack)


@pytest.fixture
def member(stack: Stack) -> Member:
    return stack.member(f"member-{stack.sql('SELECT count(*) FROM accounts_user')[0][0]}")


# --- Redis ---------------------------------------------------------------------------------------


@pytest.mark.asvs("16.5.2")
def test_without_redis_members_are_asked_to_wait_and_stay_logged_in(stack: Stack, member: Member):
    invite, visitor = stack.issue_invite(), stack.visitor()
    visitor.get("/login/")
    stack.redis.kill()
    try:
        for path in ("/account/", "/account/sessions/", "/account/invites/", "/session/", "/"):
            assert_asks_to_wait(member.browser.get(path))
        assert_asks_to_wait(member.browser.post("/logout/"))
        assert "session" in member.browser.cookies

        for path in ("/", "/login/", "/signup/", urlsplit(invite).path, "/confirmation/resend/"):
            assert stack.visitor().get(path).status == 200, path
        assert stack.visitor().get("/session/").status == 401
        assert stack.visitor().get("/health/live").status == 200
        assert stack.visitor().get("/health/ready").status == 503

        assert_asks_to_wait(visitor.log_in(member.email, member.password))
        assert_asks_to_wait(visitor.sign_up(invite, "later@example.org", "later", PASSWORD))
        assert_asks_to_wait(ask_for_a_new_password(visitor, member))
    finally:
        stack.redis.start()

    wait_until(lambda: member.browser.is_up("/account/"), seconds=BY_ITSELF)
    assert member.browser.get("/session/").json()["user"]["username"] == member.username
    assert visitor.log_in(member.email, member.password).status == 302
    page = stack.visitor().sign_up(invite, "later@example.org", "later", PASSWORD)
    assert page.status == 200, "the invite was not spent"


@pytest.mark.asvs("7.4.1")
def test_who_logged_out_stays_out_after_redis_is_killed(stack: Stack, member: Member):
    elsewhere = stack.visitor()
    assert elsewhere.log_in(member.email, member.password).status == 302
    dead = dict(member.browser.cookies)
    assert member.browser.post("/logout/").status == 302
    stack.redis.kill()  # in the very moment in which the answer arrived
    stack.redis.start()

    member.browser.cookies = dead
    wait_until(lambda: elsewhere.is_up("/session/"), seconds=BY_ITSELF)
    assert member.browser.get("/session/").status == 401
    assert member.browser.get("/account/").status == 302


@pytest.mark.asvs("16.5.2")
@pytest.mark.asvs("13.2.6")
def test_a_frozen_redis_is_given_up_on(stack: Stack, member: Member):
    invite, visitor = stack.open_invite, stack.visitor()
    visitor.get("/login/")
    with stack.redis.frozen():
        for path in ("/account/", "/session/"):
            assert_asks_to_wait(member.browser.get(path))
        assert_asks_to_wait(visitor.log_in(member.email, member.password))
        assert_asks_to_wait(visitor.sign_up(invite, "x@example.org", "xavier", PASSWORD))
        assert_asks_to_wait(ask_for_a_new_password(visitor, member))
        page = stack.visitor().get("/login/")
        assert (page.status, page.seconds < HANGS) == (200, True)

    wait_until(lambda: member.browser.is_up("/account/"), seconds=BY_ITSELF)
    assert visitor.log_in(member.email, member.password).status == 302


def test_a_mangled_session_is_nobodys_and_no_fault(stack: Stack, member: Member):
    hash_ = session_hash(stack, member)
    with sessions_of(stack) as redis:
        redis.hset(hash_, "meta", b"\\xff not json")

    assert member.browser.get("/session/").status == 401
    assert member.browser.get("/account/").status == 302


# --- the broker ----------------------------------------------------------------------------------


def test_nobody_notices_that_the_broker_is_away(stack: Stack, member: Member):
    stack.broker_redis.kill()
    try:
        emails = sign_up_quickly(stack, "no-broker")
        assert_member_notices_nothing(stack, member)
        assert not any(stack.mail.mails_to(email) for email in emails)
    finally:
        stack.broker_redis.start()

    for email in emails:
        stack.mail.wait_for(email, seconds=60)
    assert_all_delivered_once(stack, emails)


def test_nobody_notices_that_the_broker_is_frozen(stack: Stack, member: Member):
    with stack.broker_redis.frozen():
        emails = sign_up_quickly(stack, "frozen-broker")
        assert_member_notices_nothing(stack, member)

    for email in emails:
        stack.mail.wait_for(email, seconds=60)
    assert_all_delivered_once(stack, emails)


def test_signing_up_does_not_notice_that_rabbitmq_is_away(big_stack: Stack):
    with big_stack.broker_proxy.gone():
        emails = sign_up_quickly(big_stack, "no-rabbit")
        assert not any(big_stack.mail.mails_to(email) for email in emails)

    for email in emails:
        big_stack.mail.wait_for(email, seconds=60)
    assert_all_delivered_once(big_stack, emails)


def test_signing_up_does_not_notice_that_rabbitmq_says_nothing(big_stack: Stack):
    with big_stack.broker_proxy.frozen():
        emails = sign_up_quickly(big_stack, "mute-rabbit")

    for email in emails:
        big_stack.mail.wait_for(email, seconds=60)
    assert_all_delivered_once(big_stack, emails)


def test_mail_goes_on_after_rabbitmq_has_dropped_every_connection(big_stack: Stack):
    """Dropped while nobody was using it, a connection looks open to whoever publishes next."""
    with big_stack.broker_proxy.gone():
        pass
    for name in ("first-after", "second-after"):
        sign_up(big_stack, f"{name}@example.org", name)
        big_stack.mail.wait_for(f"{name}@example.org", seconds=20)
    so_far = len(big_stack.log("scheduler"))
    time.sleep(3)  # in which it says three times that there may be work
    assert len(big_stack.log("scheduler")) == so_far


# --- the mail server and the worker ------------------------------------------------------------


def test_a_worker_killed_after_the_mail_was_taken_sends_the_same_mail_again(stack: Stack):
    email = "twice@example.org"
    stack.mail.stall.set()
    try:
        sign_up(stack, email, "twice")
        first = stack.mail.wait_for(email)
        stack.worker.kill()
    finally:
        stack.mail.stall.clear()
    [(status, attempts)] = outbox_of(stack, email)
    assert (status, attempts) == ("pending", 1)
    stack.start_worker()
    time.sleep(3)
    assert len(stack.mail.mails_to(email)) == 1, "the lease of the dead worker holds"

    let_leases_end(stack)
    second = stack.mail.wait_for(email, 2)

    assert second["Message-ID"] == first["Message-ID"]
    assert link_in(second) == link_in(first)
    wait_until(lambda: outbox_of(stack, email) == [("sent", 2)])
    assert stack.visitor().confirm(link_in(second)).status == 302


def test_a_mail_server_that_is_away_gets_the_mail_when_it_is_back_once(
    stack: Stack, member: Member
):
    emails = [f"no-smtp-{n}@example.org" for n in range(3)]
    stack.mail.stop()
    try:
        for n, email in enumerate(emails):
            sign_up(stack, email, f"no-smtp-{n}")
        wait_until(lambda: "ConnectionRefusedError" in errors_of(stack, emails[0]))
        wait_until(
            lambda: all(outbox_of(stack, email) == [("pending", 0)] for email in emails),
            what="an attempt that never reached a server does not count",
        )
        assert_member_notices_nothing(stack, member)
    finally:
        stack.mail.start()

    for email in emails:
        hurry(stack)
        stack.mail.wait_for(email)
    assert_all_delivered_once(stack, emails)


def test_a_mail_server_that_is_frozen_is_given_up_on_and_gets_the_mail_later_once(
    stack: Stack, member: Member
):
    email = "frozen-smtp@example.org"
    with stack.mail.frozen():
        sign_up(stack, email, "frozen-smtp")
        wait_until(lambda: errors_of(stack, email), what="the worker has stopped waiting")
        wait_until(lambda: outbox_of(stack, email) == [("pending", 0)], what="it does not count")
        assert_member_notices_nothing(stack, member)

    hurry(stack)
    stack.mail.wait_for(email)
    assert_all_delivered_once(stack, [email])


def test_a_mail_server_that_is_mute_about_one_mail_gets_the_others(stack: Stack):
    mute, other = "mute@example.org", "not-mute@example.org"
    stack.mail.mute_about = mute
    try:
        sign_up(stack, mute, "mute")
        sign_up(stack, other, "not-mute")
        stack.mail.wait_for(other)
        wait_until(lambda: errors_of(stack, mute), what="the worker has stopped waiting")
        assert outbox_of(stack, mute) == [("pending", 1)]
    finally:
        stack.mail.mute_about = ""

    hurry(stack)
    stack.mail.wait_for(mute)
    assert_all_delivered_once(stack, [mute, other])


@pytest.mark.parametrize("reply", ["451 Try again later", "421 Busy"])
def test_a_mail_refused_for_now_is_delivered_later_once(stack: Stack, reply: str):
    email = f"later-{reply[:3]}@example.org"
    stack.mail.answer = reply
    try:
        sign_up(stack, email, f"later-{reply[:3]}")
        wait_until(lambda: f"SMTP {reply[:3]}" in errors_of(stack, email), what="it was postponed")
        assert outbox_of(stack, email) == [("pending", 1)]
    finally:
        stack.mail.answer = None

    hurry(stack)
    stack.mail.wait_for(email)
    assert_all_delivered_once(stack, [email])


def test_a_mail_refused_for_good_is_a_dead_letter_and_can_be_retried(stack: Stack):
    email = "nobody-there@example.org"
    stack.mail.refuse_recipients = "550 No such user"
    try:
        sign_up(stack, email, "nobody-there")
        wait_until(lambda: outbox_of(stack, email) == [("dead", 1)], what="a dead letter")
        assert errors_of(stack, email) == "SMTP 550"
        refused = stack.mail.refused
        time.sleep(3)
        assert stack.mail.refused == refused, "nobody tries again by themselves"
    finally:
        stack.mail.refuse_recipients = None

    [(message_id,)] = stack.sql("SELECT id FROM outbox_outboxmessage WHERE status = 'dead'")
    stack.python(f"from bottomline.outbox.services import retry; assert retry({str(message_id)!r})")
    stack.mail.wait_for(email)
    assert_all_delivered_once(stack, [email])


# --- the database --------------------------------------------------------------------------------


@pytest.mark.asvs("16.5.2")
def test_without_the_database_whoever_is_logged_in_stays_so(big_stack: Stack):
    stack, member = big_stack, big_stack.member("kept")
    invite, visitor = stack.issue_invite(), stack.visitor()
    visitor.get("/login/")
    let_snapshot_grow_old(stack, member)
    with no_database(stack):
        for _ in range(3):
            page = member.browser.get("/session/")
            assert page.status == 200, page
            assert page.json()["user"]["username"] == "kept"
            assert page.headers["X-Auth-Username"] == "kept"
        assert_asks_to_wait(member.browser.get("/account/invites/"))
        assert_asks_to_wait(visitor.log_in(member.email, member.password))
        assert_asks_to_wait(visitor.get(urlsplit(invite).path))
        assert_asks_to_wait(visitor.sign_up(invite, "x@example.org", "xavier", PASSWORD))
        assert_asks_to_wait(ask_for_a_new_password(visitor, member))
        assert stack.visitor().get("/login/").status == 200
        assert stack.visitor().get("/health/live").status == 200
        assert stack.visitor().get("/health/ready").status == 503
        assert member.browser.cookies["session"]

    wait_until(lambda: member.browser.is_up("/account/invites/"), seconds=BY_ITSELF)
    assert visitor.log_in(member.email, member.password).status == 302
    sign_up(stack, "after@example.org", "after")
    stack.mail.wait_for("after@example.org", seconds=60)


@pytest.mark.asvs("16.5.2")
def test_without_the_database_or_redis_nobody_is_deleted_or_half_deleted(big_stack: Stack):
    stack, member = big_stack, big_stack.member("leaving")
    page, name = member.browser.get("/account/delete/"), {"username": "leaving"}
    assert page.status == 200
    with no_database(stack):
        assert_cannot_delete(member.browser.post("/account/delete/", name))
    wait_until(lambda: member.browser.is_up("/account/delete/"), seconds=BY_ITSELF)
    with stack.redis.frozen():
        assert_cannot_delete(member.browser.post("/account/delete/", name))
    stack.redis.kill()
    try:
        assert_cannot_delete(member.browser.post("/account/delete/", name))
    finally:
        stack.redis.start()

    wait_until(lambda: member.browser.is_up("/account/delete/"), seconds=BY_ITSELF)
    assert stack.sql("SELECT closed_at FROM accounts_user WHERE username = 'leaving'") == [(None,)]
    # Neither the broker nor the mail server is needed for it: that mail waits.
    with stack.broker_proxy.gone():
        assert member.browser.post("/account/delete/", name).status == 302
    assert member.browser.get("/session/").status == 401


@pytest.mark.asvs("13.2.6")
def test_a_database_that_says_nothing_holds_nobody_who_does_not_need_it(big_stack: Stack):
    stack, member = big_stack, big_stack.member("waiting")
    invite, waiting = stack.issue_invite(), stack.visitor()
    assert member.browser.get("/session/").status == 200  # a login is read again once
    pages: list[Page] = []
    with stack.database_proxy.frozen():
        in_need = threading.Thread(target=lambda: pages.append(waiting.get(invite)))
        in_need.start()
        time.sleep(0.5)
        for page in (
            member.browser.get("/session/"),
            member.browser.get("/account/"),
            stack.visitor().get("/login/"),
        ):
            assert (page.status, page.seconds < HANGS) == (200, True), page
        assert not pages, "it waits for the database"
    in_need.join()

    # On a machine so busy that all this took longer, it has been told to come back.
    assert pages[0].status == 200 or pages[0].seconds > LONGEST_WAIT, pages[0]


@pytest.mark.asvs("16.5.2")
@pytest.mark.asvs("13.2.6")
def test_a_database_that_says_nothing_is_given_up_on(big_stack: Stack):
    stack, member = big_stack, big_stack.member("patient")
    invite, someone, newcomer = stack.issue_invite(), stack.visitor(), stack.visitor()
    for visitor in (someone, newcomer):
        visitor.get("/login/")
    let_snapshot_grow_old(stack, member)
    with stack.database_proxy.frozen():
        asked = all_at_once(
            lambda: someone.log_in(member.email, member.password),
            lambda: newcomer.sign_up(invite, "x@example.org", "xavier", PASSWORD),
            lambda: ask_for_a_new_password(stack.visitor(), member),
            lambda: stack.visitor().get(urlsplit(invite).path),
            lambda: member.browser.get("/session/"),
        )
        for page in asked[:-1]:
            assert_asks_to_wait(page, seconds=LONGEST_WAIT + HANGS)
        assert (asked[-1].status, asked[-1].json()["user"]["username"]) == (200, "patient")
        again = someone.log_in(member.email, member.password)
        assert_asks_to_wait(again, seconds=LONGEST_WAIT + HANGS)

    wait_until(lambda: member.browser.is_up("/account/invites/"), seconds=BY_ITSELF)
    assert someone.log_in(member.email, member.password).status == 302
    page = newcomer.sign_up(invite, "x@example.org", "xavier", PASSWORD)
    assert page.status == 200, "the invite was not spent"


# --- how it is told ------------------------------------------------------------------------------


def all_at_once(*asks: Callable[[], Page]) -> list[Page]:
    with ThreadPoolExecutor(len(asks)) as threads:
        return list(threads.map(lambda ask: ask(), asks))


def assert_asks_to_wait(page: Page, *, seconds: float = HANGS) -> None:
    """503 with a time to come back, in words, in time; and nobody is logged out by it."""
    assert page.status == 503, page
    assert int(page.headers["Retry-After"]) >= 1
    assert "session" not in page.cookies_set
    assert page.headers["Cache-Control"] == "no-store, private"
    assert page.seconds < seconds, page
    assert "Back in a moment" in page.text or page.json()["error"]


def assert_cannot_delete(page: Page) -> None:
    assert page.status == 503, page
    assert int(page.headers["Retry-After"]) >= 1
    assert "session" not in page.cookies_set
    assert "Deleting is not possible now" in page.text
    assert page.seconds < HANGS, page


def assert_no_faults(stack: Stack) -> None:
    log = stack.log("web")
    for fault in ("Traceback", "Internal Server Error"):
        assert fault not in log, log[log.index(fault) - 500 :][:3000]


def assert_all_delivered_once(stack: Stack, emails: list[str]) -> None:
    wait_until(
        lambda: all(status == "sent" for e in emails for status, _ in outbox_of(stack, e)),
        what="all are noted as sent",
    )
    for email in emails:
        assert len(stack.mail.mails_to(email)) == 1, email


def ask_for_a_new_password(visitor: Visitor, member: Member) -> Page:
    return visitor.post("/password/forgot/", {"email": member.email})


def assert_member_notices_nothing(stack: Stack, member: Member) -> None:
    """Neither logged in, nor on the way in, nor who forgot the password."""
    visitor = stack.visitor()
    pages = [
        member.browser.get("/account/"),
        member.browser.get("/session/"),
        ask_for_a_new_password(visitor, member),
        visitor.log_in(member.email, member.password),
    ]
    assert [page.status for page in pages] == [200, 200, 302, 302]
    assert max(page.seconds for page in pages) < HANGS


def sign_up(stack: Stack, email: str, username: str) -> Page:
    page = stack.visitor().sign_up(stack.open_invite, email, username, PASSWORD)
    assert page.status == 200, page
    return page


def sign_up_quickly(stack: Stack, name: str) -> list[str]:
    """Three people; on a busy machine one answer may be slow, a wait for the broker slows all."""
    emails = [f"{name}-{n}@example.org" for n in range(3)]
    pages = [sign_up(stack, email, f"{name}-{n}") for n, email in enumerate(emails)]
    assert min(page.seconds for page in pages) < 1
    assert max(page.seconds for page in pages) < HANGS
    return emails


OF_ADDRESS = (
    "FROM outbox_outboxmessage AS message JOIN accounts_token AS token "
    "ON replace(message.subject, '-', '') = replace(CAST(token.public_id AS text), '-', '') "
    "WHERE sent_to = %s"
)


def outbox_of(stack: Stack, email: str) -> list[tuple[str, int]]:
    return stack.sql(f"SELECT message.status, message.attempts {OF_ADDRESS}", email)


def errors_of(stack: Stack, email: str) -> str:
    return " ".join(row[0] for row in stack.sql(f"SELECT message.last_error {OF_ADDRESS}", email))


PENDING = "WHERE status = 'pending'"
LONG_AGO = "2020-01-01 00:00:00+00:00"


def let_leases_end(stack: Stack) -> None:
    """As time would."""
    stack.sql(f"UPDATE outbox_outboxmessage SET lease_until = %s {PENDING}", LONG_AGO)


def hurry(stack: Stack) -> None:
    """As time would: what waits for its next attempt is due."""
    stack.sql(f"UPDATE outbox_outboxmessage SET next_attempt_at = %s {PENDING}", LONG_AGO)


@contextlib.contextmanager
def sessions_of(stack: Stack) -> Iterator[Redis]:
    with Redis(unix_socket_path=str(stack.redis.socket), db=0) as redis:
        yield redis


def session_hash(stack: Stack, member: Member) -> str:
    sid = member.browser.cookies["session"].partition(".")[0]
    assert len(sid) == cookie.SID_LENGTH
    return session_key(digest_of(sid))


def let_snapshot_grow_old(stack: Stack, member: Member) -> None:
    """As ten minutes would: the user was read then, and seen then."""
    hash_ = session_hash(stack, member)
    with sessions_of(stack) as redis:
        for name, stamp in (("user", "read_at"), ("meta", "seen")):
            kept = json.loads(redis.hget(hash_, name))
            redis.hset(hash_, name, json.dumps(kept | {stamp: kept[stamp] - 600}))


@contextlib.contextmanager
def no_database(stack: Stack) -> Iterator[None]:
    """Nobody gets in, and whoever was in is out."""
    name = urlsplit(stack.direct_database_url).path[1:]
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
