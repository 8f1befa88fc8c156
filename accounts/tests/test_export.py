"""A copy of one's own data: what is in it, who can have it, and until when."""

import io
import json
import tracemalloc
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from zipfile import ZipFile

import pytest
import time_machine
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from accounts.errors import ExportTooSoon, ProofTooOld
from accounts.models import Event, Export, User
from accounts.services import erasure, export
from accounts.tests.authenticator import add_passkey
from bottomline.caller import Caller
from bottomline.outbox import services as outbox
from conftest import Inbox, Person, Visitor, confirm, log_in, sign_up
from invites import services as invites

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_files_of_others() -> None:
    for file in files():
        file.unlink()


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


def proven() -> Caller:
    return Caller(ip="192.0.2.1", proved_at=timezone.now())


def files() -> list[Path]:
    return [file for file in Path(settings.MEDIA_ROOT).glob("exports/*") if file.is_file()]


def ready(person: Person) -> Export:
    """A copy that was asked for and made."""
    asked = export.request(person.user, caller=proven())
    assert export.sweep() == 1
    asked.refresh_from_db()
    return asked


def download(visitor: Visitor, made: Export) -> dict[str, Any]:
    """What is in the zip, by the names of its files."""
    response = visitor.get(f"/account/export/{made.pk}/")
    assert response.status_code == 200
    with ZipFile(io.BytesIO(b"".join(response.streaming_content))) as archive:
        assert archive.testzip() is None
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    return {n: json.loads(t) if n.endswith(".json") else t for n, t in texts.items()}


# --- asking, being told, having it ---


def test_a_member_asks_is_told_by_mail_and_downloads_it(
    client: Visitor, alice: Person, inbox: Inbox
):
    log_in(client, alice)
    response = client.post("/account/export/")
    assert response.headers["Location"] == "/account/export/"
    assert "We are making your copy" in client.get("/account/export/").content.decode()
    export.sweep()

    mail = inbox.mails_to(alice.email)[-1]
    assert mail.subject == "Your data from The Bottom Line is ready"
    assert "127.0.0.0/24" in mail.body, "from where it was asked for"
    assert "/account/not-me/" in mail.body
    assert inbox.link_to(alice.email) == "/account/export/"
    made = Export.objects.get()
    page = client.get("/account/export/").content.decode()
    assert f'href="/account/export/{made.pk}/"' in page

    response = client.get(f"/account/export/{made.pk}/")
    assert response["Content-Type"] == "application/zip"
    day = f"{timezone.now():%Y-%m-%d}"
    assert response["Content-Disposition"] == f'attachment; filename="bottomline-{day}.zip"'
    assert response["Cache-Control"] == "no-store, private"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert int(response["Content-Length"]) == made.size
    assert Event.objects.filter(kind="export.downloaded", user_id=alice.user.pk).exists()


def test_it_holds_what_is_theirs(client: Visitor, alice: Person, inbox: Inbox):
    mine = invites.issue(issuer=alice.user, label="my sister", note="come in", uses=2)
    invites.issue(issuer=alice.user, email="uncle@example.net")
    theo = Person("theo@example.org", "theo")
    sign_up(Visitor(), mine, theo)
    confirm(Visitor(), inbox.link_to(theo.email))
    alice.user.identities.create(issuer="https://id.example", subject="1081", email=alice.email)
    log_in(client, alice)
    add_passkey(client, "Alice’s phone")

    parts = download(client, ready(alice))

    assert list(parts) == [
        "README.txt",
        "profile.json",
        "second-factor.json",
        "passkeys.json",
        "sessions.json",
        "events.json",
        "invites.json",
    ]
    assert "what The Bottom Line keeps about alice" in parts["README.txt"]
    assert all(name in parts["README.txt"] for name in parts if name != "README.txt")
    assert parts["profile.json"]["email"] == alice.email
    [linked] = parts["profile.json"]["linked_identities"]
    assert linked.pop("linked_at")
    assert linked == {"issuer": "https://id.example", "subject": "1081", "email": alice.email}
    assert [session["ip"] for session in parts["sessions.json"]] == ["127.0.0.1"]
    [passkey] = parts["passkeys.json"]
    assert passkey["name"] == "Alice’s phone"
    assert set(passkey) == {"name", "is_synced", "created_at", "last_used_at"}
    kinds = [event["kind"] for event in parts["events.json"]]
    assert kinds[:3] == ["signup.done", "mail.sent", "email_confirmation.done"]
    assert parts["events.json"][0]["ip"] == "127.0.0.1"
    assert parts["invites.json"]["came_in"]["invited_by"] is None
    first, second = parts["invites.json"]["made"]
    assert (first["label"], first["note"]) == ("my sister", "come in")
    assert [guest["username"] for guest in first["came_in"]] == ["theo"]
    assert second["for_one_address"] is True


@pytest.mark.asvs("14.2.6")
def test_it_holds_no_secret_and_no_address_of_anybody_else(
    client: Visitor, alice: Person, bob: Person, inbox: Inbox
):
    bobs = invites.issue(issuer=bob.user, label="private to bob")
    mine = invites.issue(issuer=alice.user, email="uncle@example.net")
    client.post("/password/forgot/", {"email": alice.email})
    inbox.mails_to(alice.email)
    log_in(client, alice)
    log_in(Visitor(), bob)

    text = json.dumps(download(client, ready(alice)))

    user = alice.user
    for secret in (
        *(user.password, "argon2", client.cookies["__Host-session"].value.partition(".")[0]),
        *(bob.email, "bob", "private to bob", "uncle@example.net"),
        *(mine.link.split("/")[-2], bobs.link.split("/")[-2], str(mine.public_id)),
        *(token.link_token for token in user.tokens.all()),
        *Event.objects.values_list("mac", flat=True),
        *Event.objects.values_list("origin", flat=True),
    ):
        assert secret not in text


def test_whoever_has_done_nothing_has_a_copy_too(client: Visitor, alice: Person):
    Event.objects.all().delete()
    made = ready(alice)
    Event.objects.all().delete()
    log_in(client, alice)
    parts = download(client, made)
    assert parts["sessions.json"] == []
    assert parts["invites.json"]["made"] == []


def test_one_copy_a_day_and_it_says_when_the_next(client: Visitor, alice: Person, clock: Any):
    log_in(client, alice)
    client.post("/account/export/")
    export.sweep()
    again = client.post("/account/export/")
    assert again.status_code == 429
    assert int(again["Retry-After"]) == 86401
    tomorrow = timezone.now() + timedelta(days=1)
    assert f"{tomorrow:%-d %B %Y, %H:%M} UTC" in again.content.decode()
    assert Export.objects.count() == 1
    clock.shift(timedelta(days=1))
    export.request(alice.user, caller=proven())


@pytest.mark.asvs("7.5.3")
def test_asking_and_having_it_need_the_password(client: Visitor, alice: Person, clock: Any):
    made = ready(alice)
    clock.shift(timedelta(days=1))
    log_in(client, alice)
    clock.shift(timedelta(minutes=30))
    there = "/reauth/?next=%2Faccount%2Fexport%2F"
    assert client.get("/account/export/").status_code == 200
    assert client.post("/account/export/").headers["Location"] == there
    assert client.get(f"/account/export/{made.pk}/").headers["Location"] == there
    with pytest.raises(ProofTooOld):
        export.request(alice.user, caller=Caller(ip="192.0.2.1"))
    with pytest.raises(ProofTooOld):
        export.open_file(made, caller=Caller(ip="192.0.2.1"))
    client.post("/reauth/", {"password": alice.password})
    assert client.get(f"/account/export/{made.pk}/").status_code == 200


@pytest.mark.asvs("8.2.2")
def test_somebody_elses_is_not_there(client: Visitor, alice: Person, bob: Person):
    made = ready(alice)
    log_in(client, bob)
    assert client.get(f"/account/export/{made.pk}/").status_code == 404
    assert client.get(f"/account/export/{uuid.uuid4()}/").status_code == 404
    assert str(made.pk) not in client.get("/account/export/").content.decode()
    assert Visitor().get(f"/account/export/{made.pk}/").headers["Location"].startswith("/login/")


def test_one_that_is_not_made_yet_is_not_there(client: Visitor, alice: Person):
    asked = export.request(alice.user, caller=proven())
    log_in(client, alice)
    assert client.get(f"/account/export/{asked.pk}/").status_code == 404


@pytest.mark.asvs("14.2.7")
def test_after_seven_days_it_is_gone_and_its_file_deleted(
    client: Visitor, alice: Person, clock: Any
):
    made = ready(alice)
    clock.shift(timedelta(days=7) - timedelta(seconds=1))
    assert sum(export.prune()) == 0
    log_in(client, alice)
    assert client.get(f"/account/export/{made.pk}/").status_code == 200
    clock.shift(timedelta(seconds=1))
    assert client.get(f"/account/export/{made.pk}/").status_code == 410
    assert "Make my copy" in client.get("/account/export/").content.decode()
    assert len(files()) == 1
    assert sum(export.prune()) == 1
    assert files() == []
    assert client.get(f"/account/export/{made.pk}/").status_code == 410
    clock.shift(timedelta(days=24))
    sum(export.prune())
    assert not Export.objects.exists()


@pytest.mark.asvs("2.4.1")
def test_one_member_has_it_twenty_times_an_hour(client: Visitor, alice: Person, clock: Any):
    made = ready(alice)
    log_in(client, alice)
    for _ in range(20):
        assert client.get(f"/account/export/{made.pk}/").status_code == 200
    refused = client.get(f"/account/export/{made.pk}/")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0


def test_it_is_sent_in_pieces(client: Visitor, alice: Person):
    """So what a download takes of memory does not grow with what there is to download."""
    made = ready(alice)
    default_storage.delete(made.name)
    default_storage.save(made.name, ContentFile(bytes(1_000_000)))
    log_in(client, alice)
    response = client.get(f"/account/export/{made.pk}/")
    assert response.streaming
    sizes = [len(piece) for piece in response.streaming_content]
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= 64 * 1024


def test_a_file_that_was_lost_is_gone_and_no_fault(client: Visitor, alice: Person):
    made = ready(alice)
    default_storage.delete(made.name)
    log_in(client, alice)
    assert client.get(f"/account/export/{made.pk}/").status_code == 410


def test_only_we_can_read_the_file(alice: Person):
    ready(alice)
    (file,) = files()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


# --- the worker ---


def test_made_twice_it_is_made_once(alice: Person, inbox: Inbox):
    made = ready(alice)
    assert export.make(made.pk) is False
    assert export.sweep() == 0
    assert len(files()) == 1
    subjects = [mail.subject for mail in inbox.mails_to(alice.email)]
    assert subjects.count("Your data from The Bottom Line is ready") == 1


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_of_two_workers_one_makes_it(alice: Person):
    asked = export.request(alice.user, caller=proven())

    def work(_: int) -> bool:
        try:
            return export.make(asked.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        assert sorted(workers.map(work, range(4))) == [False, False, False, True]
    assert len(files()) == 1


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_asking_twice_at_once_is_asking_once(alice: Person):
    user = alice.user

    def ask(_: int) -> str:
        try:
            export.request(user, caller=proven())
        except ExportTooSoon:
            return "too soon"
        finally:
            connection.close()
        return "asked"

    with ThreadPoolExecutor(4) as people:
        assert sorted(people.map(ask, range(4))) == ["asked", *["too soon"] * 3]


class Killed(BaseException):
    """What the system does to a worker: nothing of ours catches it."""


def killed_at(step: str) -> Any:
    return mock.patch(step, mock.Mock(side_effect=Killed))


@pytest.mark.parametrize(
    "step",
    [
        "accounts.services.export._write",
        "django.core.files.storage.FileSystemStorage.save",
        "accounts.models.Export.finish",
    ],
)
def test_a_worker_that_was_killed_is_followed_by_another(alice: Person, clock: Any, step):
    asked = export.request(alice.user, caller=proven())
    with killed_at(step), pytest.raises(Killed):
        export.make(asked.pk)
    assert export.sweep() == 0, "its lease holds"
    clock.shift(timedelta(minutes=5))
    assert export.sweep() == 1
    sum(export.prune())
    (file,) = files()
    asked.refresh_from_db()
    assert asked.name == f"exports/{file.name}"


def test_one_that_cannot_be_made_is_given_up_and_can_be_asked_for_again(
    client: Visitor, alice: Person, bob: Person, clock: Any
):
    export.request(alice.user, caller=proven())
    with mock.patch("accounts.services.export._profile", mock.Mock(side_effect=OSError)):
        for _ in range(5):
            assert export.sweep() == 0
            clock.shift(timedelta(minutes=5))
    export.request(bob.user, caller=proven())
    assert export.sweep() == 1, "it holds up nobody else"
    log_in(client, alice)
    assert "could not make your copy" in client.get("/account/export/").content.decode()
    assert client.post("/account/export/").status_code == 302
    assert export.sweep() == 1


def test_a_copy_whose_disk_is_away_is_there_again_later(client: Visitor, alice: Person):
    made = ready(alice)
    log_in(client, alice)
    away = mock.Mock(side_effect=OSError)
    with mock.patch("django.core.files.storage.FileSystemStorage.open", away):
        assert client.get(f"/account/export/{made.pk}/").status_code == 503
    assert "profile.json" in download(client, made)


def test_a_file_that_no_row_names_is_deleted(alice: Person):
    made = ready(alice)
    (Path(settings.MEDIA_ROOT) / "exports" / "left-behind.zip").write_bytes(b"x")
    assert sum(export.prune()) == 1
    assert [f"exports/{file.name}" for file in files()] == [made.name]


def test_who_is_erased_while_their_copy_is_made_leaves_no_file(alice: Person, clock: Any):
    asked = export.request(alice.user, caller=proven())
    User.objects.filter(pk=asked.user_id).update(closed_at=timezone.now())
    clock.shift(timedelta(days=14))
    erasure.say_goodbyes()
    outbox.sweep()
    save = default_storage.save

    def save_and_be_erased(*args: Any) -> str:
        assert erasure.erase_all() == 1
        return save(*args)

    with mock.patch.object(type(default_storage._wrapped), "save", side_effect=save_and_be_erased):
        assert export.make(asked.pk) is False
    assert files() == []
    assert not Export.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_erasure_deletes_the_file_and_what_it_could_not_delete_goes_later(
    alice: Person, clock: Any
):
    asked = export.request(alice.user, caller=proven())
    User.objects.filter(email=alice.email).update(closed_at=timezone.now())
    clock.shift(timedelta(days=13))
    assert export.make(asked.pk), "late, or its time would be over"
    clock.shift(timedelta(days=1))
    erasure.say_goodbyes()
    outbox.sweep()
    with mock.patch(
        "django.core.files.storage.FileSystemStorage.delete", mock.Mock(side_effect=OSError)
    ):
        assert erasure.erase_all() == 1
    assert User.objects.get().is_erased
    assert len(files()) == 1
    assert sum(export.prune()) == 1
    assert files() == []


def test_many_events_need_no_more_memory_than_few(alice: Person):
    def peak() -> int:
        Export.objects.all().delete()
        asked = export.request(alice.user, caller=proven())
        tracemalloc.start()
        assert export.make(asked.pk)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    add_events(alice.user, 1_000)
    few = peak()
    add_events(alice.user, 5_000)
    assert peak() < 2 * few


def add_events(user: User, count: int) -> None:
    Event.objects.bulk_create(
        (
            Event(
                kind="login.completed",
                user_id=user.pk,
                ip="203.0.113.9",
                user_agent="x" * 150,
                origin="0" * 64,
                mac=uuid.uuid4().hex * 2,
            )
            for _ in range(count)
        ),
        batch_size=2000,
    )
