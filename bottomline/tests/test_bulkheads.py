"""What one costs us is not at another's expense: queues of their own, and bodies that drip."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from io import BytesIO
from urllib.parse import urlencode

import pytest
from django.test import override_settings

from accounts import hashers
from bottomline import bodies, local
from bottomline.celery import app
from bottomline.tests.places import no_places
from bottomline.tests.servers import wait_until
from bottomline.tests.stack import Stack
from conftest import Visitor

# --- queues ---


@pytest.mark.asvs("15.4.4")
def test_mail_has_a_queue_that_nothing_else_is_in():
    app.loader.import_default_modules()  # as a worker does
    ours = [name for name in app.tasks if not name.startswith("celery.")]
    in_queues = {name: app.amqp.router.route({}, name)["queue"].name for name in ours}

    assert len(ours) > 5
    for name, queue in in_queues.items():
        assert queue == ("mail" if name.startswith("bottomline.outbox.") else "bulk"), name


def test_a_worker_that_is_not_told_which_queue_takes_from_both(settings):
    assert set(app.amqp.queues.consume_from) == set(settings.CELERY_TASK_QUEUES)


@pytest.mark.asvs("15.4.4")
def test_make_run_has_a_worker_for_each_queue(settings):
    commands = local._processes(8000, {"REDIS_URL": "redis://elsewhere"}, reload=False).values()
    served = re.findall(r"--queues (\S+)", " ".join(commands))
    assert sorted(served) == sorted(settings.CELERY_TASK_QUEUES)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("bulkheads")
    with Stack(folder, broker="redis", BODY_SECONDS="2").up(worker=False) as stack:
        yield stack


@pytest.mark.stack
@pytest.mark.asvs("15.4.4")
def test_mail_is_sent_while_nobody_makes_the_copies_that_members_asked_for(stack: Stack):
    """The copy is asked for first, and no scheduler runs: what is done is done in its turn."""
    stack.start_worker(local.worker_of("mail"))
    ada = stack.member("ada")
    assert ada.browser.post("/account/export/").status == 302
    stack.member("grace")  # who was mailed a link to confirm her address
    assert stack.sql("SELECT ready_at, attempts FROM accounts_export") == [(None, 0)]

    stack.worker.stop()
    stack.start_worker(local.worker_of("bulk"))
    made = "SELECT 1 FROM accounts_export WHERE ready_at IS NOT NULL"
    wait_until(lambda: stack.sql(made), what="the copy is made")
    announced = "SELECT status, attempts FROM outbox_outboxmessage WHERE kind = 'export_ready'"
    assert stack.sql(announced) == [("pending", 0)], "and that worker sends no mail"


# --- bodies that drip ---


class Held(BytesIO):
    """A body whose rest is still on its way; what is there goes to nobody before it is whole."""

    def __init__(self) -> None:
        super().__init__()
        self.rest = threading.Event()

    def read(self, size: int | None = -1) -> bytes:
        assert self.rest.wait(30)
        return b""


def test_of_too_many_bodies_at_once_the_next_is_told_to_come_back(client: Visitor):
    """And a page that nobody posts to is there for everybody meanwhile."""
    with no_places(bodies._reading):
        refused = client.post("/robots.txt", {"a": "b"})
        assert refused.status_code == 503
        assert int(refused["Retry-After"]) > 0
        assert client.get("/robots.txt").status_code == 200
    assert client.post("/robots.txt", {"a": "b"}).status_code == 405


def test_one_network_that_drips_keeps_nobody_else_from_posting(client: Visitor):
    with no_places(bodies._reading, "192.0.2.1"):
        there = client.post("/robots.txt", {"a": "b"}, REMOTE_ADDR="192.0.2.1")
        elsewhere = client.post("/robots.txt", {"a": "b"}, REMOTE_ADDR="192.0.2.2")
    assert (there.status_code, elsewhere.status_code) == (503, 405)


def test_a_body_that_is_too_slow_is_answered_with_less_than_is_said(client: Visitor):
    """Upon which a web server hangs up (RFC 9112, section 8): the page says what happened."""
    slow = Held()
    with override_settings(BODY_SECONDS=0.01):
        response = client.post("/robots.txt", {"a": "b"}, **{"wsgi.input": slow})
    slow.rest.set()
    assert response.status_code == 408
    assert "arrived too slowly" in response.content.decode()
    assert int(response["Content-Length"]) > len(response.content)


@pytest.mark.stack
def test_a_form_whose_end_never_came_is_not_taken_for_a_shorter_one(stack: Stack):
    """As when a phone loses its connection in the middle of a text."""
    token = stack.visitor().csrf_token
    form = {"csrfmiddlewaretoken": token, "email": "a@example.org", "password": "plum"}
    body = urlencode(form)
    with socket.create_connection(("127.0.0.1", stack.port), timeout=20) as connection:
        connection.sendall(
            f"POST /login/ HTTP/1.1\r\nHost: localhost:{stack.port}\r\nCookie: csrf={token}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body) + 1}\r\n\r\n{body}".encode()
        )
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.asvs("15.2.2")
def test_bodies_and_logins_together_leave_threads_for_everybody_else():
    """Each of them alone did; both at their most made every page wait for a second."""
    web = local._processes(8000, {"REDIS_URL": "redis://elsewhere"}, reload=False)["web"]
    threads = int(re.findall(r"--blocking-threads (\d+)", web)[0])
    held = hashers.ADMITTED + hashers.WAITING + bodies.AT_ONCE
    assert held <= threads - 8


@contextlib.contextmanager
def dripping(stack: Stack, how_many: int) -> Iterator[list[socket.socket]]:
    """So many have begun to post a form to `/login/`, and send a byte of it now and then.

    With the cookie that a token is compared with; without it nobody looks at the body.
    """
    token = stack.visitor().csrf_token
    with contextlib.ExitStack() as ends:
        ended = threading.Event()
        slow = []
        for _ in range(how_many):
            connection = socket.create_connection(("127.0.0.1", stack.port), timeout=20)
            ends.enter_context(connection)
            connection.sendall(
                f"POST /login/ HTTP/1.1\r\nHost: localhost:{stack.port}\r\n"
                f"Cookie: csrf={token}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                "Content-Length: 60000\r\n\r\nemail=".encode()
            )
            slow.append(connection)

        def drip() -> None:
            while not ended.wait(0.2):
                for connection in slow:
                    with contextlib.suppress(OSError):
                        connection.send(b"a")

        thread = threading.Thread(target=drip)
        thread.start()
        ends.callback(thread.join)
        ends.callback(ended.set)
        yield slow


def hung_up(connection: socket.socket) -> bool:
    """Whether the other end closes it, after whatever it says, before our patience ends."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


@pytest.mark.stack
@pytest.mark.asvs("5.2.1")
@pytest.mark.asvs("15.2.2")
def test_a_hundred_who_drip_keep_nobody_waiting_and_are_hung_up_on(stack: Stack):
    visitor = stack.visitor()
    with dripping(stack, 100) as slow:
        for path in ("/health/live", "/", "/login/"):
            page = visitor.get(path)
            assert page.status == 200, page
        assert all(hung_up(connection) for connection in slow)
    assert '"event": "body.late"' in stack.log("web")
    page = visitor.log_in("nobody@example.org", "not the password at all")
    assert page.status == 422, "whatever read for them is free again"
