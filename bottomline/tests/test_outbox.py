"""The outbox by itself: what is promised is sent, once where that can be had, and never lost."""

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from celery import current_app
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import Token, User
from accounts.services import email_confirmation
from bottomline import hints
from bottomline.caller import Caller
from bottomline.outbox import services as outbox
from bottomline.outbox.mails import Mail, register, render
from bottomline.outbox.models import LEASE, LONGEST_WAIT, MOST_ATTEMPTS, OutboxMessage
from bottomline.tests.servers import MailServer, link_in, running
from conftest import LINK, Inbox, Person, Visitor, confirm, log_in, sign_up
from invites import services as invites
from invites.models import Invite

Status = OutboxMessage.Status
CALLER = Caller(ip="192.0.2.7")
EDITH = Person("edith@example.org", "edith")


@pytest.fixture
def smtp(settings) -> Iterator[MailServer]:
    """A real mail server that the outbox sends to."""
    with running(MailServer()) as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_TIMEOUT = 1
        yield server


@pytest.fixture
def promised(client: Visitor, invite: Invite) -> OutboxMessage:
    """Edith has signed up; her mail has not gone out yet."""
    assert sign_up(client, invite, EDITH).status_code == 200
    return OutboxMessage.objects.get()


# --- claiming ------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_eight_workers_one_claims_each_message():
    ids = [OutboxMessage.objects.create(kind="already_member", subject=n).pk for n in range(100)]
    gate = threading.Barrier(8)

    def work() -> list[uuid.UUID]:
        try:
            gate.wait(30)
            return [pk for pk in ids if OutboxMessage.objects.claim(pk)]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as workers:
        claims = [pk for each in [workers.submit(work) for _ in range(8)] for pk in each.result()]

    assert sorted(claims) == sorted(ids)
    assert set(OutboxMessage.objects.values_list("attempts", flat=True)) == {1}


def test_what_is_claimed_is_nobody_elses_until_the_lease_ends(promised: OutboxMessage):
    assert OutboxMessage.objects.claim(promised.pk)

    assert not OutboxMessage.objects.claim(promised.pk)
    with after(LEASE - timedelta(seconds=1)):
        assert not OutboxMessage.objects.claim(promised.pk)
    with after(LEASE + timedelta(seconds=1)):
        assert OutboxMessage.objects.claim(promised.pk)


def test_a_worker_frozen_past_its_lease_changes_nothing(promised: OutboxMessage):
    frozen = claim(promised)
    with after(LEASE + timedelta(seconds=1)):
        other = claim(promised)

        assert not frozen.finish(Status.SENT)
        assert not frozen.finish(Status.DEAD, error="too late")
        assert not frozen.postpone(error="too late")
        promised.refresh_from_db()
        assert (promised.status, promised.lease, promised.attempts) == ("pending", other.lease, 2)

        assert other.finish(Status.SENT)
        assert not frozen.postpone(error="much too late")
    promised.refresh_from_db()
    assert (promised.status, promised.last_error) == ("sent", "")


def test_an_attempt_counts_before_the_work(promised: OutboxMessage):
    claim(promised)  # and the worker is killed

    promised.refresh_from_db()
    assert promised.attempts == 1


def test_a_message_that_kills_its_workers_is_a_dead_letter_in_the_end(promised: OutboxMessage):
    for n in range(MOST_ATTEMPTS):
        with after((LEASE + timedelta(seconds=1)) * n):
            claim(promised)
    with after((LEASE + timedelta(seconds=1)) * MOST_ATTEMPTS):
        outbox.sweep()

    promised.refresh_from_db()
    assert (promised.status, promised.last_error) == ("dead", "never finished")
    assert not mail.outbox


def test_what_was_sent_is_not_sent_again(promised: OutboxMessage):
    for _ in range(3):
        assert outbox.deliver(promised.pk)
    with after(timedelta(days=1)):
        assert outbox.sweep() == 0

    assert len(mail.outbox) == 1


# --- trying again --------------------------------------------------------------------------------


def test_the_pause_between_attempts_grows_and_is_never_the_same(db: None):
    longest, all_waits = [], set()
    for attempts in range(1, MOST_ATTEMPTS):
        waits = [wait_after(attempts) for _ in range(10)]
        longest.append(max(waits))
        all_waits |= set(waits)
        assert min(waits) >= timedelta(seconds=7)
        assert max(waits) <= LONGEST_WAIT

    assert longest[0] <= timedelta(seconds=30)
    assert longest[3] > 2 * longest[0]
    assert max(longest[-4:]) > LONGEST_WAIT / 2
    assert len(all_waits) == 10 * len(longest), "who failed together comes back apart"


def test_after_the_last_attempt_it_is_a_dead_letter(promised: OutboxMessage, smtp: MailServer):
    smtp.answer = "451 Not now"
    moment = timedelta()
    for _ in range(MOST_ATTEMPTS):
        with after(moment):
            outbox.deliver(promised.pk)
        moment += LONGEST_WAIT + timedelta(seconds=1)

    promised.refresh_from_db()
    assert (promised.status, promised.attempts) == ("dead", MOST_ATTEMPTS)
    assert smtp.refused == MOST_ATTEMPTS


def test_a_dead_letter_can_be_given_another_life(promised: OutboxMessage, smtp: MailServer):
    smtp.refuse_recipients = "550 No such user"
    outbox.deliver(promised.pk)
    promised.refresh_from_db()
    assert (promised.status, promised.last_error) == ("dead", "SMTP 550")
    smtp.refuse_recipients = None

    assert outbox.retry(promised.pk)
    assert outbox.sweep() == 1

    promised.refresh_from_db()
    assert promised.status == "sent"
    assert len(smtp.received) == 1
    assert not outbox.retry(promised.pk), "only a dead one"


def test_staff_retry_dead_letters_in_the_admin(client: Visitor, olivia: Person, inbox: Inbox):
    dead = OutboxMessage.objects.create(
        kind="already_member", subject=olivia.user.pk, status=Status.DEAD, attempts=MOST_ATTEMPTS
    )
    log_in(client, olivia)

    response = client.post(
        "/admin/outbox/outboxmessage/", {"action": "retry_dead", "_selected_action": [dead.pk]}
    )

    assert response.status_code == 302
    dead.refresh_from_db()
    assert (dead.status, dead.attempts) == ("pending", 0)
    assert "already" in str(inbox.mails_to(olivia.email)[-1].body).lower()


@pytest.mark.parametrize("trouble", ["away", "mute", "421 Busy", "451 Not now", "drops"])
def test_a_retry_is_the_same_mail(promised: OutboxMessage, smtp: MailServer, trouble: str):
    if trouble == "mute":
        smtp.stall.set()
    elif trouble == "drops":
        smtp.drop_after_data = True
    elif trouble == "away":
        smtp.stop()
    else:
        smtp.answer = trouble
    outbox.deliver(promised.pk)
    promised.refresh_from_db()
    assert (promised.status, promised.lease) == ("pending", None)
    assert promised.attempts == (0 if trouble == "away" else 1)
    assert promised.next_attempt_at > timezone.now()
    smtp.stall.clear()
    smtp.answer, smtp.drop_after_data = None, False
    smtp.start()
    with after(LONGEST_WAIT):
        outbox.deliver(promised.pk)

    promised.refresh_from_db()
    assert promised.status == "sent"
    sent = smtp.mails_to(EDITH.email)
    assert len(sent) == (2 if trouble in {"mute", "drops"} else 1)
    assert {message["Message-ID"] for message in sent} == {f"<{promised.pk.hex}@door.example.org>"}
    assert len({link_in(message) for message in sent}) == 1


def test_a_mail_server_that_is_away_is_asked_once_a_sweep(smtp: MailServer, db: None):
    for n in range(5):
        user = User.objects.create(
            email=f"u{n}@example.org", username=f"u{n}", username_key=f"u{n}"
        )
        email_confirmation.emails.confirm_again(user.pk)
    smtp.stop()

    assert outbox.sweep() == 1
    assert OutboxMessage.objects.filter(attempts=0, status=Status.PENDING).count() == 5

    smtp.start()
    with after(timedelta(minutes=1)):
        assert outbox.sweep() == 5
    assert len(smtp.received) == 5


# --- what no longer makes sense ------------------------------------------------------------------


def test_a_confirmation_is_not_sent_to_who_has_confirmed(client: Visitor, promised: OutboxMessage):
    link = f"/invite/?confirmation={Token.objects.get().link_token}"
    assert confirm(client, link).status_code == 302

    assert_moot(promised)


@pytest.mark.asvs("8.3.3")
def test_a_link_that_has_run_out_is_not_sent(promised: OutboxMessage):
    with after(timedelta(hours=25)):
        assert_moot(promised)


def test_a_link_that_a_newer_one_replaced_is_not_sent(client: Visitor, promised: OutboxMessage):
    again = Person(EDITH.email, "edith-again")
    assert sign_up(client, invites.issue(), again).status_code == 200

    outbox.sweep()

    promised.refresh_from_db()
    assert promised.status == "moot"
    assert len(mail.outbox) == 1


@pytest.mark.asvs("8.3.3")
def test_nothing_is_sent_to_an_account_that_is_gone(promised: OutboxMessage):
    User.objects.all().delete()

    assert_moot(promised)


def test_a_promise_to_nobody_is_kept_to_nobody(db: None):
    email_confirmation.request("nobody@example.org", caller=CALLER)

    assert outbox.sweep() == 1
    assert OutboxMessage.objects.get().status == "moot"
    assert not mail.outbox


# --- the promise and the transaction -------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_transaction_rolled_back_promises_nothing():
    with contextlib.suppress(IntegrityError), transaction.atomic():
        outbox.enqueue("already_member", uuid.uuid4())
        raise IntegrityError

    assert not OutboxMessage.objects.exists()
    assert outbox.sweep() == 0


def test_a_row_holds_no_address_no_token_and_no_text(promised: OutboxMessage):
    kept = str(OutboxMessage.objects.values().get())

    assert EDITH.email not in kept
    assert EDITH.username not in kept
    assert Token.objects.get().link_token not in kept


# --- what it looks like --------------------------------------------------------------------------


def test_a_mail_is_text_first_and_html_beside_it(promised: OutboxMessage, smtp: MailServer):
    outbox.deliver(promised.pk)

    [message] = smtp.received
    types = [part.get_content_type() for part in message.walk()]
    assert types == ["multipart/alternative", "text/plain", "text/html"]
    assert LINK.search(link_in(message))
    assert smtp.recipients == [[EDITH.email]]


@pytest.mark.asvs("1.3.11")
def test_a_subject_has_one_line_whatever_is_in_it(db: None, tmp_path, settings):
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    folder = tmp_path / "emails" / "odd"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("Hello\n{{ name }}\r\nBcc: victim@example.org\n")
    (folder / "body.txt").write_text("Text")
    (folder / "body.html").write_text("<p>Text</p>")

    message = OutboxMessage(kind="odd", subject="1")
    odd = Mail("odd", to="ann@example.org", context={"name": "Ann\r\nCc: other@example.org"})
    sent = render(odd, message).message()

    assert sent["Subject"] == "Hello Ann Cc: other@example.org Bcc: victim@example.org"
    assert not sent["Bcc"]
    assert not sent["Cc"]


@pytest.mark.asvs("16.5.4")
def test_a_mail_that_cannot_be_composed_does_not_stop_the_others(promised: OutboxMessage):
    @register("broken")
    def _broken(message: OutboxMessage) -> Mail | None:
        raise ZeroDivisionError

    broken = OutboxMessage.objects.create(
        kind="broken", subject="1", next_attempt_at=timezone.now() - timedelta(hours=1)
    )
    with contextlib.suppress(ZeroDivisionError):
        outbox.sweep()
    with contextlib.suppress(ZeroDivisionError):
        outbox.sweep()

    promised.refresh_from_db()
    assert promised.status == "sent"
    broken.refresh_from_db()
    assert (broken.status, broken.attempts) == ("pending", 1)


# --- telling the workers -------------------------------------------------------------------------


@pytest.mark.parametrize("broker", ["mute", "away"])
def test_publishing_never_waits_and_never_raises(broker: str):
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        port = listener.getsockname()[1]
        if broker == "away":
            listener.close()
        with a_publisher_of_its_own(f"redis://127.0.0.1:{port}/0"):
            began = time.monotonic()
            for _ in range(100):
                hints.publish(outbox.DELIVER, uuid.uuid4())
            took = time.monotonic() - began
            if broker == "mute":
                listener.settimeout(20)
                listener.accept()[0].close()  # it did try

    assert took < 0.25


def test_more_than_the_thread_can_hold_is_left_to_the_sweep():
    with (
        socket.create_server(("127.0.0.1", 0), backlog=200) as listener,
        a_publisher_of_its_own(f"redis://127.0.0.1:{listener.getsockname()[1]}/0"),
    ):
        for _ in range(2 * hints.WAITING):
            hints.publish(outbox.DELIVER, uuid.uuid4())


@contextlib.contextmanager
def a_publisher_of_its_own(broker: str) -> Iterator[None]:
    """The publishing thread, to another broker; the tests' own is put back afterwards."""
    kept, hints._publisher = hints._publisher, None
    url, current_app.conf.broker_url = current_app.conf.broker_url, broker
    write, current_app.conf.broker_write_url = current_app.conf.broker_write_url, broker
    current_app.amqp._producer_pool = None
    current_app._pool = None
    try:
        yield
    finally:
        hints._publisher = kept
        current_app.conf.broker_url, current_app.conf.broker_write_url = url, write
        current_app.amqp._producer_pool = None
        current_app._pool = None


def after(wait: timedelta):
    return time_machine.travel(timezone.now() + wait, tick=True)


def claim(message: OutboxMessage) -> OutboxMessage:
    claimed = OutboxMessage.objects.claim(message.pk)
    assert claimed is not None
    return claimed


def wait_after(attempts: int) -> timedelta:
    message = OutboxMessage.objects.create(
        kind="already_member", subject="1", attempts=attempts - 1
    )
    began = timezone.now()
    assert claim(message).postpone(error="SMTP 451")
    message.refresh_from_db()
    return message.next_attempt_at - began


def assert_moot(message: OutboxMessage) -> None:
    outbox.sweep()
    message.refresh_from_db()
    assert message.status == "moot"
    assert not mail.outbox
