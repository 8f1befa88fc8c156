"""Wapiti, a public scanner, against the whole running product: as nobody, and as a member.

Not part of the suite, because it takes minutes and a tool that is none of ours:

    python3 -m venv /tmp/wapiti && /tmp/wapiti/bin/pip install wapiti3==3.2.3
    WAPITI=/tmp/wapiti/bin/wapiti make test T=bottomline/tests/scan.py

Its reports stay in var/scan.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bottomline.local import VAR
from bottomline.tests.browser import Visitor
from bottomline.tests.stack import Stack

MEDIUM = 2  # of critical 4, high 3, medium 2, low 1, information 0
LONGEST = 60  # seconds for a module: the one that guesses names of files would take days
REPORTS = VAR / "scan"
# What would end the session it was given.
ENDS = ("/logout/", "/account/sessions/*", "/account/delete/")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("scan")).up() as stack:
        yield stack


# Wapiti sends the form once more as it was, and with the token "wapiti", and compares the answers.
# The first goes out with its content type twice over, so both are refused. We ask for ourselves.
REFUSED_ANYWAY = (
    "Cross Site Request Forgery: /login/: "
    "CSRF token 'csrfmiddlewaretoken' is not properly checked in backend"
)
# There is no LDAP here. It takes it for its own doing that a form answers otherwise after three
# requests without the work.
NO_LDAP = ("LDAP Injection: ", "LDAP Injection via injection in the parameter altcha")


def test_a_scanner_finds_nothing_of_medium_or_above_as_a_visitor(stack: Stack):
    assert set(findings(stack, stack.visitor(), "visitor")) <= {REFUSED_ANYWAY}
    visitor = stack.visitor()
    attempt = {"email": "ada@example.org", "password": "no password of hers"}
    assert visitor.post("/login/", attempt).status == 422
    assert visitor.post("/login/", attempt | {"csrfmiddlewaretoken": "wapiti"}).status == 403


def test_a_scanner_finds_nothing_of_medium_or_above_as_a_member(stack: Stack):
    member = stack.member("scanned")
    assert not findings(stack, member.browser, "member")
    assert member.browser.get("/session/").status == 200, "it was logged out meanwhile"


def findings(stack: Stack, visitor: Visitor, name: str) -> list[str]:
    """What is of medium level or above, as "kind: path: what"; all modules, every page it finds."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    report, cookies = REPORTS / f"{name}.json", stack.folder / f"{name}.cookies.json"
    report.unlink(missing_ok=True)
    cookies.write_text(json.dumps(cookie_file(visitor)))
    command = [os.environ["WAPITI"], "--url", f"{stack.url}/", "--module", "all"]
    command += ["--cookie", str(cookies), "--store-session", str(stack.folder / name)]
    command += ["--format", "json", "--output", str(report), "--no-bugreport", "--verbose", "1"]
    command += ["--max-attack-time", str(LONGEST)]
    for path in ENDS:
        command += ["--exclude", stack.url + path]
    subprocess.run(command, check=True)
    return reported(report)


def reported(report: Path) -> list[str]:
    found = [
        f"{kind}: {found['path']}: {found['info']}"
        for kind, all_found in json.loads(report.read_text())["vulnerabilities"].items()
        for found in all_found
        if found["level"] >= MEDIUM
    ]
    return [one for one in found if not (one.startswith(NO_LDAP[0]) and one.endswith(NO_LDAP[1]))]


def cookie_file(visitor: Visitor) -> dict[str, object]:
    """Its cookies, as `wapiti-getcookie` writes them."""
    rest = {"expires": None, "secure": False, "port": None, "version": 0}
    cookies = {name: {"value": value, **rest} for name, value in visitor.cookies.items()}
    return {f".{urlsplit(visitor.url).hostname}.local": {"/": cookies}}
