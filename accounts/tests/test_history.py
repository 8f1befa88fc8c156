"""The security history: what is kept, that tampering shows, and what is forgotten when."""

import threading
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models.signals import pre_delete
from django.utils import timezone

from accounts.events import SYSTEM, record
from accounts.models import Event, User
from accounts.services import history
from bottomline.caller import Caller
from conftest import Person, Visitor, log_in

pytestmark = pytest.mark.django_db

AT_HOME = Caller(ip="198.51.100.7", user_agent="Mozilla/5.0 Firefox/140.0")


@pytest.fixture
def chain(alice: Person) -> list[Event]:
    """Ten events of Alice's, sealed."""
    Event.objects.all().delete()
    for number in range(10):
        record("login.completed", caller=AT_HOME, user=alice.user, number=number)
    assert history.seal() == 10
    return list(Event.objects.order_by("position"))


def verify(*arguments: str) -> str:
    out = StringIO()
    call_command("verify_events", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


@pytest.mark.asvs("16.3.1")
def test_what_happens_to_an_account_is_kept_by_its_id(client: Visitor, alice: Person):
    Event.objects.all().delete()
    client.post("/login/", {"email": alice.email, "password": "not the password at all"})
    log_in(client, alice)
    client.post("/logout/")
    mine = Event.objects.filter(user_id=alice.user.pk).order_by("pk")
    kinds = list(mine.values_list("kind", flat=True))
    assert kinds == ["login.refused", "login.completed", "logout.done"]


@pytest.mark.asvs("16.2.5")
def test_no_event_holds_an_address_a_name_or_a_password(client: Visitor, alice: Person):
    client.post("/login/", {"email": alice.email, "password": "not the password at all"})
    client.post("/password/forgot/", {"email": alice.email})
    log_in(client, alice)
    for row in Event.objects.values():
        for secret in (alice.email, alice.username, alice.password, "not the password at all"):
            assert secret not in str(row)


@pytest.mark.asvs("16.3.1")
def test_a_refused_login_is_kept_for_an_address_without_an_account_as_well(client: Visitor):
    client.post("/login/", {"email": "nobody@example.org", "password": "not a password of ours"})
    assert Event.objects.get().user_id is None


def test_an_untouched_history_verifies_and_its_head_can_be_kept(chain: list[Event]):
    head = verify()
    assert head == f"10:{chain[-1].seal}"
    record("logout.done", caller=AT_HOME, user=chain[0].user_id)
    assert verify("--head", head).startswith("11:")


@pytest.mark.asvs("16.4.2")
@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "logout.done"},
        {"at": timezone.now()},
        {"user_id": "00000000-0000-0000-0000-000000000000"},
        {"details": {"number": 4, "method": "password"}},
        {"ip": "203.0.113.9"},
        {"user_agent": "curl"},
        {"ip": "203.0.113.9", "salt": None},
        {"user_agent": "curl", "salt": None},
        {"origin": "0" * 64},
        {"mac": "0" * 64},
        {"seal": "0" * 64},
        {"seal": "not even hexadecimal"},
        {"previous": "0" * 64},
        {"position": 99},
        {"position": None},
    ],
)
def test_a_changed_event_shows(chain: list[Event], changed):
    Event.objects.filter(pk=chain[4].pk).update(**changed)
    if changed == {"position": None}:
        history_says = history.verify()[2]  # the command would seal it again, at the end
        assert history_says
    else:
        with pytest.raises(CommandError, match="does not hold"):
            verify()


@pytest.mark.parametrize("gone", [slice(4, 5), slice(0, 1), slice(0, 9), slice(2, 7)])
def test_a_removed_event_shows(chain: list[Event], gone):
    Event.objects.filter(pk__in=[event.pk for event in chain[gone]]).delete()
    with pytest.raises(CommandError, match="does not hold"):
        verify()


def test_a_cut_off_end_shows_to_whoever_kept_the_head(chain: list[Event]):
    head = verify()
    Event.objects.filter(position__gte=8).delete()
    assert verify().startswith("7:")
    with pytest.raises(CommandError, match="does not hold"):
        verify("--head", head)


def test_a_rewritten_end_shows_to_whoever_kept_the_head(chain: list[Event]):
    head = verify()
    Event.objects.filter(position=10).delete()
    record("login.completed", caller=AT_HOME, user=chain[0].user_id)
    history.seal()
    with pytest.raises(CommandError, match="does not hold"):
        verify("--head", head)


def test_two_events_that_changed_places_show(chain: list[Event]):
    Event.objects.filter(pk=chain[3].pk).update(position=None)
    Event.objects.filter(pk=chain[6].pk).update(position=4)
    Event.objects.filter(pk=chain[3].pk).update(position=7)
    with pytest.raises(CommandError, match="does not hold"):
        verify()


def test_an_event_put_in_is_never_sealed_and_shows(chain: list[Event]):
    Event.objects.bulk_create(
        [
            Event(kind="password.changed", user_id=chain[0].user_id, origin="", mac="0" * 64),
            Event(kind=history.PRUNED, details={"through": 5}, origin="", mac="1" * 64),
        ]
    )
    record("logout.done", caller=AT_HOME, user=chain[0].user_id)
    assert history.seal() == 1
    with pytest.raises(CommandError, match="2 places"):
        verify()


@pytest.mark.parametrize("head", ["", "5", "x:" + "0" * 64, "5:short"])
def test_a_head_that_is_none_is_refused(head):
    with pytest.raises(CommandError, match="a head looks like"):
        call_command("verify_events", f"--head={head}")


def test_a_retired_key_still_verifies_while_it_is_believed(chain: list[Event], settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key of the tests' own, which is long enough too"
    record("logout.done", caller=AT_HOME, user=chain[0].user_id)
    assert verify().startswith("11:")
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(CommandError, match="does not hold"):
        verify()


def test_what_came_after_a_noted_head_verifies_without_the_key_from_before(
    chain: list[Event], settings
):
    head = verify()
    settings.SECRET_KEY = "another key of the tests' own, which is long enough too"
    for _ in range(3):
        record("logout.done", caller=AT_HOME, user=chain[0].user_id)
    assert verify("--after", head).startswith("13:")
    with pytest.raises(CommandError, match="does not hold"):
        verify("--after", f"9:{chain[8].seal}")
    Event.objects.filter(position=11).delete()
    with pytest.raises(CommandError, match="does not hold"):
        verify("--after", head)


@pytest.mark.asvs("14.2.7")
def test_where_people_were_is_forgotten_after_ninety_days_and_the_chain_holds(chain: list[Event]):
    with time_machine.travel(timezone.now() + timedelta(days=89), tick=False):
        sum(history.forget_old_origins())
        assert Event.objects.filter(ip=AT_HOME.ip).count() == 10
    with time_machine.travel(timezone.now() + timedelta(days=91), tick=False):
        sum(history.forget_old_origins())
        assert not Event.objects.exclude(ip="", user_agent="", salt=None).exists()
        assert verify().startswith("10:")


def test_the_oldest_events_go_after_a_year_and_more_and_the_chain_holds(chain: list[Event]):
    with time_machine.travel(timezone.now() + timedelta(days=399), tick=False):
        sum(history.prune())
        record("login.completed", caller=AT_HOME, user=chain[0].user_id)
        assert verify().startswith("11:")
    with time_machine.travel(timezone.now() + timedelta(days=401), tick=False):
        assert sum(history.prune()) == 10
        assert list(Event.objects.order_by("pk").values_list("kind", flat=True)) == [
            "login.completed",
            history.PRUNED,
        ]
        assert verify().startswith("12:")
        Event.objects.filter(position=11).delete()
        with pytest.raises(CommandError, match="does not hold"):
            verify()


def test_what_concerns_nobody_is_gone_after_a_week(db):
    record("login.refused", caller=AT_HOME, reason="bad_credentials")
    with time_machine.travel(timezone.now() + timedelta(days=6), tick=False):
        assert sum(history.prune()) == 0
    with time_machine.travel(timezone.now() + timedelta(days=8), tick=False):
        assert sum(history.prune()) == 1


def test_what_happens_by_itself_has_no_origin(alice: Person):
    event = record("account.erased", caller=SYSTEM, user=alice.user)
    assert (event.ip, event.user_agent) == ("", "")


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_a_sealer_that_comes_too_late_moves_nothing_that_was_sealed(alice: Person):
    """Or the head that was noted elsewhere would be none, and what was sealed since hang loose."""
    Event.objects.all().delete()
    keys = [record("login.completed", caller=AT_HOME, user=alice.user).pk for _ in range(3)]

    def seal_late() -> None:
        # It found its rows before the other committed, and comes to them now.
        assert history._chain(keys) == 1
        connection.close()

    late = threading.Thread(target=seal_late)
    with transaction.atomic():
        # When this one looked, the second was not committed yet.
        assert history._chain([keys[0], keys[2]]) == 2
        late.start()
        late.join(0.5)
    late.join()

    assert history.verify() == (3, history._head(), [])
    assert list(Event.objects.order_by("pk").values_list("position", flat=True)) == [1, 3, 2]


@pytest.mark.django_db(transaction=True)
def test_what_was_pruned_in_part_is_not_missing(alice: Person):
    """A prune that is killed half way has removed the oldest, and said so before."""
    write_many(alice.user, history.BATCH + 1)
    history.seal()
    left = []

    def die_at_the_second_batch(**_: object) -> None:
        left.append(Event.objects.count())
        if left[0] - left[-1] >= history.BATCH:
            raise KeyboardInterrupt

    with time_machine.travel(timezone.now() + timedelta(days=401), tick=False):
        pre_delete.connect(die_at_the_second_batch, sender=Event)
        try:
            with pytest.raises(KeyboardInterrupt):
                sum(history.prune())
        finally:
            pre_delete.disconnect(die_at_the_second_batch, sender=Event)
        assert Event.objects.filter(kind="login.completed").count() == 1
        assert history.verify()[2] == []


def test_many_events_are_sealed_in_batches(alice: Person, django_assert_max_num_queries):
    many = 2 * history.BATCH + 1
    write_many(alice.user, many)
    with django_assert_max_num_queries(60):
        assert history.seal() == many
    assert history.seal() == 0
    assert verify().startswith(f"{many}:")


def write_many(user: User, number: int) -> None:
    Event.objects.all().delete()
    for _ in range(number):
        record("login.completed", caller=AT_HOME, user=user)
