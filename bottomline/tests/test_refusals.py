"""Whoever may not, and whoever tries to get around us: each leaves a line, and is counted."""

import logging
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import Permission
from django.utils import timezone

from bottomline import tokens
from bottomline.metrics import EVENTS
from bottomline.wsgi import application
from conftest import Inbox, Person, Visitor, join, log_in, make_staff
from invites import services as invites

Refused = Callable[[], list[dict[str, Any]]]
NEVER = tokens.new_public_id()
# Of somebody who knows how ours look, but not the key.
FORGED = f"{'A' * 43}.{'B' * 42}A"


@pytest.fixture
def refused(caplog: pytest.LogCaptureFixture) -> Refused:
    """What was refused so far, as it reaches the log."""
    caplog.set_level(logging.INFO)

    def lines() -> list[dict[str, Any]]:
        return [vars(one) for one in caplog.records if one.getMessage().endswith(".refused")]

    return lines


def counted(event: str, reason: str) -> float:
    return EVENTS.labels(event, reason)._value.get()


# --- who may not ---


@pytest.mark.asvs("16.3.2")
def test_asking_for_what_is_anothers_leaves_a_line_with_who_asked(
    client: Visitor, alice: Person, bob: Person, refused: Refused
):
    invite = invites.issue(issuer=bob.user)
    log_in(client, alice)
    before = counted("access.refused", "not_found")
    for path in (
        f"/account/invites/{invite.public_id}/revoke/",
        f"/account/sessions/{'0' * 32}/end/",
    ):
        assert client.post(path).status_code == 404
    assert client.get(f"/account/export/{NEVER}/").status_code == 404

    assert [(line["msg"], line["reason"], line["view"]) for line in refused()] == [
        ("access.refused", "not_found", "invites:revoke"),
        ("access.refused", "not_found", "accounts:end_session"),
        ("access.refused", "not_found", "accounts:download_export"),
    ]
    assert {line["user"] for line in refused()} == {str(alice.user.pk)}
    assert {line["ip"] for line in refused()} == {"127.0.0.1"}
    assert counted("access.refused", "not_found") == before + 3


@pytest.mark.asvs("16.3.2")
@pytest.mark.parametrize("path", ["/admin/", "/admin/accounts/user/"])
def test_a_member_in_the_admin_leaves_a_line(client: Visitor, alice: Person, refused, path):
    log_in(client, alice)
    client.get(path, follow=True)

    assert client.get("/admin/login/").status_code == 403
    assert refused()
    assert all(line["msg"] == "access.refused" for line in refused())
    assert {(line["reason"], line["user"]) for line in refused()} == {
        ("forbidden", str(alice.user.pk))
    }


@pytest.mark.asvs("16.3.2")
def test_staff_without_the_permission_leave_a_line(client: Visitor, alice: Person, refused):
    make_staff(alice)
    log_in(client, alice)

    assert client.get("/admin/accounts/user/").status_code == 403
    [line] = refused()
    assert (line["msg"], line["reason"]) == ("access.refused", "forbidden")
    assert line["view"] == "admin:accounts_user_changelist"


@pytest.mark.asvs("16.3.2")
def test_staff_who_try_their_hand_at_an_owner_leave_a_line(
    client: Visitor, olivia: Person, inbox: Inbox, refused: Refused
):
    staff = join(inbox, "sam@example.org", "sam")
    make_staff(staff, Permission.objects.filter(codename__endswith="user"))
    log_in(client, staff)
    chosen = {"action": "end_sessions", "_selected_action": str(olivia.user.pk), "sure": "yes"}

    assert client.post("/admin/accounts/user/", chosen).status_code == 302
    [line] = refused()
    assert (line["msg"], line["reason"]) == ("access.refused", "owners_only")
    assert line["user"] == str(staff.user.pk)


@pytest.mark.asvs("16.3.2")
def test_what_wants_a_fresh_proof_leaves_a_line_without_one(client, alice, refused: Refused):
    with time_machine.travel(timezone.now() - timedelta(minutes=11)):
        log_in(client, alice)
    client.post("/account/sessions/end-others/")

    [line] = refused()
    assert (line["msg"], line["reason"]) == ("access.refused", "proof_too_old")
    assert line["user"] == str(alice.user.pk)


@pytest.mark.asvs("16.3.2")
def test_an_address_that_somebody_made_up_leaves_none(client: Visitor, refused: Refused):
    assert client.get("/wp-login.php").status_code == 404
    assert refused() == []


# --- who tries to get around us ---


@pytest.mark.asvs("16.3.3")
@pytest.mark.parametrize(
    ("event", "reason", "attempt"),
    [
        ("cookie.refused", "session", lambda v: with_cookie(v, FORGED).get("/account/")),
        ("cookie.refused", "session", lambda v: with_cookie(v, "x").get("/session/")),
        ("request.refused", "body_too_large", lambda v: v.post("/login/", {"email": "x" * 70_000})),
        ("request.refused", "address_too_long", lambda v: v.get("/login/", {"x": "x" * 5000})),
        (
            "request.refused",
            "strange_charset",
            lambda v: v.generic("POST", "/login/", "x", content_type="text/plain; charset=utf-7"),
        ),
        (
            "request.refused",
            "body_cut_off",
            lambda v: v.post("/login/", {"email": "x"}, **{"wsgi.input": BytesIO(b"email=")}),
        ),
        ("csrf.refused", "csrf", lambda _: post_without_token()),
        ("csrf.refused", "origin", lambda _: post_without_token("https://evil.test/secret")),
        (
            "cross_site.refused",
            "same-site",
            lambda v: v.post("/login/", headers={"sec-fetch-site": "same-site"}),
        ),
    ],
)
def test_an_attempt_leaves_a_line_and_is_counted(db, refused: Refused, event, reason, attempt):
    before = counted(event, reason)
    attempt(Visitor())

    [line] = refused()
    assert (line["msg"], line["reason"], line["ip"]) == (event, reason, "127.0.0.1")
    assert counted(event, reason) == before + 1
    assert FORGED not in str(line)


@pytest.mark.asvs("16.2.5")
@pytest.mark.parametrize("header", ["referer", "origin"])
def test_no_line_names_the_page_that_a_refused_form_came_from(
    db: None, caplog: pytest.LogCaptureFixture, header: str
):
    """Its address may hold another site's secret, of a shape that we do not know."""
    visitor = Visitor(enforce_csrf_checks=True)
    visitor.post("/login/", headers={header: "https://elsewhere.test/?key=hunter2"})

    assert "csrf.refused" in caplog.messages
    assert "elsewhere" not in str([vars(record) for record in caplog.records])


@pytest.mark.asvs("16.3.3")
def test_a_solution_that_was_spent_or_made_up_leaves_a_line(db, refused: Refused):
    visitor = Visitor()
    typed = {"email": "nobody@example.org", "altcha": visitor.solution("forgot")}
    visitor.post("/password/forgot/", typed)
    assert refused() == []
    before = counted("captcha.refused", "forgot")
    visitor.post("/password/forgot/", typed)
    visitor.post("/password/forgot/", typed | {"altcha": "made up"})

    assert [(line["msg"], line["form"]) for line in refused()] == [
        ("captcha.refused", "forgot"),
        ("captcha.refused", "forgot"),
    ]
    assert counted("captcha.refused", "forgot") == before + 2


@pytest.mark.asvs("16.3.3")
def test_a_wrong_token_for_the_metrics_leaves_a_line(client: Visitor, refused: Refused):
    environ = client._base_environ(PATH_INFO="/metrics", HTTP_AUTHORIZATION="Bearer a-guess")
    before = counted("metrics.refused", "token")
    application(environ, lambda status, headers: None)

    [line] = refused()
    assert (line["msg"], line["reason"], line["ip"]) == ("metrics.refused", "token", "127.0.0.1")
    assert counted("metrics.refused", "token") == before + 1
    assert "a-guess" not in str(line)


@pytest.mark.asvs("16.3.3")
def test_a_good_session_and_no_session_leave_none(client: Visitor, alice: Person, refused):
    client.get("/login/")
    log_in(client, alice)
    client.get("/account/")
    client.post("/logout/")
    client.get("/login/")
    assert refused() == []


def with_cookie(visitor: Visitor, value: str) -> Visitor:
    visitor.cookies[settings.SESSION_COOKIE_NAME] = value
    return visitor


def post_without_token(origin: str = "") -> None:
    strict = Visitor(enforce_csrf_checks=True)
    headers = {"origin": origin} if origin else {"referer": "https://door.example.org/login/"}
    assert strict.post("/login/", headers=headers).status_code == 403
