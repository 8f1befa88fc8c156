"""The activity page: every event in a sentence, for its owner alone."""

import ast
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from django.utils import timezone

from accounts.events import record
from accounts.models import Event
from accounts.sentences import GROUPS, SENTENCES
from accounts.services import history
from bottomline.caller import Caller
from conftest import Inbox, Person, Visitor, log_in

FIREFOX = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
PHONE = Caller("203.0.113.77", user_agent=FIREFOX)
OLDER = re.compile(r'href="\?(?:only=(\w+)&amp;)?before=(\w+)"')


@pytest.fixture
def member(client: Visitor, alice: Person) -> Visitor:
    log_in(client, alice)
    return client


def shown(visitor: Visitor, query: str = "") -> str:
    page = visitor.get(f"/account/activity/{query}")
    assert page.status_code == 200
    return page.content.decode()


def texts(page: str) -> list[str]:
    """The sentences on a page, without what marks or counts them."""
    said = re.findall(r"<div>\n<p>(?:<span.*?</span> )?(.*?)(?: <strong>.*)?</p>", page)
    assert said
    return said


# --- what is there ---


def test_a_members_journey_is_told_newest_first(member: Visitor, alice: Person):
    assert texts(shown(member)) == [
        "Logged in with the password.",
        "Your address was confirmed.",
        "We mailed you the link to confirm your address.",
        "You signed up.",
    ]


@pytest.mark.asvs("14.2.6")
def test_an_event_has_its_device_and_network_and_no_address(member: Visitor, alice: Person):
    record("password.changed", caller=PHONE, user=alice.user)
    page = shown(member)

    assert "Firefox on Android, network 203.0.113.0/24" in page
    assert "203.0.113.77" not in page
    assert alice.email not in page


def test_a_failure_is_marked_in_words(member: Visitor, alice: Person):
    assert ">Failed<" not in shown(member)
    Visitor().post("/login/", {"email": alice.email, "password": "not hers at all"})
    page = shown(member)

    assert ">Failed</span> A login with a wrong password." in page
    assert page.count(">Failed<") == 1


def test_many_failures_alike_in_a_row_are_one_line(member: Visitor, alice: Person):
    for _ in range(5):
        record("login.refused", caller=PHONE, user=alice.user, reason="bad_credentials")
    elsewhere = Caller("198.51.100.1", user_agent=FIREFOX)
    record("login.refused", caller=elsewhere, user=alice.user, reason="bad_credentials")
    page = shown(member)

    assert page.count("A login with a wrong password.") == 2, "another network, another line"
    assert "<strong>5 times</strong>" in page


def test_two_changes_alike_are_two_lines(member: Visitor, alice: Person):
    for _ in range(2):
        record("password.changed", caller=PHONE, user=alice.user)
    assert texts(shown(member)).count("The password was changed.") == 2


def test_a_kind_without_a_sentence_is_shown_under_its_own_name(member: Visitor, alice: Person):
    record("carrier_pigeon.sent_off", caller=PHONE, user=alice.user, colour="grey")
    assert "Carrier pigeon: sent off." in texts(shown(member))


def test_a_detail_without_a_sentence_falls_back_on_its_kind(member: Visitor, alice: Person):
    record("login.completed", caller=PHONE, user=alice.user, method="carrier pigeon")
    assert texts(shown(member))[0] == "Logged in."


def test_what_is_in_an_event_cannot_break_the_page(member: Visitor, alice: Person):
    caller = Caller("nonsense", user_agent="<script>alert(1)</script>" * 8)
    record("<b>bold</b>.done", caller=caller, user=alice.user)
    page = shown(member)

    assert "<b>bold" not in page
    assert "alert(1)</script>" not in page


def test_old_events_are_told_without_where_they_came_from(member: Visitor, alice: Person):
    with time_machine.travel(timezone.now() - timedelta(days=91)):
        record("password.changed", caller=PHONE, user=alice.user)
    sum(history.forget_old_origins())
    page = shown(member)

    assert "The password was changed." in page
    assert "203.0.113.0" not in page


@pytest.mark.parametrize("email", ["alice@example.org", "nobody@example.org"])
def test_whoever_is_logged_out_sees_nothing(client: Visitor, alice: Person, email: str):
    response = client.get("/account/activity/")
    assert (response.status_code, response["Location"]) == (302, "/login/?next=/account/activity/")


@pytest.mark.asvs("8.2.2")
def test_a_history_is_its_owners_alone(member: Visitor, alice: Person, bob: Person):
    record("password.changed", caller=PHONE, user=bob.user)
    record("events.pruned", caller=PHONE, through=1)
    theirs = Event.objects.filter(user_id=bob.user.pk).latest("pk")

    for query in ("", "?only=changes", f"?before={theirs.mac}"):
        assert "The password was changed." not in shown(member, query)
        assert "pruned" not in shown(member, query)
    assert texts(shown(member, f"?before={theirs.mac}")) == texts(shown(member))


# --- mails ---


def test_a_mail_is_noted_when_it_is_sent_and_not_before(
    member: Visitor, alice: Person, inbox: Inbox
):
    member.post("/password/forgot/", {"email": alice.email})
    said = "We mailed you a link to choose a new password."
    assert said not in shown(member)
    inbox.mails_to(alice.email)
    assert texts(shown(member))[0] == said


def test_of_a_mail_the_kind_is_kept_and_no_address(alice: Person, inbox: Inbox):
    event = Event.objects.get(kind="mail.sent", user_id=alice.user.pk)
    assert event.details == {"mail": "confirm_email"}
    assert event.ip == event.user_agent == ""


def test_a_mail_to_nobody_is_not_noted(client: Visitor, inbox: Inbox):
    client.post("/password/forgot/", {"email": "nobody@example.org"})
    inbox.mails_to("nobody@example.org")
    assert not Event.objects.filter(kind="mail.sent").exists()


# --- filter and pages ---


def test_logins_and_changes_can_be_had_on_their_own(member: Visitor, alice: Person):
    assert texts(shown(member, "?only=logins")) == ["Logged in with the password."]
    assert texts(shown(member, "?only=changes")) == [
        "Your address was confirmed.",
        "You signed up.",
    ]
    assert texts(shown(member, "?only=nonsense")) == texts(shown(member))


def test_every_event_is_on_one_page_and_on_no_other(member: Visitor, alice: Person):
    for number in range(70):
        record(f"count.number {number}", caller=PHONE, user=alice.user)
    found, query, pages = [], "", 0
    while True:
        page = shown(member, query)
        found += [int(text[len("Count: number ") : -1]) for text in texts(page) if "Count" in text]
        pages += 1
        older = OLDER.search(page)
        if not older:
            break
        query = f"?before={older[2]}"

    assert found == list(range(69, -1, -1))
    assert pages == 3


def test_the_filter_holds_on_older_pages(member: Visitor, alice: Person):
    for _ in range(31):
        record("password.changed", caller=PHONE, user=alice.user)
        record("logout.done", caller=PHONE, user=alice.user)
    older = OLDER.search(shown(member, "?only=changes"))
    assert older
    assert older[1] == "changes"
    page = shown(member, f"?only=changes&before={older[2]}")

    assert "Logged out." not in page
    assert 'href="?only=changes">Newest' in page


@pytest.mark.asvs("1.4.2")
@pytest.mark.parametrize("before", ["x", "0" * 64, "%00", "'--", "é" * 300])
def test_a_page_that_never_was_is_the_first(member: Visitor, before: str):
    assert texts(shown(member, f"?before={before}")) == texts(shown(member))


def test_an_empty_history_says_so(member: Visitor, alice: Person):
    Event.objects.filter(user_id=alice.user.pk).delete()
    assert "Nothing here" in shown(member)
    assert "Show everything" in shown(member, "?only=changes")


def test_a_page_costs_the_same_however_long_the_history_is(
    member: Visitor, alice: Person, django_assert_num_queries
):
    for number in range(100):
        record(f"count.{number}", caller=PHONE, user=alice.user)
    older = OLDER.search(shown(member))
    assert older
    with django_assert_num_queries(2):  # the member's time zone, and the events
        shown(member)
    with django_assert_num_queries(3):  # and where the page begins
        shown(member, f"?before={older[2]}")


# --- days ---


def test_days_and_times_are_of_the_members_own_zone(member: Visitor, alice: Person):
    user = alice.user
    user.time_zone = "Pacific/Auckland"
    user.save()
    with time_machine.travel(datetime(2026, 7, 3, 23, 30, tzinfo=UTC), tick=False):
        record("password.changed", caller=PHONE, user=user)
    page = shown(member)

    assert "Saturday, 4 July 2026" in page
    assert 'datetime="2026-07-03T23:30:00+00:00">11:30 NZST<' in page


def test_failures_on_two_days_are_two_lines(member: Visitor, alice: Person):
    for hour in (23, 25):
        moment = datetime(2026, 7, 3, tzinfo=UTC) + timedelta(hours=hour)
        with time_machine.travel(moment, tick=False):
            record("login.refused", caller=PHONE, user=alice.user, reason="bad_credentials")
    page = shown(member)

    assert page.count("A login with a wrong password.") == 2
    assert "Friday, 3 July 2026" in page
    assert "Saturday, 4 July 2026" in page


# --- the sentences ---


def kinds_recorded() -> set[str]:
    """Every kind of event that the code records, read from it; `x.*` where the rest is computed."""
    kinds = set()
    for app in ("accounts", "bottomline", "invites"):
        for path in (Path(settings.BASE_DIR) / app).rglob("*.py"):
            if "tests" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and _name(node.func) in ("record", "_record"):
                    kinds |= _kinds(node.args[0])
    return kinds


def _name(function: ast.expr) -> str:
    return getattr(function, "id", "") or getattr(function, "attr", "")


def _kinds(first: ast.expr) -> set[str]:
    if isinstance(first, ast.Constant):
        return {str(first.value)}
    if isinstance(first, ast.IfExp):
        return _kinds(first.body) | _kinds(first.orelse)
    if isinstance(first, ast.JoinedStr) and isinstance(first.values[0], ast.Constant):
        return {f"{first.values[0].value}*"}
    if isinstance(first, ast.Name) and first.id in ("PRUNED", "event"):
        return set()  # of the chain itself, which concerns no member; passed on, and so found there
    raise AssertionError(f"say which event it is: {ast.unparse(first)}")


def test_every_event_that_the_code_records_has_a_sentence():
    recorded = kinds_recorded()
    assert {"login.completed", "mail.sent", "account.unblocked"} <= recorded, (
        "this test finds nothing"
    )
    silent = {
        kind
        for kind in recorded
        if not (
            any(key.startswith(kind[:-1]) for key in SENTENCES)
            if kind.endswith("*")
            else kind in SENTENCES
        )
    }
    assert not silent, f"say in accounts.sentences what these mean: {silent}"


def test_every_sentence_is_one_and_every_kind_is_of_one_group():
    for key, sentence in SENTENCES.items():
        assert sentence.text.lstrip("“")[0].isupper(), key
        assert sentence.text.endswith("."), key
        kind = key.partition(":")[0]
        assert SENTENCES[kind].group == sentence.group, f"{key} would be lost from the filter"
    assert {said.group for said in SENTENCES.values()} == {"", *GROUPS}
