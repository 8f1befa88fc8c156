"""Logging in and out."""

import pytest
from django.conf import settings

from bottomline.sessions import cookie
from bottomline.sessions.redis import client as redis
from bottomline.sessions.redis import digest_of, session_key
from conftest import PASSWORD, Person, Visitor, log_in


def test_a_member_logs_in_and_the_session_is_in_the_store(client: Visitor, alice: Person):
    response = log_in(client, alice)

    assert response["Location"] == "/account/"
    sid = cookie.read(client.cookies[settings.SESSION_COOKIE_NAME].value)
    assert sid
    assert redis().exists(session_key(digest_of(sid)))


@pytest.mark.asvs("7.4.1")
def test_a_logged_out_cookie_is_dead(client: Visitor, alice: Person):
    log_in(client, alice)
    stolen = client.cookies[settings.SESSION_COOKIE_NAME].value
    client.post("/logout/")

    thief = Visitor()
    thief.cookies[settings.SESSION_COOKIE_NAME] = stolen
    assert thief.get("/session/").status_code == 401


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(
    client: Visitor, alice: Person
):
    wrong = client.post("/login/", {"email": alice.email, "password": "x" * 20})
    unknown = client.post("/login/", {"email": "nobody@example.org", "password": PASSWORD})

    assert wrong.status_code == unknown.status_code == 422
    assert "don’t match" in wrong.content.decode()
