"""A real nginx with our configuration, in front of a small server that repeats what reached it."""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings

from bottomline.middleware import HEADERS
from bottomline.tests.environment import missing
from bottomline.tests.servers import wait_until

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy/nginx"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

TOKEN = "kX3vN8qLr2Tz7Yb1Wc5Md9Pf4Hg6Js0AaEeIiOoUu-_"
LIMIT = 64 * 1024


class Repeating(BaseHTTPRequestHandler):
    """Answers with the request it was given, and keeps it for the test to count."""

    # HTTP/1.0: a connection left open would go on answering after the test has stopped us.
    protocol_version = "HTTP/1.0"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = {"path": self.path, "headers": headers, "length": len(body)}
        self.server.requests.append(request)
        if self.path.endswith("never"):
            self.connection.recv(1)  # until whoever asked has given up
            return
        answer = json.dumps(request).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        if self.path.startswith("/static/"):
            self.send_header("Cache-Control", "max-age=31536000, public, immutable")
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_HEAD = answer

    def log_message(self, *arguments):
        pass


class Application(ThreadingHTTPServer):
    request_queue_size = 128  # of five, more at once would have to come back a second later


class Proxy:
    """nginx started from a copy of deploy/nginx, with only addresses and folders exchanged."""

    def __init__(self, folder, front="http", timeouts=None):
        self.folder = folder
        self.timeouts = timeouts or {}
        self.front = front
        self.application = Application(("127.0.0.1", 0), Repeating)
        self.application.requests = []
        # How often it looks whether it has been told to stop.
        threading.Thread(target=self.application.serve_forever, args=[0.01], daemon=True).start()
        shutil.copytree(CONFIGURATION, folder, dirs_exist_ok=True)
        (folder / "mime.types").write_text("types { text/html html; }")
        # Another test may take a free port between our asking for it and nginx's opening it.
        for _ in range(5):
            if self.start():
                return
        self.stop_application()
        pytest.fail((folder / "stderr").read_text())

    def start(self):
        self.write_configuration()
        with (self.folder / "stderr").open("wb") as errors:
            self.process = subprocess.Popen(self.command("-g", "daemon off;"), stderr=errors)
        while self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return True
            time.sleep(0.02)
        return False

    def write_configuration(self):
        self.port, self.tls_port, health_port = free_ports(3)
        exchange = {
            "server web:8000": f"server 127.0.0.1:{self.application.server_port}",
            "listen 127.0.0.1:8081": f"listen 127.0.0.1:{health_port}",
            "listen 8080": f"listen 127.0.0.1:{self.port}",
            "listen 8443": f"listen 127.0.0.1:{self.tls_port}",
            "/dev/stdout": f"{self.folder}/access.log",
            "/dev/stderr": f"{self.folder}/error.log",
            "/etc/nginx": str(self.folder),
            " /tmp/": f" {self.folder}/",
            # Here the balancer of behind-proxy.conf is this test.
            "set_real_ip_from 10.0.0.0/8": "set_real_ip_from 127.0.0.0/8",
            **self.timeouts,
        }
        # Started by root, nginx would hand the requests to a user who may not read our folder.
        user = "user root;" if os.geteuid() == 0 else ""
        exchange["worker_processes auto;"] = f"worker_processes 1; {user}"
        ours = re.compile("|".join(re.escape(text) for text in exchange))
        for name in ["nginx", "site", "proxy", "errors", "headers", "server"]:
            source = self.front if name == "server" else name
            text = (CONFIGURATION / f"{source}.conf").read_text()
            text = ours.sub(lambda found: exchange[found[0]], text)
            (self.folder / f"{name}.conf").write_text(text)

    def command(self, *options):
        configuration = self.folder / "nginx.conf"
        return [NGINX, "-p", self.folder, "-e", "stderr", "-c", configuration, *options]

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        self.stop_application()

    def stop_application(self):
        self.application.shutdown()
        self.application.server_close()

    def ask(self, path, method="GET", body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, body=body, headers=headers or {})
        return finish(connection)

    def send(self, raw):
        """Bytes as they are, for requests that no well-behaved client makes; the answer's start."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(raw)
            return connection.recv(65536).decode()

    @property
    def reached(self):
        return self.application.requests

    def logged(self, count=1):
        """The access log's entries, once there are as many as that."""
        deadline = time.monotonic() + 10
        while len(lines := (self.folder / "access.log").read_text().splitlines()) < count:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return [json.loads(line) for line in lines]


def finish(connection):
    answer = connection.getresponse()
    answer.text = answer.read().decode()
    connection.close()
    return answer


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def start(folder, front, **options):
    if NGINX is None:
        missing("nginx")
    if front == "https":
        make_certificate(folder / "tls")
    return Proxy(folder, front, **options)


def make_certificate(folder):
    openssl = shutil.which("openssl") or missing("openssl")
    folder.mkdir()
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    files = ["-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"]
    subprocess.run([*command, *files], check=True, capture_output=True)


@pytest.fixture
def proxy(tmp_path, request):
    proxy = start(tmp_path, getattr(request, "param", "http"))
    yield proxy
    proxy.stop()


# The application's, but for what a page without forms, scripts and pictures needs even less.
RULES = HEADERS | {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'sha256-EiOl/fIMD7QXQqprhi9zTMmSwB43nllQ6rNfxQzAkOE='; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; "
        "report-to csp; report-uri /csp-report/"
    ),
}
OF_ITSELF = {"Server", "Date", "Content-Type", "Content-Length", "Connection", "ETag"}
OF_ITSELF |= {"Last-Modified", "Retry-After", "Location", "Accept-Ranges", "Transfer-Encoding"}
OVER_TLS = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains; preload"}


def rules_of(answer):
    """The headers that are rules; one that is sent twice is two lines in one."""
    names = set(answer.headers) - OF_ITSELF
    return {name: "\n".join(answer.headers.get_all(name)) for name in names}


def assert_is_our_own_page(answer, status, rules=RULES):
    assert answer.status == status
    assert "The Bottom Line</title>" in answer.text
    assert rules_of(answer) == rules
    assert answer.headers["Server"] == "nginx"  # and no version


# --- Who is calling -----------------------------------------------------------------------------


@pytest.mark.asvs("4.1.3")
@pytest.mark.asvs("15.3.4")
def test_nginx_overwrites_a_forged_client_address(proxy):
    forged = {
        "X-Forwarded-For": "6.6.6.6",
        "X_Forwarded_For": "6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "Forwarded": "for=6.6.6.6",
    }
    seen = json.loads(proxy.ask("/login/", headers=forged).text)["headers"]
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-real-ip"] == "127.0.0.1"
    assert "6.6.6.6" not in str(seen)


@pytest.mark.asvs("4.1.3")
def test_nginx_overwrites_a_forged_scheme_and_host(proxy):
    forged = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Port": "443",
    }
    seen = json.loads(proxy.ask("/login/", headers=forged).text)["headers"]
    assert seen["x-forwarded-proto"] == "http"
    assert seen["host"] == seen["x-forwarded-host"] == f"127.0.0.1:{proxy.port}"
    assert "x-forwarded-port" not in seen


@pytest.mark.asvs("4.1.3")
def test_nobody_can_claim_to_be_a_member_by_header(proxy):
    forged = {"X-Auth-User": "1", "X-Auth-Username": "ada", "X_Auth_User": "1"}
    seen = json.loads(proxy.ask("/session/", headers=forged).text)["headers"]
    assert not [name for name in seen if "auth" in name]


@pytest.mark.parametrize("proxy", ["behind-proxy"], indirect=True)
def test_behind_a_balancer_the_address_it_saw_counts_not_the_one_it_was_told(proxy):
    headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https"}
    seen = json.loads(proxy.ask("/login/", headers=headers).text)["headers"]
    assert seen["x-forwarded-for"] == seen["x-real-ip"] == "203.0.113.9"
    assert seen["x-forwarded-proto"] == "https"


# --- What is refused ----------------------------------------------------------------------------


def test_a_body_over_64_kib_is_refused_before_the_application_sees_it(proxy):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    connection.putrequest("POST", "/login/")
    connection.putheader("Content-Length", str(LIMIT + 1))
    connection.endheaders()
    assert_is_our_own_page(finish(connection), 413)
    assert not proxy.reached


def test_a_body_that_hides_its_size_is_refused_too(proxy):
    raw = b"POST /login/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n" % (LIMIT + 1) + b"x" * (LIMIT + 1)
    assert proxy.send(raw + chunk).startswith("HTTP/1.1 413 ")
    assert not proxy.reached


def test_a_body_of_64_kib_arrives_whole(proxy):
    answer = proxy.ask("/login/", method="POST", body=b"x" * LIMIT)
    assert json.loads(answer.text)["length"] == LIMIT


@pytest.mark.asvs("4.2.1")
@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Content-Length: 3\r\nContent-Length: 4",
        "Transfer-Encoding: chunked, identity",
        "Content-Length: 3\r\nHost: b",
    ],
)
def test_a_request_that_could_be_read_two_ways_is_refused(proxy, headers):
    answer = proxy.send(f"POST /login/ HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\nabc".encode())
    assert answer.split()[1] in {"400", "501"}
    assert not proxy.reached


@pytest.mark.asvs("5.2.1")
@pytest.mark.parametrize(("path", "largest"), settings.BODY_SIZES.items())
def test_what_has_a_size_of_its_own_takes_that_and_no_more(proxy, path, largest):
    answer = proxy.ask(path, method="POST", body=b"x" * largest)
    assert json.loads(answer.text)["length"] == largest

    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    connection.putrequest("POST", path)
    connection.putheader("Content-Length", str(largest + 1))
    connection.endheaders()
    assert_is_our_own_page(finish(connection), 413)
    assert len(proxy.reached) == 1


@pytest.mark.asvs("5.2.1")
@pytest.mark.parametrize(
    ("sizes", "status"), [([6000, 6000], 200), ([7200], 400), ([5000] * 3, 400)]
)
def test_sixteen_kibibytes_of_headers_are_too_many(proxy, sizes, status):
    headers = {f"X-Long-{n}": "x" * size for n, size in enumerate(sizes)}
    assert proxy.ask("/login/", headers=headers).status == status


def test_an_address_longer_than_ours_is_refused(proxy):
    longest = "/login/?next=" + "x" * (settings.URL_SIZE - len("/login/?next="))
    assert proxy.ask(longest).status == 200
    assert_is_our_own_page(proxy.ask(longest + "x"), 414)
    assert_is_our_own_page(proxy.ask(longest * 3), 414)
    assert len(proxy.reached) == 1


# What the tests below wait for, and what they do not. That each is meant is said here.
HURRIED = {
    "client_header_timeout 10s;": "client_header_timeout 1s;",
    "client_body_timeout 10s;": "client_body_timeout 1s;",
    "proxy_read_timeout 30s;": "proxy_read_timeout 1s;",
}


@pytest.fixture
def hurried(tmp_path):
    proxy = start(tmp_path, "http", timeouts=HURRIED)
    text = "".join((CONFIGURATION / f"{name}.conf").read_text() for name in ("nginx", "proxy"))
    assert all(timeout in text for timeout in HURRIED)
    yield proxy
    proxy.stop()


def test_whoever_is_slow_is_hung_up_on_and_keeps_nobody_waiting(hurried):
    """A hundred stop in the headers and forty in the body; none of them takes a thread of ours."""
    heads = [b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "] * 100
    bodies = [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx"] * 40
    slow = []
    for start_of_it in heads + bodies:
        slow.append(socket.create_connection(("127.0.0.1", hurried.port), timeout=10))
        slow[-1].sendall(start_of_it)
    assert hurried.ask("/login/").status == 200

    for connection in slow:
        assert hung_up(connection)
    assert [request["path"] for request in hurried.reached] == ["/login/"]


def hung_up(connection):
    """Whether the other end closes it, or resets it, without a word."""
    with connection:
        try:
            return connection.recv(1) == b""
        except ConnectionResetError:
            return True


def test_an_application_that_never_answers_is_a_page_in_time(hurried):
    answer = hurried.ask("/static/never")
    assert_is_our_own_page(answer, 503)


@pytest.mark.asvs("13.2.5")
def test_nginx_is_nobodys_forward_proxy(proxy):
    raw = b"GET http://169.254.169.254/latest/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = proxy.send(raw)
    assert answer.startswith("HTTP/1.1 400 ")
    assert "The Bottom Line</title>" in answer
    assert not proxy.reached


@pytest.mark.asvs("13.4.1")
@pytest.mark.asvs("13.4.5")
@pytest.mark.asvs("13.4.6")
@pytest.mark.parametrize("path", ["/.git/HEAD", "/.env", "/metrics", "/a/.svn/entries"])
def test_what_is_not_for_the_public_is_not_there(proxy, path):
    assert_is_our_own_page(proxy.ask(path), 404)
    assert not proxy.reached


def test_well_known_addresses_are_for_the_public(proxy):
    assert proxy.ask("/.well-known/security.txt").status == 200


def test_an_error_page_has_no_address_of_its_own(proxy):
    assert_is_our_own_page(proxy.ask("/errors/503.html"), 404)


@pytest.mark.parametrize(("path", "status"), [("/session/", 200), ("/health/", 429)])
def test_one_address_has_64_connections_but_to_ask_who_somebody_is(proxy, path, status):
    with contextlib.ExitStack() as ends:
        for _ in range(64):
            waiting = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
            ends.enter_context(waiting)
            waiting.sendall(f"GET {path}?never HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        wait_until(lambda: len(proxy.reached) == 64)
        assert proxy.ask(path).status == status


def test_one_address_has_four_pictures_on_the_way(proxy):
    picture = "/account/profile/picture/"
    with contextlib.ExitStack() as ends:
        for _ in range(4):
            sending = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
            ends.enter_context(sending)
            head = f"POST {picture} HTTP/1.1\r\nHost: a\r\nContent-Length: {2 * LIMIT}\r\n\r\n"
            sending.sendall(head.encode() + b"x" * LIMIT)
        wait_until(lambda: proxy.ask(picture, "POST", b"x").status == 429)
        assert proxy.ask("/login/").status == 200
    wait_until(lambda: proxy.ask(picture, "POST", b"x").status == 200)


def test_a_flood_is_told_when_to_come_back(proxy):
    for _ in range(5000):
        if (answer := proxy.ask("/login/")).status == 429:
            break
    assert_is_our_own_page(answer, 429)
    assert int(answer.headers["Retry-After"]) > 0
    # Our other servers ask this for everybody, all from one address.
    assert proxy.ask("/session/").status == 200


# --- What is written down -----------------------------------------------------------------------


@pytest.mark.asvs("14.2.1")
@pytest.mark.asvs("16.2.5")
@pytest.mark.parametrize(
    "path",
    [
        f"/invite/{TOKEN}/",
        f"/invite/?confirmation={TOKEN}",
        f"/password/reset/{TOKEN}/",
        f"/email/confirm/{TOKEN}/",
        f"/email/undo/{TOKEN}/",
        f"/login/link/{TOKEN}/?next=/account/",
        f"/%69nvite/{TOKEN}/",
        f"//invite//{TOKEN}",
        f"/a-link-invented-later/{TOKEN}",
        f"/{TOKEN}",
        "/invite/short/",
        "/invite/" + quote(TOKEN, safe="").replace("k", "%6B"),
    ],
)
def test_the_logs_have_neither_tokens_nor_query_strings(proxy, path):
    proxy.ask(path, headers={"Referer": f"https://door.example{path}"})
    proxy.stop_application()
    answer = proxy.ask(path)  # an application that is away is what an error log likes to tell
    proxy.ask(path, method="POST", body=b"x" * (LIMIT + 1))
    assert answer.status == 503

    entries = proxy.logged(3)
    assert [entry["status"] for entry in entries] == [200, 503, 413]
    for log in proxy.folder.glob("*.log"):
        for secret in [TOKEN[1:], TOKEN[:12], "confirmation", "next", "short"]:
            assert secret not in log.read_text()
    assert not (proxy.folder / "stderr").read_text()


def test_the_access_log_says_what_was_asked_and_how_it_went(proxy):
    seen = json.loads(proxy.ask("/account/security/?page=2").text)["headers"]
    entry = proxy.logged()[0]
    assert (entry["method"], entry["path"]) == ("GET", "/account/security/")
    assert (entry["status"], entry["client"]) == (200, "127.0.0.1")
    # The same name in the application's log lines.
    assert entry["request"] == seen["x-request-id"]


# --- When the application is away ---------------------------------------------------------------


def test_an_application_that_is_away_is_a_page_with_a_time_to_come_back(proxy):
    proxy.stop_application()
    answer = proxy.ask("/login/")
    assert_is_our_own_page(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert "Strict-Transport-Security" not in answer.headers  # it means nothing over plain http


@pytest.mark.asvs("14.2.5")
@pytest.mark.asvs("14.2.2")
def test_stylesheets_are_kept_while_the_application_restarts(proxy):
    proxy.ask("/static/css/base.0123456789ab.css", headers={"Cookie": "__Host-session=secret"})
    assert "cookie" not in proxy.reached[0]["headers"]
    proxy.stop_application()
    assert proxy.ask("/static/css/base.0123456789ab.css").status == 200
    assert len(proxy.reached) == 1


@pytest.mark.parametrize("page", sorted((CONFIGURATION / "errors").glob("*.html")), ids=str)
def test_the_policy_of_an_error_page_allows_its_style(page):
    style = re.search(r"<style>(.*?)</style>", page.read_text(), re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in (CONFIGURATION / "headers.conf").read_text()


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture
def https(tmp_path):
    proxy = start(tmp_path, "https")
    yield proxy
    proxy.stop()


def ask_over_tls(proxy, path, **arguments):
    context = ssl.create_default_context(cafile=proxy.folder / "tls/fullchain.pem")
    context.check_hostname = False
    connection = http.client.HTTPSConnection(
        "127.0.0.1", proxy.tls_port, timeout=10, context=context
    )
    connection.request(arguments.pop("method", "GET"), path, **arguments)
    return connection.sock.version(), finish(connection)


@pytest.mark.asvs("12.2.1")
def test_over_tls_the_application_is_told_so(https):
    version, answer = ask_over_tls(https, "/login/", headers={"X-Forwarded-Proto": "http"})
    assert version == "TLSv1.3"
    assert json.loads(answer.text)["headers"]["x-forwarded-proto"] == "https"


@pytest.mark.asvs("3.4.1")
def test_error_pages_keep_the_browser_on_https(https):
    _, answer = ask_over_tls(https, "/.env")
    assert_is_our_own_page(answer, 404, RULES | OVER_TLS)


@pytest.mark.asvs("4.1.2")
def test_a_page_asked_for_over_plain_http_is_led_to_https(https):
    answer = https.ask("/login/", headers={"Host": "door.example"})
    assert answer.status == 301
    assert answer.headers["Location"] == "https://door.example/login/"
    assert rules_of(answer) == RULES


@pytest.mark.asvs("4.1.2")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/login/"),
        ("POST", "/csp-report/"),
        ("GET", "/session/"),
        ("GET", "/health/live"),
    ],
)
def test_what_a_program_sends_over_plain_http_is_refused_not_redirected(https, method, path):
    assert_is_our_own_page(https.ask(path, method=method), 403)
    assert not https.reached


@pytest.mark.parametrize("front", ["http", "https", "behind-proxy"])
def test_nginx_accepts_every_configuration_we_ship(tmp_path, front):
    proxy = start(tmp_path, front)
    proxy.stop()
    checked = subprocess.run(proxy.command("-t"), capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr
