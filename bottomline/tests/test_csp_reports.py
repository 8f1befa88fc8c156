"""What browsers report of our pages' policy: a line in the log, and nothing else from anybody."""

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from bottomline.csp_reports import LINES, REPORTS_BY_NETWORK, origin_of
from bottomline.local import ROOT
from bottomline.middleware import HEADERS
from bottomline.sessions.redis import client as redis
from bottomline.tests.chromium import OPTIONS, Door
from bottomline.tests.environment import CHROMIUM
from bottomline.tests.servers import Server, free_port, wait_until
from bottomline.tests.stack import BIN
from bottomline.tests.test_proxy import make_certificate
from conftest import Person, Visitor, log_in

URL, SINGLE, BATCH = "/csp-report/", "application/csp-report", "application/reports+json"
TOKEN = "kX3vN8qLr2Tz7Yb1Wc5Md9Pf4Hg6Js0AaEeIiOoUu-_"
PAGE = f"https://door.example.org/password/reset/{TOKEN}/?email=ada@example.org"


def single(blocked: str = "inline", directive: str = "script-src-elem", **more: Any) -> str:
    """As Chromium and Firefox send to `report-uri`."""
    return json.dumps(
        {
            "csp-report": {
                "document-uri": PAGE,
                "referrer": PAGE,
                "violated-directive": directive,
                "effective-directive": directive,
                "original-policy": HEADERS["Content-Security-Policy"],
                "disposition": "enforce",
                "blocked-uri": blocked,
                "source-file": PAGE,
                "script-sample": "alert(1)",
                **more,
            }
        }
    )


def batch(*violations: tuple[str, str]) -> str:
    """As Chromium sends to `report-to`, with something of another kind in between."""
    reports = [{"type": "deprecation", "url": PAGE, "body": {"id": "x"}}]
    for directive, blocked in violations:
        body = {"documentURL": PAGE, "effectiveDirective": directive, "blockedURL": blocked}
        reports.append({"type": "csp-violation", "age": 1, "url": PAGE, "body": body})
    return json.dumps(reports)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture):
    """What was logged of violations so far: directive and what was blocked."""
    caplog.set_level(logging.INFO)

    def seen() -> list[tuple[str, str]]:
        found = [vars(one) for one in caplog.records if one.getMessage() == "csp.violated"]
        return [(one["directive"], one["blocked"]) for one in found]

    return seen


def send(body: Any, kind: str = SINGLE, visitor: Visitor | None = None, **headers: str):
    visitor = visitor or Visitor(enforce_csrf_checks=True)
    return visitor.generic("POST", URL, body, content_type=kind, headers=headers)


@pytest.mark.asvs("3.4.7")
@pytest.mark.parametrize(
    ("kind", "body", "logged"),
    [
        (SINGLE, single(), [("script-src-elem", "inline")]),
        (SINGLE, single("data", "img-src"), [("img-src", "data")]),
        (SINGLE, single("eval", "script-src 'self'"), [("script-src", "eval")]),
        (
            BATCH,
            batch(("img-src", f"https://evil.test/{TOKEN}")),
            [("img-src", "https://evil.test")],
        ),
        (BATCH, batch(), []),
        (BATCH, "[]", []),
        (f"{SINGLE}; charset=utf-8", single(), [("script-src-elem", "inline")]),
    ],
)
def test_a_report_is_a_line_and_no_content(lines, kind, body, logged):
    """From somebody without a cookie or a token; and there is no database in this test."""
    response = send(body, kind)

    assert (response.status_code, response.content) == (204, b"")
    assert not response.cookies
    assert lines() == logged


@pytest.mark.parametrize(
    ("blocked", "shown"),
    [
        (PAGE, "https://door.example.org"),
        (f"https://ada:{TOKEN}@evil.test:8443/{TOKEN}?{TOKEN}#{TOKEN}", "https://evil.test:8443"),
        ("wss://evil.test/x", "wss://evil.test"),
        (f"data:text/html,{TOKEN}", "data"),
        (f"blob:https://door.example.org/{TOKEN}", "blob"),
        ("HTTPS://EVIL.TEST/", "https://evil.test"),
        (f"chrome-extension://abcdefgh/{TOKEN}", "chrome-extension://abcdefgh"),
        ("inline", "inline"),
        ("trusted-types-sink", "trusted-types-sink"),
        ("", "other"),
        (TOKEN, "other"),
        (f"/invite/{TOKEN}/", "other"),
        (f"{TOKEN}://x y", "other"),
        ("https://a b\n/", "https"),
        ("//evil.test/x", "other"),
    ],
)
def test_of_what_was_blocked_only_the_origin_is_told(blocked, shown):
    assert origin_of(blocked) == shown


@pytest.mark.asvs("3.4.7")
@pytest.mark.asvs("16.2.5")
def test_no_address_of_a_page_reaches_the_log(lines, caplog):
    send(single(PAGE, f"{TOKEN} x"))
    send(batch((TOKEN, PAGE), ("img-src\nforged", "x\ny")), BATCH)

    assert lines()
    everything = "\n".join(str(vars(record)) for record in caplog.records)
    for secret in (TOKEN, "ada@", "password/reset", "alert(1)", "forged"):
        assert secret not in everything


def test_many_violations_of_one_request_are_few_lines(lines):
    send(batch(*[("img-src", f"https://{n}.test/") for n in range(30)]), BATCH)
    assert len(lines()) == LINES

    send(batch(*[("img-src", "https://one.test/")] * 30), BATCH)
    assert len(lines()) == LINES + 1


NOT_REPORTS = [
    "null",
    "[]",
    "{}",
    "{",
    '"csp-report"',
    '{"csp-report": null}',
    '{"csp-report": {}}',
    '{"csp-report": {"effective-directive": 1}}',
    '{"csp-report": {"effective-directive": "img-src", "blocked-uri": []}}',
    '{"csp-report": {"effective-directive": "img-src", "blocked-uri": "http://[x"}}',
    '{"csp-report": {"effective-directive": "img-src", "blocked-uri": "http://a:99999"}}',
    "[" * 16_000,
    '{"a":' * 3000,
    "9" * 16_000,
    b"\xff\xfe",
    b"\0",
    '[{"type": "csp-violation"}]',
    '[{"type": "csp-violation", "body": []}]',
    "[1]",
]


@pytest.mark.asvs("16.5.1")
@pytest.mark.parametrize("kind", [SINGLE, BATCH])
@pytest.mark.parametrize("body", NOT_REPORTS, ids=range(len(NOT_REPORTS)))
def test_what_is_no_report_is_no_fault(lines, kind, body):
    status = 204 if (kind, body) == (BATCH, "[]") else 400
    assert send(body, kind).status_code == status
    assert not lines()


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data", "", "x"])
def test_a_body_of_another_kind_is_refused_unread(lines, kind):
    assert send(single(), kind).status_code == 415
    assert not lines()


@pytest.mark.asvs("3.4.7")
def test_a_report_larger_than_16_kib_is_refused_unread(lines):
    assert send(single(x="x" * 15_000)).status_code == 204
    assert send(single(x="x" * 16_384)).status_code == 413
    assert send("x" * 1_000_000).status_code == 413
    assert len(lines()) == 1


@pytest.mark.asvs("3.4.7")
@pytest.mark.usefixtures("still_clock")
def test_a_network_has_so_many_reports_an_hour(lines):
    statuses = [send(single()).status_code for _ in range(REPORTS_BY_NETWORK.count + 1)]
    assert statuses == [204] * REPORTS_BY_NETWORK.count + [429]
    assert len(lines()) == REPORTS_BY_NETWORK.count

    elsewhere = Visitor().generic("POST", URL, single(), SINGLE, REMOTE_ADDR="203.0.113.9")
    assert elsewhere.status_code == 204


@pytest.mark.parametrize("site", ["same-origin", "cross-site"])
def test_a_report_sent_with_a_members_cookies_is_nobodys(
    lines, client: Visitor, alice: Person, site
):
    """A document that is sealed is nobody's, and so, says the browser, are its reports."""
    log_in(client, alice)
    before = {key: redis().hgetall(key) for key in redis().scan_iter("session:*")}
    response = send(single(), visitor=client, **{"sec-fetch-site": site})

    assert response.status_code == 204
    assert {key: redis().hgetall(key) for key in redis().scan_iter("session:*")} == before
    assert "Vary" not in response  # nothing asked for the cookie
    assert lines() == [("script-src-elem", "inline")]


# --- A real browser ---


@pytest.fixture
def door_over_tls(door: Door, tmp_path: Path) -> Iterator[str]:
    """Another web server of the running product. Over http Chromium reports nothing."""
    make_certificate(tmp_path / "tls")
    port, web = free_port(), Server()
    command = (
        f"{BIN}/granian --interface wsgi --http 1 --host 127.0.0.1 --port {port} "
        f"--ssl-certificate {tmp_path}/tls/fullchain.pem --ssl-keyfile {tmp_path}/tls/privkey.pem "
        "bottomline.wsgi:application"
    )
    log = tmp_path / "web.log"
    web.run(command.split(), log=log, cwd=ROOT, env=door.stack.environment)
    try:
        wait_until(lambda: can_connect(port), seconds=40, what="the web server answers")
        yield f"https://localhost:{port}"
    finally:
        web.kill()


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.stack
@pytest.mark.asvs("3.4.7")
def test_chromium_reports_what_it_blocked_and_the_page_is_not_told(
    door: Door, door_over_tls: str, tmp_path: Path
):
    path = door.invite.removeprefix(door.url)
    token = path.strip("/").rpartition("/")[2]
    options = [*OPTIONS, "--ignore-certificate-errors", "--short-reporting-delay"]
    log = tmp_path / "web.log"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page()
        page.goto(door_over_tls + path)
        page.evaluate(
            "url => document.body.append(Object.assign(new Image(), {src: url}))",
            f"{door.neighbour.url}/{token}?x={token}",
        )
        wait_until(lambda: "csp.violated" in log.read_text(), what="the browser reports")
        browser.close()

    [line] = [line for line in log.read_text().splitlines() if "csp.violated" in line]
    told = json.loads(line)
    assert (told["directive"], told["blocked"]) == ("img-src", door.neighbour.url)
    assert token not in log.read_text()
