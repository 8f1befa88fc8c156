"""The admin's front page: how people come in, what is refused, how the mail is doing."""

import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone

from accounts.events import record
from accounts.models import Event, User
from accounts.services import members
from bottomline import dashboard
from bottomline.caller import Caller
from bottomline.outbox.models import OutboxMessage
from bottomline.tests.environment import POSTGRES, missing
from conftest import Inbox, Person, Visitor, join, log_in, make_staff
from invites import services as invites
from invites.dashboard import funnel
from invites.models import Invite

HERE = Caller(ip="192.0.2.1")
WEDNESDAY = datetime(2026, 3, 18, 12, tzinfo=UTC)
MONDAY = datetime(2026, 3, 16, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def may_all(permission: str) -> bool:
    return True


def by_name() -> dict[str, list[int]]:
    """The numbers of the last three weeks by the name of their column."""
    return {column.name: column.numbers[-3:] for column in funnel(may_all)["columns"]}


def happens(kind: str, at: datetime, user: uuid.UUID | None = None) -> None:
    with time_machine.travel(at, tick=False):
        record(kind, caller=HERE, user=user or uuid.uuid4())


@pytest.fixture
def wednesday() -> Any:
    with time_machine.travel(WEDNESDAY, tick=False) as clock:
        yield clock


@pytest.fixture
def staff(client: Visitor, olivia: Person) -> Visitor:
    log_in(client, olivia)
    return client


def front_page(visitor: Visitor) -> dict[str, Any]:
    """The numbers of each panel, by its title."""
    answer = visitor.get("/admin/")
    assert answer.status_code == 200
    return {panel.title: numbers for panel, numbers in answer.context["panels"]}


# --- weeks ---


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_week_begins_on_monday_in_utc_wherever_one_looks_from(db, wednesday, zone: str):
    for at in (MONDAY - SECOND, MONDAY, MONDAY + timedelta(hours=13)):
        happens("email_confirmation.done", at)
        with time_machine.travel(at, tick=False):
            invites.issue()
    Invite.objects.update(opened_at=MONDAY - SECOND)
    with timezone.override(zone):
        found = by_name()

    assert found["Confirmed"] == [0, 1, 2]
    assert found["Invited"] == [0, 1, 2]
    assert found["Opened"] == [0, 3, 0]
    assert dashboard.weeks()[-1] == MONDAY


def test_a_week_is_a_week_over_a_new_year_and_a_change_of_the_clocks(db):
    with time_machine.travel(datetime(2027, 1, 3, 23, 59, 59, tzinfo=UTC), tick=False) as clock:
        happens("signup.done", datetime(2026, 12, 28, tzinfo=UTC))
        happens("signup.done", datetime(2027, 1, 1, tzinfo=UTC))
        assert by_name()["Signed up"] == [0, 0, 2]
        clock.shift(1)
        assert by_name()["Signed up"] == [0, 2, 0]
    weeks = dashboard.weeks()
    assert len(weeks) == 12
    assert {b - a for a, b in pairwise(weeks)} == {timedelta(weeks=1)}


def test_what_is_older_than_twelve_weeks_is_not_counted(db, wednesday):
    first = MONDAY - timedelta(weeks=11)
    for at in (first - SECOND, first):
        happens("signup.done", at)
    signed_up = funnel(may_all)["columns"][2]
    assert (signed_up.name, sum(signed_up.numbers), signed_up.numbers[0]) == ("Signed up", 1, 1)


def test_who_logs_in_twice_in_a_week_is_active_once(db, wednesday):
    ada, eve = uuid.uuid4(), uuid.uuid4()
    for user, at in ((ada, MONDAY), (ada, WEDNESDAY), (eve, MONDAY), (ada, MONDAY - SECOND)):
        happens("login.completed", at, user)
    assert by_name()["Active"] == [0, 1, 2]


def test_who_did_not_confirm_in_time_has_still_signed_up(inbox: Inbox, wednesday, client: Visitor):
    join(inbox, "alice@example.org", "alice")
    invites.issue()
    User.objects.update(email_confirmed_at=None)
    wednesday.shift(timedelta(days=8))
    assert sum(members.prune_unconfirmed()) == 1
    found = by_name()
    assert (found["Invited"], found["Signed up"], found["Confirmed"]) == (
        [0, 2, 0],
        *[[0, 1, 0]] * 2,
    )


# --- the page ---


def test_an_empty_database_has_a_front_page(db, client: Visitor):
    columns = funnel(may_all)["columns"]
    assert [set(column.numbers) for column in columns] == [{0}] * 5
    assert {bar.height for column in columns for bar in column.bars} == {0}


def test_a_new_site_says_nothing_but_numbers(staff: Visitor):
    Event.objects.all().delete()
    OutboxMessage.objects.all().delete()
    page = staff.get("/admin/").content.decode()
    assert "Monday to Sunday in UTC" in page
    assert "0</strong> members are blocked now" in page
    assert "style=" not in page


def test_pressure_is_of_today_and_of_seven_days(staff: Visitor, alice: Person):
    Event.objects.all().delete()
    midnight = dashboard.today()
    for at in (midnight, midnight - SECOND, midnight - timedelta(days=6)):
        happens("login.refused", at)
    happens("login.refused", midnight - timedelta(days=6) - SECOND)
    happens("login.paused", midnight)
    members.block(alice.user, until=timezone.now() + timedelta(days=1), reason="spam")
    numbers = front_page(staff)["Pressure"]

    counted = [(count["today"], count["week"]) for _, count in numbers["refused"]]
    assert counted == [(1, 3), (1, 1), (0, 0)]
    assert numbers["blocked"] == 1
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        log_in(staff, Person("olivia@example.org", "olivia"))
        assert front_page(staff)["Pressure"]["blocked"] == 0, "the time of the block is over"


def test_of_the_mail_it_says_what_waits_since_when_what_is_dead_and_what_went_today(
    staff: Visitor,
):
    OutboxMessage.objects.all().delete()
    midnight = dashboard.today()
    oldest = timezone.now() - timedelta(hours=2)
    for status, sent, made in (
        ("pending", None, oldest),
        ("pending", None, timezone.now()),
        ("dead", None, oldest),
        ("sent", midnight, midnight),
        ("sent", midnight - SECOND, midnight - SECOND),
    ):
        OutboxMessage.objects.create(kind="x", status=status, sent_at=sent, created_at=made)
    numbers = front_page(staff)["Mail"]

    assert numbers == {"waiting": {"number": 2, "oldest": oldest}, "dead": 1, "sent": 1}
    assert "2\xa0hours" in staff.get("/admin/").content.decode()


def test_the_bars_are_as_tall_as_their_numbers():
    series = dashboard.Series("x", [0, 1, 500, 1000])
    assert [bar.height for bar in series.bars] == [0, 1, 30, 60]
    assert [bar.y + bar.height for bar in series.bars] == [60] * 4


@pytest.mark.asvs("8.2.1")
@pytest.mark.parametrize(
    ("permission", "shown"),
    [
        ("view_invite", {"How people come in"}),
        ("view_event", {"How people come in", "Pressure"}),
        ("view_user", {"Pressure"}),
        ("view_factorreset", {"Pressure"}),
        ("view_outboxmessage", {"Mail"}),
        ("view_freeze", set()),
    ],
)
def test_staff_see_the_numbers_of_rows_that_they_may_see(
    client: Visitor, alice: Person, permission: str, shown: set[str]
):
    make_staff(alice, Permission.objects.filter(codename=permission))
    log_in(client, alice)
    page = client.get("/admin/").content.decode()

    assert {title for title in ("How people come in", "Pressure", "Mail") if title in page} == shown
    assert ("Opened" in page) == (permission == "view_invite")
    assert ("Active</th>" in page) == (permission == "view_event")
    assert ("Logins refused" in page) == (permission == "view_event")
    assert ("blocked now" in page) == (permission == "view_user")
    assert ("factor that was lost" in page) == (permission == "view_factorreset")


def test_the_front_page_costs_the_same_however_much_there_is(
    staff: Visitor, inbox: Inbox, django_assert_max_num_queries
):
    staff.get("/admin/")
    costs = []
    for name in ("few", "many"):
        with django_assert_max_num_queries(20) as counted:
            staff.get("/admin/")
        costs.append(len(counted))
        for number in range(5):
            join(inbox, f"{name}{number}@example.org", f"{name}{number}")
    assert costs[0] == costs[1], costs


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_count_in_time_leaves_the_rest_of_the_admin(staff: Visitor):
    if connection.vendor != "postgresql":
        missing("PostgreSQL")
    # Who holds the table holds the counting up, for as long as `lock_timeout` lets it.
    name = connection.settings_dict["NAME"]
    with psycopg.connect(urlunsplit(urlsplit(POSTGRES)._replace(path=f"/{name}"))) as other:
        other.execute("LOCK TABLE outbox_outboxmessage IN ACCESS EXCLUSIVE MODE")
        page = staff.get("/admin/").content.decode()
    assert "The database did not count this in time." in page
    assert "Logins refused" in page
    assert "/admin/accounts/user/" in page
