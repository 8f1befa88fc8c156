"""From an invite to a session and out again, over real HTTP, broker, mail server and database."""

import json
import re
from base64 import b64decode
from urllib.parse import quote, urlsplit

import pytest
from amqp import Connection

from bottomline.tests.environment import RABBITMQ
from bottomline.tests.servers import link_in, text_of, wait_until
from bottomline.tests.stack import Stack, rabbitmqctl
from conftest import PASSWORD

pytestmark = pytest.mark.stack

PRODUCTS = {
    "SQLite and Redis": {"database": "sqlite", "broker": "redis"},
    "PostgreSQL and RabbitMQ": {"database": "postgres", "broker": "rabbitmq"},
}
BODY = re.compile(r'"body": ?"([\w+/=]+)"')


@pytest.fixture(scope="module", params=PRODUCTS.values(), ids=PRODUCTS)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Web and mail server; the worker comes later, so that a test sees what waits for it."""
    with Stack(tmp_path_factory.mktemp("journey"), **request.param).up(worker=False) as stack:
        yield stack


@pytest.fixture
def worker(stack: Stack) -> None:
    if not stack.worker.is_alive():
        stack.start_worker()


@pytest.mark.asvs("16.2.5")
def test_an_invited_person_becomes_a_member_and_nothing_secret_is_left_behind(stack: Stack):
    email, browser = "ada.marker@example.org", stack.visitor()
    invite = stack.issue_invite()
    stack.worker.kill()

    welcome = browser.get(invite)
    assert welcome.status == 200
    page = browser.sign_up(invite, email, "adamarker", PASSWORD)
    assert page.status == 200
    assert "Check your email" in page.text

    # No scheduler runs, so what brings the mail is the message in the broker.
    waiting = wait_until(lambda: what_waits(stack), what="the broker has the message")
    assert "bottomline.outbox.tasks.deliver_message" in waiting
    stack.start_worker()
    mail = stack.mail.wait_for(email)
    assert stack.mail.recipients[-1] == [email]
    link = link_in(mail)
    assert link.startswith(f"{stack.url}/invite/?confirmation=")

    assert browser.log_in(email, PASSWORD).status == 422, "not before the address is confirmed"
    page = browser.confirm(link)
    assert (page.status, page.headers["Location"]) == (302, "/login/")
    assert "Your address is confirmed" in browser.get("/login/").text

    page = browser.log_in(email, PASSWORD)
    assert (page.status, page.headers["Location"]) == (302, "/account/")
    cookie = browser.cookies["session"]
    page = browser.get("/account/")
    assert page.status == 200
    assert "adamarker" in page.text
    page = browser.get("/session/")
    assert page.status == 200
    assert page.json()["user"]["username"] == "adamarker"
    assert page.headers["X-Auth-Username"] == "adamarker"

    assert browser.post("/logout/").status == 302
    assert "session" not in browser.cookies
    browser.cookies["session"] = cookie
    assert browser.get("/session/").status == 401, "the cookie is dead, not only forgotten"

    sid, _, signature = cookie.partition(".")
    secrets = {
        "invite token": urlsplit(invite).path.split("/")[2],
        "confirmation token": link.partition("=")[2],
        "password": PASSWORD,
        "session id": sid,
        "signature": signature,
        "CSRF cookie": browser.cookies["csrf"],
        "device cookie": browser.cookies["device"],
    }
    # Its sessions know the address of whoever is logged in; the broker and the logs do not.
    assert_free_of(stack.redis.everything_written(), secrets)
    secrets |= {"address": email, "local part": "ada.marker", "username": "adamarker"}
    for name in ("web", "worker"):
        assert_free_of(stack.log(name), secrets)
    assert '"event": "signup.done"' in stack.log("web")
    wait_until(lambda: '"event": "mail.sent"' in stack.log("worker"), what="the worker says so")
    assert_free_of(waiting, secrets)
    if stack.broker == "redis":
        assert_free_of(opened(stack.broker_redis.everything_written()), secrets)


@pytest.mark.parametrize(
    "stack", [PRODUCTS["PostgreSQL and RabbitMQ"]], ids=["PostgreSQL and RabbitMQ"], indirect=True
)
def test_mail_waits_in_a_quorum_queue_on_rabbitmq(stack: Stack, worker: None):
    listed = ["list_queues", "-p", stack.virtual_host, "name", "type", "durable"]
    queues = wait_until(lambda: re.search(r"^mail\t(\S+)\t(\S+)", rabbitmqctl(*listed), re.M))

    assert queues.groups() == ("quorum", "true")


@pytest.mark.asvs("4.1.3")
def test_a_forged_host_never_reaches_a_mail(stack: Stack, worker: None):
    link, email = stack.issue_invite(), "bertha@example.org"
    form = {"email": email, "username": "bertha", "password": PASSWORD}

    liar = stack.visitor(host="evil.example.com")
    assert liar.get("/login/").status == 400
    assert liar.get(urlsplit(link).path).status == 400

    browser = stack.visitor()
    forged = {
        "X-Forwarded-Host": "evil.example.com",
        "X-Forwarded-Server": "evil.example.com",
        "X-Forwarded-Port": "666",
        "X-Host": "evil.example.com",
        "Forwarded": "host=evil.example.com;proto=https",
        "X-Original-URL": "/evil/",
    }
    page = browser.post(link, form, **forged)
    assert page.status == 200
    assert "evil" not in page.text
    mail = stack.mail.wait_for(email)
    assert link_in(mail).startswith(stack.url)
    assert b"evil" not in mail.as_bytes()
    for address in re.findall(r"https?://[^/\s\"<]+", text_of(mail)):
        assert address == stack.url


def test_the_mail_reads_as_well_in_plain_text_and_has_one_recipient(stack: Stack, worker: None):
    link, email = stack.issue_invite(), "clara@example.org"
    assert stack.visitor().sign_up(link, email, "clara", PASSWORD).status == 200

    mail = stack.mail.wait_for(email)
    parts = [part.get_content_type() for part in mail.walk()]
    html = mail.get_body(("html",))

    assert parts == ["multipart/alternative", "text/plain", "text/html"]
    assert html is not None
    assert link_in(mail) in html.get_content()
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@localhost>")
    assert mail["To"] == email
    assert not mail["Cc"]
    assert not mail["Bcc"]


def what_waits(stack: Stack) -> str:
    """The one message in the mail queue, as it lies there, and put back."""
    if stack.broker == "redis":
        return opened(stack.broker_redis.everything_written())
    parts = urlsplit(RABBITMQ)
    with Connection(
        host=f"{parts.hostname}:{parts.port or 5672}",
        userid=parts.username or "guest",
        password=parts.password or "guest",
        virtual_host=stack.virtual_host,
    ) as connection:
        channel = connection.channel()
        if "mail\t" not in rabbitmqctl("list_queues", "-p", stack.virtual_host):
            return ""
        message = channel.basic_get("mail")
        if message is None:
            return ""
        channel.basic_reject(message.delivery_tag, requeue=True)
        return json.dumps([message.headers, message.properties, str(message.body)], default=str)


def opened(text: str) -> str:
    """What a Redis broker holds, with the bodies of its messages in clear."""
    plain = text.replace("\\", "")
    bodies = [b64decode(body).decode("utf-8", "replace") for body in BODY.findall(plain)]
    return "\n".join([plain, *bodies]) if bodies else ""


def assert_free_of(text: str, secrets: dict[str, str]) -> None:
    for name, secret in secrets.items():
        assert secret not in text, name
        assert quote(secret) not in text, name
