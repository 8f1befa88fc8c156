"""Pictures and exports in a bucket: against a small server that speaks enough of S3."""

import io
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape
from zipfile import ZipFile

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.models import Export
from accounts.services import export
from bottomline.caller import Caller
from bottomline.errors import Unavailable
from bottomline.pictures import store
from bottomline.tests.servers import serving
from conftest import Person, Visitor, log_in


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kept: dict[str, bytes]
    broken = False

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 12:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.broken:
            return self.answer(500)
        self.kept[urlsplit(self.path).path] = content
        return self.answer(200)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if self.broken:
            return self.answer(500)
        if path in {"/pictures-of-ours", "/pictures-of-ours/"}:
            names = (escape(name.removeprefix("/pictures-of-ours/")) for name in self.kept)
            keys = "".join(f"<Contents><Key>{name}</Key></Contents>" for name in names)
            return self.answer(200, f"<ListBucketResult>{keys}</ListBucketResult>".encode())
        if path not in self.kept:
            return self.answer(404)
        return self.answer(200, self.kept[path])

    do_HEAD = do_GET

    def do_DELETE(self) -> None:
        self.kept.pop(urlsplit(self.path).path, None)
        self.answer(204)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def bucket(settings, monkeypatch) -> Iterator[type[Handler]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    handler = type("Bucket", (Handler,), {"kept": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    options = {
        "bucket_name": "pictures-of-ours",
        "endpoint_url": f"http://127.0.0.1:{server.server_port}",
        "region_name": "eu-central-1",
        "addressing_style": "path",
    }
    backend = {"BACKEND": "bottomline.bucket.Bucket", "OPTIONS": options}
    settings.STORAGES = settings.STORAGES | {"default": backend}
    with serving(server):
        yield handler


def test_pictures_are_kept_in_a_bucket_found_there_and_removed(bucket: type[Handler]):
    name = store.keep({256: b"large", 64: b"small"})

    assert set(bucket.kept) == {
        f"/pictures-of-ours/pictures/{name.hex}-{size}.webp" for size in (256, 64)
    }
    assert store.read(name, 256) == b"large"
    store.remove(name)
    store.remove(name)
    assert bucket.kept == {}
    assert store.read(name, 256) is None


def test_a_bucket_is_swept_too(bucket: type[Handler]):
    store.keep({256: b"large", 64: b"small"})
    assert len(default_storage.listdir("pictures")[1]) == 2
    with time_machine.travel(timezone.now() + timedelta(days=3650)):
        assert store.prune(lambda names: set()) >= 1
    assert bucket.kept == {}


@pytest.mark.asvs("16.5.2")
def test_a_bucket_that_fails_is_told_as_something_that_is_away(bucket: type[Handler]):
    name = store.keep({256: b"large", 64: b"small"})
    bucket.broken = True
    with pytest.raises(Unavailable):
        store.read(name, 256)
    with pytest.raises(Unavailable):
        store.keep({256: b"large", 64: b"small"})


# --- exports ---


def ready(person: Person) -> Export:
    """A copy that was asked for and made."""
    caller = Caller(ip="192.0.2.1", proved_at=timezone.now())
    asked = export.request(person.user, caller=caller)
    assert export.make(asked.pk)
    asked.refresh_from_db()
    return asked


def get(visitor: Visitor, made: Export) -> Any:
    return visitor.get(f"/account/export/{made.pk}/")


@pytest.mark.django_db
def test_a_copy_is_kept_in_a_bucket_and_had_by_its_owner_alone(
    bucket: type[Handler], client: Visitor, alice: Person, bob: Person
):
    made = ready(alice)
    assert set(bucket.kept) == {f"/pictures-of-ours/{made.name}"}
    log_in(client, alice)
    response = get(client, made)
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"].startswith('attachment; filename="bottomline-')
    assert response["Cache-Control"] == "no-store, private"
    assert int(response["Content-Length"]) == made.size
    with ZipFile(io.BytesIO(b"".join(response.streaming_content))) as archive:
        assert archive.testzip() is None
        assert alice.email in archive.read("profile.json").decode()

    other = Visitor()
    log_in(other, bob)
    assert get(other, made).status_code == 404


@pytest.mark.django_db
def test_a_copy_in_a_bucket_is_gone_in_its_time(
    bucket: type[Handler], client: Visitor, alice: Person
):
    made = ready(alice)
    default_storage.save("exports/left-behind.zip", ContentFile(b"x"))
    assert sum(export.prune()) == 1, "what no row names"
    assert set(bucket.kept) == {f"/pictures-of-ours/{made.name}"}
    with time_machine.travel(timezone.now() + timedelta(days=7)):
        log_in(client, alice)
        assert get(client, made).status_code == 410
        assert sum(export.prune()) == 1
    assert bucket.kept == {}


@pytest.mark.asvs("16.5.2")
@pytest.mark.django_db
def test_a_copy_waits_for_a_bucket_that_fails(
    bucket: type[Handler], client: Visitor, alice: Person
):
    made = ready(alice)
    log_in(client, alice)
    bucket.broken = True
    assert get(client, made).status_code == 503
    bucket.broken = False
    assert get(client, made).status_code == 200
    bucket.kept.clear()
    assert get(client, made).status_code == 410


def test_what_is_opened_is_not_held_in_memory(bucket: type[Handler]):
    bucket.kept["/pictures-of-ours/exports/large.zip"] = bytes(6_000_000)
    default_storage.open("exports/large.zip").close()  # whatever is loaded at first is
    tracemalloc.start()
    with default_storage.open("exports/large.zip") as file:
        read = sum(len(piece) for piece in iter(lambda: file.read(4096), b""))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read == 6_000_000
    assert most < 3_000_000
