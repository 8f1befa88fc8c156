"""What a browser says of where a request began, and which of these requests are served."""

import logging
from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles.storage import staticfiles_storage

from bottomline.tests import environment
from conftest import Person, Visitor, log_in

ELSEWHERE = ["cross-site", "same-site"]
OURS_OR_NOBODYS = ["same-origin", "none", "", "a-value-of-the-future"]
SUBRESOURCES = [
    ("no-cors", "image"),
    ("no-cors", "script"),
    ("no-cors", "style"),
    ("no-cors", "empty"),
    ("cors", "empty"),
    ("cors", "font"),
    ("same-origin", "empty"),
    ("websocket", "websocket"),
    ("", ""),
]
FRAMES = [("navigate", dest) for dest in ("iframe", "frame", "embed", "object", "fencedframe")]
LINKS = [("navigate", "document"), ("navigate", "")]


def ask(visitor: Visitor, method: str, path: str, site: str, mode: str, dest: str):
    given = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
    headers = {name: value for name, value in given.items() if value}
    return visitor.generic(method, path, headers=headers)


@pytest.fixture
def no_redis() -> Iterator[None]:
    environment.redis.kill()
    yield
    environment.redis.start()


# --- From elsewhere ---


@pytest.mark.asvs("3.5.8")
@pytest.mark.parametrize("site", ELSEWHERE)
@pytest.mark.parametrize(("mode", "dest"), SUBRESOURCES + FRAMES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_nothing_of_ours_is_part_of_another_site(client: Visitor, method, site, mode, dest):
    """Refused before any work: this test has no database, and would fail at the first query."""
    for path in ("/login/", "/people/alice/", "/nothing/"):
        response = ask(client, method, path, site, mode, dest)
        assert response.status_code == 403
        assert not response.cookies
        assert "Content-Security-Policy" in response


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize("site", ELSEWHERE)
@pytest.mark.parametrize(("mode", "dest"), LINKS + FRAMES + SUBRESOURCES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "FOO"])
def test_no_other_site_changes_anything(client: Visitor, method, site, mode, dest):
    for path in ("/login/", "/logout/", "/confirm_account/", "/account/delete/", "/admin/"):
        assert ask(client, method, path, site, mode, dest).status_code == 403


@pytest.mark.parametrize("site", ELSEWHERE)
@pytest.mark.parametrize(("mode", "dest"), LINKS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_on_another_site_opens(db, client: Visitor, method, site, mode, dest):
    assert ask(client, method, "/login/", site, mode, dest).status_code == 200
    assert ask(client, method, f"/invite/{'A' * 43}/", site, mode, dest).status_code == 410
    assert ask(client, method, "/account/", site, mode, dest).status_code == 302


def test_a_stranger_is_refused_while_redis_is_away_too(no_redis: None, client: Visitor):
    response = ask(client, "POST", "/login/", "cross-site", "navigate", "document")
    assert response.status_code == 403
    assert b"<h1" in response.content


def test_a_refusal_is_written_down_without_what_was_asked(client: Visitor, caplog):
    with caplog.at_level(logging.WARNING, logger="bottomline.refusals"):
        ask(client, "POST", "/invite/secret/", "cross-site", "secret", "secret")
    [record] = caplog.records
    assert record.getMessage() == "cross_site.refused"
    assert vars(record)["reason"] == "cross-site"
    assert "secret" not in str(vars(record))


# --- From here, or from nobody who says ---


@pytest.mark.parametrize("site", OURS_OR_NOBODYS)
@pytest.mark.parametrize(("mode", "dest"), LINKS + SUBRESOURCES)
def test_our_own_pages_and_what_is_no_browser_are_served(db, client: Visitor, site, mode, dest):
    assert ask(client, "GET", "/login/", site, mode, dest).status_code == 200
    assert ask(client, "POST", "/login/", site, mode, dest).status_code == 422


@pytest.mark.asvs("3.5.1")
@pytest.mark.asvs("3.7.5")
@pytest.mark.parametrize("site", OURS_OR_NOBODYS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://door.example.org"}, 422),
        ({"referer": "https://door.example.org/login/"}, 422),
        ({"origin": "https://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({"referer": "https://evil.test/"}, 403),
        ({}, 403),
    ],
)
def test_what_is_not_refused_here_still_needs_token_and_origin(db, headers, status, site):
    visitor = Visitor(enforce_csrf_checks=True)
    token = visitor.get("/login/").context["csrf_token"]
    sent = headers | ({"sec-fetch-site": site} if site else {})
    form = {"csrfmiddlewaretoken": str(token), "email": "a@example.org", "password": "x"}
    assert visitor.post("/login/", form, headers=sent).status_code == status
    assert visitor.post("/login/", {"email": "a@example.org"}, headers=sent).status_code == 403


# --- Not affected ---


@pytest.mark.parametrize("site", ELSEWHERE)
@pytest.mark.parametrize(("mode", "dest"), LINKS + FRAMES + SUBRESOURCES)
def test_a_server_may_ask_who_somebody_is_whatever_their_browser_sent_it(
    client: Visitor, alice: Person, site, mode, dest
):
    assert ask(client, "GET", "/session/", site, mode, dest).status_code == 401
    log_in(client, alice)
    assert ask(client, "GET", "/session/", site, mode, dest).status_code == 200
    # Django answers, not the gate before it.
    client.cookies["x"] = "y"
    assert ask(client, "GET", "/session/?x", site, mode, dest).status_code == 200


@pytest.mark.parametrize("site", ELSEWHERE)
def test_a_static_file_is_everybodys(client: Visitor, site):
    response = ask(client, "GET", staticfiles_storage.url("css/base.css"), site, "no-cors", "style")
    assert response.status_code == 200
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_rule_stands_before_everything_that_does_work():
    order = [name.rpartition(".")[2] for name in django_settings.MIDDLEWARE]
    work = {"Refusals", "SessionMiddleware", "CsrfViewMiddleware", "AuthenticationMiddleware"}
    assert order.index("FetchMetadata") < min(order.index(name) for name in work)
