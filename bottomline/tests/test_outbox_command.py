"""`manage.py outbox`: how the promised mail is doing, and another life for what is dead."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from bottomline.outbox import services as outbox
from bottomline.outbox.models import OutboxMessage
from conftest import Person, Visitor, commits, sign_up
from invites.models import Invite

pytestmark = pytest.mark.django_db

Status = OutboxMessage.Status
EDITH = Person("edith@example.org", "edith")


def run(*arguments: object) -> str:
    out = StringIO()
    with commits():
        call_command("outbox", *map(str, arguments), stdout=out, stderr=StringIO())
    return out.getvalue()


def write(status: str, *, error: str = "", due: timedelta = timedelta()) -> OutboxMessage:
    now = timezone.now()
    return OutboxMessage.objects.create(
        kind="reset_password",
        subject="0",
        status=status,
        last_error=error,
        attempts=3,
        next_attempt_at=now + due,
        sent_at=now if status == Status.SENT else None,
    )


def test_status_counts_and_says_what_is_late_and_what_mail_died_of(still_clock):
    assert run("status") == "pending 0\nsent 0\nmoot 0\ndead 0\nnothing is late\n"
    write(Status.PENDING, due=timedelta(minutes=-7))
    write(Status.PENDING, due=timedelta(hours=1))
    write(Status.SENT)
    for error in ("SMTP 550", "SMTP 550", "never finished"):
        write(Status.DEAD, error=error)
    assert run("status") == (
        "pending 2\nsent 1\nmoot 0\ndead 3\nlate 420 s\n"
        "dead: reset_password (SMTP 550) 2\ndead: reset_password (never finished) 1\n"
    )


def test_status_names_nobody(client: Visitor, invite: Invite):
    sign_up(client, invite, EDITH)
    said = run("status")
    assert "pending 1" in said
    assert EDITH.email not in said


def test_a_dead_mail_that_is_retried_goes_out(client: Visitor, invite: Invite):
    sign_up(client, invite, EDITH)
    message = OutboxMessage.objects.get()
    OutboxMessage.objects.update(status=Status.DEAD, attempts=12, last_error="SMTP 550")
    assert outbox.sweep() == 0

    assert run("retry", message.pk, "--dry-run") == f"{message.pk} would be tried again.\n"
    assert outbox.sweep() == 0
    assert run("retry", message.pk) == f"{message.pk} will be tried again.\n"
    assert outbox.sweep() == 1
    assert [sent.to for sent in mail.outbox] == [[EDITH.email]]


def test_what_is_not_dead_is_said_and_the_others_are_retried():
    dead, sent, unknown = write(Status.DEAD), write(Status.SENT), uuid.uuid4()
    with pytest.raises(CommandError, match=f"not {sent.pk}, {unknown}") as end:
        run("retry", sent.pk, dead.pk, unknown)
    assert end.value.returncode == 1
    dead.refresh_from_db()
    sent.refresh_from_db()
    assert (dead.status, sent.status) == ("pending", "sent")


def test_all_dead_mail_is_retried_and_nothing_else(django_assert_num_queries):
    for status in (Status.DEAD, Status.DEAD, Status.SENT, Status.MOOT, Status.PENDING):
        write(status)
    assert run("retry", "--all", "--dry-run") == "2 would be tried again.\n"
    # How many, a batch, its savepoint with the lock and the update, and that there is no more.
    with django_assert_num_queries(1 + 1 + 4 + 1):
        assert run("retry", "--all") == "2 will be tried again.\n"
    assert run("retry", "--all") == "0 will be tried again.\n"
    counts = outbox.standing().counts
    assert counts == {"pending": 3, "sent": 1, "moot": 1, "dead": 0}


@pytest.mark.django_db(transaction=True)
def test_two_who_retry_all_at_once_revive_each_once():
    for _ in range(50):
        write(Status.DEAD)
    gate = threading.Barrier(2)

    def retry() -> int:
        gate.wait(30)
        try:
            return int(run("retry", "--all").split()[0])
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as operators:
        revived = [each.result() for each in [operators.submit(retry) for _ in range(2)]]
    assert sum(revived) == 50
    assert outbox.standing().counts["pending"] == 50


@pytest.mark.parametrize("arguments", [(), ("retry",), ("retry", "--all", uuid.uuid4()), ("x",)])
def test_what_to_do_is_said_in_one_way(arguments: tuple[object, ...]):
    write(Status.DEAD)
    with pytest.raises(CommandError):
        run(*arguments)
    assert outbox.standing().counts["dead"] == 1
