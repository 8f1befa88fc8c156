"""Logging in and out."""

import re
from datetime import timedelta
from time import perf_counter

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.decorators import BREATHER
from accounts.models import Event, User
from accounts.services import login, members
from bottomline.caller import Caller
from bottomline.sessions import cookie
from bottomline.sessions.redis import client as redis
from bottomline.sessions.redis import digest_of, session_key
from bottomline.sessions.store import SessionStore
from conftest import PASSWORD, Person, Visitor, commits, join, log_in, set_up_factor, sign_up
from invites.models import Invite


def attempt(visitor: Visitor, email: str, password: str = "wrong", **more: str):
    return visitor.post("/login/", {"email": email, "password": password, **more})


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


@pytest.mark.asvs("14.3.1")
def test_logging_out_always_succeeds_and_clears_the_browser(client: Visitor, db: None):
    response = client.post("/logout/")
    assert (response.status_code, response["Location"]) == (302, "/login/")
    assert response["Clear-Site-Data"] == '"cache", "storage"'
    assert client.get("/logout/").status_code == 405


@pytest.mark.asvs("6.3.8")
def test_every_reason_not_to_let_in_looks_the_same(
    client: Visitor, alice: Person, bob: Person, invite: Invite
):
    unconfirmed = Person("carol@example.org", "carol")
    sign_up(client, invite, unconfirmed)
    no_password = bob.user
    no_password.set_unusable_password()
    no_password.save()
    tries = {
        alice.email: "wrong",
        "nobody@example.org": PASSWORD,
        unconfirmed.email: unconfirmed.password,
        bob.email: bob.password,
        "not an address": PASSWORD,
    }
    answers = [
        attempt(Visitor(REMOTE_ADDR=f"192.0.2.{number}"), email, password)
        for number, (email, password) in enumerate(tries.items())
    ]

    assert {answer.status_code for answer in answers} == {422}
    pages = {
        answer.content.decode().replace(email, "")
        for answer, email in zip(answers, tries, strict=True)
    }
    assert len({FRESH.sub("", page) for page in pages}) == 1
    assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1


# What is new each time a page is shown.
FRESH = re.compile(r'csrfmiddlewaretoken" value="\w+"|data-passkey="[^"]+"')


@pytest.mark.asvs("6.2.6")
def test_a_refusal_keeps_the_address_and_not_the_password(client: Visitor, alice: Person):
    page = attempt(client, alice.email, "a wrong one").content.decode()
    assert alice.email in page
    assert "a wrong one" not in page


@pytest.mark.asvs("1.1.1")
def test_an_address_is_known_however_it_is_typed(client: Visitor, alice: Person):
    assert attempt(client, "  ALICE@Example.ORG ", alice.password).status_code == 302


@pytest.mark.asvs("6.3.1")
@pytest.mark.parametrize("email", ["alice@example.org", "nobody@example.org"])
@pytest.mark.usefixtures("still_clock")
def test_guessing_is_stopped_after_ten_tries_whether_or_not_there_is_an_account(
    client: Visitor, alice: Person, email: str
):
    spellings = [email, email.upper(), f" {email}"]
    answers = [attempt(client, spellings[n % 3]).status_code for n in range(11)]
    assert answers == [422] * 10 + [429]
    assert attempt(client, email, PASSWORD).status_code == 429


@pytest.mark.usefixtures("still_clock")
def test_whoever_is_over_a_limit_is_refused_without_haste(client: Visitor, db: None):
    for _ in range(11):
        began = perf_counter()
        answer = attempt(client, "somebody@example.org")
        took = perf_counter() - began
    assert answer.status_code == 429
    assert took >= BREATHER


@pytest.mark.usefixtures("still_clock")
def test_one_network_cannot_try_many_accounts(client: Visitor, db: None):
    answers = [attempt(client, f"somebody{n}@example.org").status_code for n in range(31)]
    assert answers == [422] * 30 + [429]


@pytest.mark.usefixtures("still_clock")
def test_a_stranger_who_keeps_failing_never_locks_the_owners_browser_out(
    client: Visitor, alice: Person
):
    log_in(client, alice)
    client.post("/logout/")
    stranger = Visitor()
    for _ in range(15):
        attempt(stranger, alice.email)
    assert attempt(stranger, alice.email).status_code == 429

    log_in(client, alice)


@pytest.mark.usefixtures("still_clock")
def test_a_device_cookie_is_worth_nothing_for_another_account(
    client: Visitor, alice: Person, bob: Person
):
    mallory = Visitor()
    log_in(mallory, bob)
    mallory.post("/logout/")
    answers = [attempt(mallory, alice.email).status_code for _ in range(11)]
    assert answers[-1] == 429


@pytest.mark.usefixtures("still_clock")
def test_a_known_device_may_not_guess_for_ever_either(client: Visitor, alice: Person):
    log_in(client, alice)
    client.post("/logout/")
    answers = [attempt(client, alice.email).status_code for _ in range(11)]
    assert answers[-1] == 429


@pytest.mark.usefixtures("still_clock")
def test_a_stranger_does_not_lock_out_a_browser_after_its_owner_has_a_new_address(
    client: Visitor, alice: Person
):
    log_in(client, alice)
    client.post("/logout/")
    moved = Person("alice@example.net", "alice")
    User.objects.filter(pk=alice.user.pk).update(email=moved.email)
    answers = [attempt(Visitor(), moved.email).status_code for _ in range(11)]
    assert answers[-1] == 429

    log_in(client, moved)


@pytest.mark.parametrize("how", ["reset", "not me"])
def test_who_was_in_before_the_password_was_chosen_has_no_budget_of_their_own(
    still_clock, client: Visitor, alice: Person, how: str
):
    intruder = Visitor()
    log_in(intruder, alice)
    intruder.post("/logout/")
    still_clock.shift(60)
    user = alice.user
    members.set_password(user, make_password(None) if how == "not me" else user.password)
    for _ in range(10):
        attempt(Visitor(), alice.email)
    assert attempt(intruder, alice.email).status_code == 429


@pytest.mark.asvs("6.3.8")
def test_a_guess_asks_the_same_whether_or_not_there_is_an_account_with_a_cookie_and_without(
    client: Visitor, alice: Person, bob: Person
):
    """What a cookie makes us ask is about its own accounts, never about the one that was typed."""
    log_in(client, bob)
    client.post("/logout/")
    for visitor in (client, Visitor()):
        asked = []
        for email in (alice.email, "nobody@example.org"):
            with CaptureQueriesContext(connection) as queries:
                attempt(visitor, email)
            asked.append([re.split(" WHERE | VALUES ", query["sql"])[0] for query in queries])
        assert asked[0] == asked[1]


def test_a_blocked_member_is_told_so_only_with_the_right_password(client: Visitor, alice: Person):
    members.block(alice.user, until=timezone.now() + timedelta(days=1), reason="spam")

    assert attempt(client, alice.email).status_code == 422
    told = attempt(client, alice.email, alice.password)
    assert told.status_code == 423
    assert client.get("/session/").status_code == 401


@pytest.mark.asvs("7.4.2")
def test_blocking_ends_the_sessions_there_are(client: Visitor, alice: Person):
    log_in(client, alice)
    with commits():
        members.block(alice.user, until=timezone.now() + timedelta(days=1), reason="spam")
    assert client.get("/session/").status_code == 401
    members.unblock(alice.user)
    log_in(client, alice)


@pytest.mark.parametrize("page", ["/login/", "/signup/", "/"])
def test_whoever_is_logged_in_is_taken_on(client: Visitor, alice: Person, page: str):
    log_in(client, alice)
    response = client.get(page)
    assert (response.status_code, response["Location"]) == (302, "/account/")


def test_a_page_that_asked_for_a_login_is_returned_to(client: Visitor, alice: Person):
    sent = client.get("/account/invites/?page=2")
    assert sent["Location"] == "/login/?next=/account/invites/%3Fpage%3D2"
    assert 'name="next"' in client.get(sent["Location"]).content.decode()
    response = attempt(client, alice.email, alice.password, next="/account/invites/?page=2")
    assert response["Location"] == "/account/invites/?page=2"


@pytest.mark.asvs("3.7.2")
@pytest.mark.asvs("1.2.2")
@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.test/",
        "//evil.test/",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "javascript:alert(1)",
        "/x\r\nSet-Cookie: a=b",
        "\x01https://evil.test",
        "https:evil.test",
        "evil.test",
        "/" + "x" * 3000,
    ],
)
def test_nobody_is_led_to_another_site(client: Visitor, alice: Person, wanted: str):
    response = attempt(client, alice.email, alice.password, next=wanted)
    assert response["Location"] == "/account/"


@pytest.mark.asvs("6.2.7")
def test_password_managers_find_their_fields(client: Visitor, db: None, invite: Invite):
    page = client.get("/login/").content.decode()
    assert 'autocomplete="username webauthn"' in page
    assert 'autocomplete="current-password"' in page
    page = client.get(invite.link.removeprefix(settings.SITE_URL)).content.decode()
    assert 'autocomplete="new-password"' in page


@pytest.mark.asvs("3.5.1")
def test_a_form_without_its_token_is_refused_and_has_no_effect(alice: Person):
    visitor = Visitor(enforce_csrf_checks=True)
    for path in ("/login/", "/logout/", "/confirm_account/", "/confirmation/resend/"):
        response = visitor.post(path, {"email": alice.email, "password": alice.password})
        assert response.status_code == 403
        assert "again" in response.content.decode()
    assert visitor.get("/session/").status_code == 401


# --- the admin ---


@pytest.mark.asvs("6.3.4")
def test_the_admin_is_entered_through_the_same_door(client: Visitor, olivia: Person):
    sent = client.get("/admin/", follow=True)
    assert sent.redirect_chain[-1] == ("/login/?next=/admin/", 302)
    assert client.get("/admin/login/", follow=True).status_code == 200
    log_in(client, olivia)
    assert client.get("/admin/").status_code == 200


def test_a_member_who_is_not_staff_is_told_that_the_admin_is_not_theirs(
    client: Visitor, alice: Person
):
    log_in(client, alice)
    assert client.get("/admin/", follow=True).status_code == 403
    assert client.get("/admin/accounts/user/", follow=True).status_code == 403


@pytest.mark.asvs("6.4.6")
def test_the_admin_has_no_way_to_type_a_password(client: Visitor, olivia: Person, alice: Person):
    log_in(client, olivia)
    for path in (
        "/admin/accounts/user/add/",
        "/admin/password_change/",
    ):
        assert client.get(path, follow=True).status_code in (403, 404), path
    for path in ("change", "password"):
        page = client.get(f"/admin/accounts/user/{alice.user.pk}/{path}/", follow=True)
        assert alice.user.password not in page.content.decode()
        assert 'type="password"' not in page.content.decode()


@pytest.mark.asvs("16.4.2")
def test_staff_read_the_history_in_the_admin_and_nobody_changes_it(
    client: Visitor, olivia: Person, alice: Person
):
    log_in(Visitor(), alice)
    log_in(client, olivia)
    found = client.get(f"/admin/accounts/event/?q={alice.user.pk}").content.decode()
    assert "login.completed" in found
    assert alice.email not in found
    event = Event.objects.filter(user_id=alice.user.pk).first()
    assert event
    page = f"/admin/accounts/event/{event.pk}/"
    assert client.get(page + "change/").status_code == 200
    assert client.post(page + "change/", {"kind": "x"}).status_code == 403
    assert client.post(page + "delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/accounts/event/add/").status_code == 403


def test_what_staff_do_to_a_member_is_in_the_members_history(
    client: Visitor, olivia: Person, alice: Person
):
    log_in(client, olivia)
    client.post(
        "/admin/accounts/user/",
        {"action": "end_sessions", "_selected_action": [str(alice.user.pk)], "sure": "yes"},
    )
    change = f"/admin/accounts/user/{alice.user.pk}/change/"
    block = {"blocked_until_0": "2040-01-01", "blocked_until_1": "12:00:00"}
    client.post(change, {**block, "block_reason": "Sells invites"})
    client.post(change, {"blocked_until_0": "", "blocked_until_1": "", "is_staff": "on"})
    events = Event.objects.filter(user_id=alice.user.pk).order_by("pk")
    assert [event.kind for event in events][-4:] == [
        "sessions.ended_by_staff",
        "account.blocked",
        "account.unblocked",
        "account.standing_changed",
    ]
    assert {event.ip for event in list(events)[-4:]} == {""}  # that of staff is not theirs to see


def test_staff_end_sessions_and_block_in_the_admin(client: Visitor, olivia: Person, alice: Person):
    member = Visitor()
    log_in(member, alice)
    log_in(client, olivia)
    change = f"/admin/accounts/user/{alice.user.pk}/change/"

    client.post(
        "/admin/accounts/user/",
        {"action": "end_sessions", "_selected_action": [str(alice.user.pk)], "sure": "yes"},
    )
    assert member.get("/session/").status_code == 401

    log_in(member, alice)
    until = timezone.now() + timedelta(days=1)
    response = client.post(
        change,
        {
            "blocked_until_0": f"{until:%Y-%m-%d}",
            "blocked_until_1": f"{until:%H:%M:%S}",
            "block_reason": "Sells invites",
        },
    )
    assert response.status_code == 302
    assert member.get("/session/").status_code == 401


@pytest.mark.asvs("8.3.2")
def test_becoming_staff_and_ceasing_to_be_holds_on_the_next_request(
    client: Visitor, olivia: Person, alice: Person
):
    member = Visitor()
    set_up_factor(alice)
    log_in(member, alice)
    log_in(client, olivia)
    change = f"/admin/accounts/user/{alice.user.pk}/change/"
    blank = {"blocked_until_0": "", "blocked_until_1": ""}

    client.post(change, {**blank, "is_staff": "on", "is_superuser": "on"})
    assert member.get("/session/").status_code == 401  # a member's session is longer than staff's
    log_in(member, alice)
    assert member.get("/admin/").status_code == 200
    client.post(change, blank)
    assert member.get("/session/").status_code == 401
    log_in(member, alice)
    assert member.get("/admin/", follow=True).status_code == 403


@pytest.mark.asvs("8.2.3")
def test_staff_who_are_no_owners_cannot_make_themselves_one(client: Visitor, inbox, alice: Person):
    User.objects.filter(email=alice.email).update(is_staff=True)
    alice.user.user_permissions.set(Permission.objects.filter(codename__endswith="user"))
    log_in(client, alice)
    blank = {"blocked_until_0": "", "blocked_until_1": ""}
    client.post(f"/admin/accounts/user/{alice.user.pk}/change/", {**blank, "is_superuser": "on"})
    assert not alice.user.is_superuser


def test_an_owner_issues_and_revokes_invites_in_the_admin(client: Visitor, olivia: Person):
    log_in(client, olivia)
    page = client.post(
        "/admin/invites/invite/add/", {"uses": "2", "days": "3", "label": "Press"}, follow=True
    )
    invite = Invite.objects.get(label="Press")
    assert invite.issuer == olivia.user
    assert invite.link in page.content.decode()

    client.post(
        "/admin/invites/invite/", {"action": "revoke", "_selected_action": [str(invite.pk)]}
    )
    assert not Invite.objects.redeemable().filter(pk=invite.pk).exists()
    shown = client.get(f"/admin/invites/invite/{invite.pk}/change/").content.decode()
    assert invite.link not in shown


@pytest.mark.asvs("7.4.4")
def test_the_admin_logs_out_by_our_own_way_and_never_on_get(client: Visitor, olivia: Person):
    log_in(client, olivia)
    assert client.get("/admin/logout/", follow=True).status_code == 405
    assert client.get("/session/").status_code == 200
    assert client.post("/admin/logout/", follow=True).status_code == 200
    assert client.get("/session/").status_code == 401


def test_a_member_cannot_be_deleted_in_the_admin(client: Visitor, olivia: Person, alice: Person):
    """It would reopen the invite they came by: a banned person could come back on the old link."""
    log_in(client, olivia)
    path = f"/admin/accounts/user/{alice.user.pk}/delete/"
    assert client.post(path, {"post": "yes"}).status_code == 403
    assert alice.user


MODELS = ["accounts/user", "accounts/event", "invites/invite", "outbox/outboxmessage"]


@pytest.mark.parametrize("model", MODELS)
def test_admin_lists_cost_the_same_however_long_they_are(
    client: Visitor, olivia: Person, inbox, model: str, django_assert_max_num_queries
):
    for n in range(4):
        join(inbox, f"member{n}@example.org", f"member{'abcd'[n]}")
    log_in(client, olivia)
    client.get(f"/admin/{model}/")
    with django_assert_max_num_queries(8):
        assert client.get(f"/admin/{model}/").status_code == 200


def test_admin_searches_and_filters_survive_nonsense(client: Visitor, olivia: Person):
    log_in(client, olivia)
    nonsense = ("?q=(a%2B)%2B$", "?q=%5B", "?o=-1;", "?p=-1", "?is_staff__exact=x", "?e=1")
    for query in (*nonsense, "?q=%00", "?kind=%00", "?outcome=%00", "?status__exact=%00"):
        for model in (*MODELS, "accounts/factorreset"):
            assert client.get(f"/admin/{model}/{query}").status_code in (200, 302, 400)


@pytest.mark.asvs("6.4.6")
@pytest.mark.asvs("1.2.4")
@pytest.mark.asvs("1.2.9")
def test_admin_filters_do_not_guess_at_secrets(client: Visitor, olivia: Person):
    log_in(client, olivia)
    start = olivia.user.password[:12]
    for query in (f"password__startswith={start}", "username__regex=(", "password=x", "id__gt=1"):
        answer = client.get(f"/admin/accounts/user/?{query}")
        assert answer.status_code == 400, query
    assert client.get("/admin/accounts/user/?is_staff__exact=1").status_code == 200


def test_nobody_blocks_or_demotes_themselves_in_the_admin(client: Visitor, olivia: Person):
    log_in(client, olivia)
    client.post(
        f"/admin/accounts/user/{olivia.user.pk}/change/",
        {
            "blocked_until_0": "2030-01-01",
            "blocked_until_1": "00:00:00",
            "block_reason": "A mistake",
        },
    )
    assert client.get("/admin/").status_code == 200
    assert olivia.user.is_superuser


@pytest.mark.asvs("8.3.2")
def test_a_block_holds_against_a_login_that_began_before_it(client: Visitor, alice: Person):
    """The row was read before the hash; the session must not be believed for a minute on it."""
    read_before = alice.user
    with commits():
        members.block(alice.user, until=timezone.now() + timedelta(days=1), reason="spam")
    request = RequestFactory().post("/login/")
    request.session = SessionStore()
    login.complete(request, read_before, method="password", caller=Caller("127.0.0.1"))
    request.session.save()

    client.cookies[settings.SESSION_COOKIE_NAME] = cookie.sign(request.session.session_key)
    assert client.get("/session/").status_code == 401
