"""What members show of themselves, and their pictures."""

import base64
import io
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from django.conf import settings as django_settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone
from PIL import Image

from accounts.models import Event, User
from accounts.services import members, profile
from bottomline.caller import Caller
from bottomline.errors import Unavailable
from bottomline.pictures import squares, store
from bottomline.tests import environment
from conftest import Person, Visitor, commits, join, log_in

HERE = Caller(ip="192.0.2.1")
SAID = {
    "display_name": "Ada Lovelace",
    "bio": "Poet.\r\nAnd <b>engineer</b>.",
    "language": "de",
    "time_zone": "Europe/London",
}


def picture(colour: str = "red", size: tuple[int, int] = (80, 60), kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


def upload(visitor: Visitor, content: bytes, name: str = "me.png", kind: str = "image/png"):
    file = SimpleUploadedFile(name, content, content_type=kind)
    return visitor.post("/account/profile/picture/", {"picture": file})


def stored() -> set[str]:
    try:
        return set(default_storage.listdir("pictures")[1])
    except FileNotFoundError:
        return set()


def address(person: Person, size: int = 256) -> str:
    return f"/pictures/{person.user.picture}/{size}/"


@pytest.fixture
def member(client: Visitor, alice: Person) -> Visitor:
    log_in(client, alice)
    return client


@pytest.fixture(autouse=True)
def _no_pictures() -> Iterator[None]:
    yield
    for name in stored():
        default_storage.delete(f"pictures/{name}")


# --- words ---


def test_a_member_says_who_they_are(member: Visitor, alice: Person):
    response = member.post("/account/profile/", SAID)
    assert response["Location"] == "/account/profile/"

    user = alice.user
    assert (user.display_name, user.language) == ("Ada Lovelace", "de")
    assert (user.bio, user.time_zone) == ("Poet.\nAnd <b>engineer</b>.", "Europe/London")
    form = member.get("/account/profile/").content.decode()
    assert "Your profile is saved." in form
    assert 'value="Ada Lovelace"' in form
    assert '<option value="Europe/London" selected>London</option>' in form
    page = member.get("/people/alice/").content.decode()
    assert "Ada Lovelace" in page
    assert "Poet.<br>And &lt;b&gt;engineer&lt;/b&gt;." in page


@pytest.mark.asvs("15.2.2")
@pytest.mark.asvs("1.3.12")
def test_a_text_that_takes_long_to_compose_is_not_composed(member: Visitor):
    """Thirty thousand marks in the wrong order take seconds, in which the process does no more."""
    marks = "a" + "\u0315\u0300" * 15_000
    used = time.process_time()
    response = member.post("/account/profile/", {**SAID, "bio": marks})
    assert response.status_code == 422
    assert "That is 30001 characters long. Use 500 at most." in response.content.decode()
    assert time.process_time() - used < 0.5


def test_a_new_name_shows_in_every_session_at_once(member: Visitor, alice: Person):
    other = Visitor()
    log_in(other, alice)
    assert "Hello, alice" in other.get("/account/").content.decode()

    member.post("/account/profile/", SAID)
    for browser in (other, member):
        assert "Hello, Ada Lovelace" in browser.get("/account/").content.decode()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"display_name": ""}, "Enter a name, even a short one."),
        ({"display_name": "x" * 101}, "That is 101 characters long. Use 100 at most."),
        # Composed, each is two characters.
        ({"display_name": "\u0958" * 60}, "That is 120 characters long. Use 100 at most."),
        ({"display_name": "Ada\u202e"}, "There is an invisible character in that text."),
        ({"display_name": "\u200b"}, "Nobody could see that."),
        ({"bio": "x" * 501}, "That is 501 characters long. Use 500 at most."),
        ({"bio": "Ada\u2066"}, "There is an invisible character in that text."),
        ({"language": "xx"}, "Select a valid choice."),
        ({"time_zone": "../../etc/passwd"}, "Select a valid choice."),
    ],
)
@pytest.mark.asvs("1.3.3")
def test_what_cannot_be_said_is_refused_with_a_sentence(
    member: Visitor, alice: Person, said: dict[str, str], sentence: str
):
    response = member.post("/account/profile/", SAID | said)

    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert alice.user.display_name == "alice"


@pytest.mark.asvs("1.3.3")
def test_nul_is_no_fault(member: Visitor):
    assert member.post("/account/profile/", SAID | {"display_name": "a\0b"}).status_code == 422
    assert member.post("/account/profile/", SAID | {"bio": "a\0b"}).status_code == 422


def test_five_hundred_characters_are_counted_as_people_count_them(member: Visitor, alice: Person):
    bio = "\r\n".join(["x"] * 250)
    assert member.post("/account/profile/", SAID | {"bio": bio}).status_code == 302
    assert len(alice.user.bio) == 499


@pytest.mark.asvs("8.2.3")
@pytest.mark.asvs("15.3.3")
def test_nothing_but_the_profile_can_be_changed_by_its_form(
    member: Visitor, alice: Person, bob: Person
):
    before = User.objects.filter(email=alice.email).values().get()
    stranger = {
        "is_staff": "1",
        "is_superuser": "1",
        "email": "evil@example.org",
        "username": "owner2",
        "username_key": "owner2",
        "password": "x",
        "blocked_until": "",
        "session_epoch": "9",
        "id": str(bob.user.pk),
        "user": str(bob.user.pk),
        "picture": str(bob.user.pk),
        "created_at": "2000-01-01",
    }
    assert member.post("/account/profile/", stranger | SAID).status_code == 302

    after = User.objects.filter(email=alice.email).values().get()
    assert {name for name in after if after[name] != before[name]} == set(SAID)
    assert bob.user.display_name == "bob"


@pytest.mark.asvs("16.2.5")
def test_a_change_is_written_down_without_what_was_said(member: Visitor, alice: Person):
    member.post("/account/profile/", SAID)
    event = Event.objects.get(kind="profile.changed")
    assert (event.user_id, event.details) == (alice.user.pk, {})


def test_a_profile_costs_the_database_one_row(member: Visitor, django_assert_num_queries):
    member.get("/account/profile/")
    with django_assert_num_queries(1):
        member.get("/account/profile/")


# --- pictures ---


@pytest.mark.asvs("5.2.2")
@pytest.mark.asvs("5.3.2")
@pytest.mark.asvs("5.4.1")
@pytest.mark.asvs("3.2.1")
def test_a_member_shows_a_picture(member: Visitor, alice: Person, bob: Person):
    assert upload(member, picture()).headers["Location"] == "/account/profile/"

    assert "Your new picture is in place." in member.get("/account/profile/").content.decode()
    other = Visitor()
    log_in(other, bob)
    assert address(alice) in other.get("/people/alice/").content.decode()
    for size in (256, 64):
        response = other.get(address(alice, size))
        shown = Image.open(io.BytesIO(response.content))
        assert (shown.format, shown.size) == ("WEBP", (size, size))
        assert response["Content-Type"] == "image/webp"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Disposition"] == 'inline; filename="picture.webp"'
        assert "; sandbox;" in response["Content-Security-Policy"]
        assert response["Cross-Origin-Resource-Policy"] == "same-origin"
        assert set(response["Cache-Control"].split(", ")) == {"private", "no-store"}
    hex_ = alice.user.picture.hex
    assert stored() == {f"{hex_}-256.webp", f"{hex_}-64.webp"}


@pytest.mark.asvs("5.2.2")
@pytest.mark.parametrize("kind", ["text/html", "application/x-php", "image/svg+xml", "", "\x7f/"])
@pytest.mark.parametrize("name", ["me.jpg", "me.html", "me", "me.png.php"])
def test_what_a_picture_is_called_does_not_matter(member, alice, name, kind):
    assert upload(member, picture(), name, kind).status_code == 302
    assert member.get(address(alice))["Content-Type"] == "image/webp"


@pytest.mark.asvs("5.3.2")
@pytest.mark.asvs("5.4.2")
@pytest.mark.parametrize(
    "name",
    [
        b"../../settings.py",
        b"..\\\\x.png",
        b"a\0.png",
        b"CON",
        b"x" * 900 + b".png",
        b"x" * 5000 + b".png",
        "\u202egnp.exe".encode(),
        b"\xff\xfe.png",
        b"a.png%0d%0aX: y",
        b"/etc/passwd",
        b"C:\\\\x.png",
    ],
)
def test_a_hostile_file_name_goes_nowhere(member: Visitor, alice: Person, name: bytes):
    head = b'--b\r\nContent-Disposition: form-data; name="picture"; filename="%s"\r\n' % name
    body = head + b"Content-Type: image/png\r\n\r\n" + picture() + b"\r\n--b--\r\n"
    response = member.generic(
        "POST", "/account/profile/picture/", body, "multipart/form-data; boundary=b"
    )

    assert response.status_code in {302, 400, 422}
    user = alice.user
    names = {f"{user.picture.hex}-{size}.webp" for size in (256, 64)} if user.picture else set()
    assert stored() == names
    if response.status_code == 302:
        assert "X" not in member.get(address(alice)).headers


@pytest.mark.asvs("5.2.2")
@pytest.mark.asvs("1.3.4")
@pytest.mark.asvs("5.1.1")
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "not a picture we can"),
        (b"%PDF-1.7", "not a picture we can"),
        (picture(kind="GIF"), "not a picture we can"),
        (picture(kind="TIFF"), "not a picture we can"),
        (picture()[:40], "not a picture we can"),
        (picture(size=(5000, 10)), "too many pixels"),
        (b"", "That file is empty."),
        (picture() + bytes(squares.MOST_BYTES), "larger than 2 MB"),
    ],
    ids=["SVG", "PDF", "GIF", "TIFF", "cut off", "too wide", "empty", "too many bytes"],
)
def test_what_is_no_picture_is_refused_with_a_sentence(
    member: Visitor, alice: Person, content: bytes, sentence: str
):
    response = upload(member, content)

    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert alice.user.picture is None
    assert stored() == set()


def test_no_file_at_all_is_refused_with_a_sentence(member: Visitor):
    for sent in ({}, {"picture": ""}, {"picture": "a text"}):
        response = member.post("/account/profile/picture/", sent)
        assert response.status_code == 422
        assert "Choose a file first." in response.content.decode()


@pytest.mark.asvs("5.1.1")
@pytest.mark.asvs("16.3.3")
def test_a_refusal_is_written_down(member: Visitor, alice: Person):
    upload(member, b"no picture")
    event = Event.objects.get(kind="picture.refused")
    assert (event.user_id, event.details) == (alice.user.pk, {"reason": "unreadable"})


@pytest.mark.asvs("5.2.1")
@pytest.mark.asvs("2.2.2")
def test_two_megabytes_are_taken_and_one_byte_more_is_not(member: Visitor):
    content = picture()
    at = len(content) - 12  # before the last chunk

    def weighing(total: int) -> bytes:
        padding = bytes(total - len(content) - 12)
        # A chunk nobody knows is skipped.
        chunk = b"prIv" + padding
        framed = struct.pack(">I", len(padding)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        return content[:at] + framed + content[at:]

    assert len(weighing(squares.MOST_BYTES)) == squares.MOST_BYTES
    assert upload(member, weighing(squares.MOST_BYTES)).status_code == 302
    assert upload(member, weighing(squares.MOST_BYTES + 1)).status_code == 422


@pytest.mark.asvs("5.2.1")
def test_a_body_larger_than_the_picture_form_needs_is_refused_unread(member: Visitor):
    response = upload(member, bytes(3 * 1024 * 1024))
    assert response.status_code == 413
    assert "That is too big" in response.content.decode()


@pytest.mark.asvs("5.2.1")
@pytest.mark.parametrize(
    "path",
    [
        "/account/profile/",
        "/account/profile/picture/remove/",
        "/account/profile/picture",
        "//account/profile/picture/",
        "/account/profile/picture/x/",
    ],
)
def test_no_other_form_takes_a_body_of_that_size(member: Visitor, path: str):
    assert member.post(path, {"bio": "x" * 100_000}).status_code == 413


@pytest.mark.asvs("5.2.1")
def test_beside_the_picture_its_form_takes_no_long_text_and_no_second_file(member: Visitor):
    assert member.post("/account/profile/picture/", {"x": "x" * 100_000}).status_code == 400
    files = {name: SimpleUploadedFile("x", picture()) for name in ("picture", "other")}
    assert member.post("/account/profile/picture/", files).status_code == 400


@pytest.mark.asvs("5.2.1")
def test_a_picture_in_another_encoding_is_decoded_before_it_is_weighed(member, alice):
    def sent(content: bytes):
        head = b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n'
        coded = b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(content)
        return member.generic(
            "POST",
            "/account/profile/picture/",
            head + coded + b"\r\n--b--\r\n",
            "multipart/form-data; boundary=b",
        )

    assert sent(picture()).status_code == 302
    assert sent(bytes(10)).status_code == 422


@pytest.mark.asvs("5.2.4")
def test_a_new_picture_takes_the_place_of_the_old_one(member: Visitor, alice: Person):
    upload(member, picture("red"))
    old = address(alice)
    upload(member, picture("blue"))

    assert len(stored()) == 2
    assert member.get(old).status_code == 404
    assert member.get(address(alice)).status_code == 200


@pytest.mark.asvs("5.2.4")
def test_a_refused_picture_leaves_the_old_one(member: Visitor, alice: Person):
    upload(member, picture())
    before = stored()
    upload(member, b"no picture")
    assert stored() == before
    assert member.get(address(alice)).status_code == 200


@pytest.mark.asvs("14.2.2")
def test_a_removed_picture_is_gone_at_once(member: Visitor, alice: Person):
    upload(member, picture())
    old = address(alice)
    response = member.post("/account/profile/picture/remove/")

    assert response["Location"] == "/account/profile/"
    assert member.get(old).status_code == 404
    assert stored() == set()
    assert "/pictures/" not in member.get("/people/alice/").content.decode()
    assert list(
        Event.objects.filter(kind__startswith="picture.").values_list("kind", flat=True)
    ) == ["picture.changed", "picture.removed"]
    member.post("/account/profile/picture/remove/")
    assert Event.objects.filter(kind="picture.removed").count() == 1


@pytest.mark.asvs("5.2.4")
def test_ten_pictures_an_hour_and_no_more(member: Visitor, alice: Person):
    for _ in range(10):
        assert upload(member, picture()).status_code == 302
    response = upload(member, picture())

    assert response.status_code == 429
    assert response["Retry-After"]
    assert len(stored()) == 2


@pytest.mark.asvs("8.2.1")
def test_a_picture_is_shown_to_members_alone(member: Visitor, alice: Person):
    upload(member, picture())
    response = Visitor().get(address(alice))
    assert response.status_code == 302
    assert response["Location"].startswith("/login/?next=/pictures/")
    assert upload(Visitor(), picture()).status_code == 302
    assert len(stored()) == 2


@pytest.mark.asvs("5.4.1")
@pytest.mark.parametrize("rest", ["0/", "1/", "255/", "512/", "99999999999/", "x/", "256/x.html"])
def test_there_are_two_sizes_and_no_names(member: Visitor, alice: Person, rest: str):
    upload(member, picture())
    assert member.get(f"/pictures/{alice.user.picture}/{rest}").status_code == 404
    named = member.get(address(alice), {"filename": "x.html"})
    assert "x.html" not in str(named.headers)


@pytest.mark.asvs("8.2.2")
def test_nobody_changes_or_removes_another_members_picture(
    member: Visitor, alice: Person, bob: Person
):
    upload(member, picture())
    mallory = Visitor()
    log_in(mallory, bob)
    mallory.post("/account/profile/picture/remove/", {"user": alice.user.pk, "username": "alice"})
    upload(mallory, picture("blue"))

    assert member.get(address(alice)).status_code == 200
    assert alice.user.picture != bob.user.picture


def test_a_blocked_members_picture_is_not_shown(member: Visitor, alice: Person, bob: Person):
    upload(member, picture())
    other = Visitor()
    log_in(other, bob)
    members.block(alice.user, until=timezone.now() + timedelta(days=1), reason="spam")
    assert other.get(address(alice)).status_code == 404


def test_a_file_that_is_missing_is_not_found_and_no_fault(member: Visitor, alice: Person):
    upload(member, picture())
    store.remove(alice.user.picture)
    assert member.get(address(alice)).status_code == 404
    assert member.post("/account/profile/picture/remove/").status_code == 302


@pytest.mark.asvs("14.2.2")
def test_with_the_account_goes_the_picture(member: Visitor, alice: Person):
    upload(member, picture())
    with commits():
        alice.user.delete()
    assert stored() == set()


@pytest.mark.asvs("5.2.4")
def test_the_daily_sweep_keeps_what_members_show(member: Visitor, alice: Person):
    upload(member, picture())
    orphan = store.keep({256: b"x", 64: b"x"})
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert profile.prune_pictures() == 1
    assert store.read(orphan, 64) is None
    assert len(stored()) == 2


def test_a_picture_whose_row_cannot_be_written_leaves_no_file(member: Visitor, alice: Person):
    nobody = User(pk=UUID(int=1))
    with pytest.raises(User.DoesNotExist):
        profile.set_picture(nobody, picture(), caller=HERE)
    assert stored() == set()


@pytest.mark.asvs("16.5.2")
def test_where_nothing_can_be_kept_the_answer_is_to_come_back(
    member: Visitor, alice: Person, settings, tmp_path
):
    upload(member, picture())
    before = alice.user.picture
    blocked = tmp_path / "media"
    blocked.write_text("a file where the folder should be")
    settings.MEDIA_ROOT = str(blocked)

    for response in (upload(member, picture()), member.get(address(alice))):
        assert response.status_code == 503
        assert response["Retry-After"]
    assert alice.user.picture == before
    assert member.get("/people/alice/").status_code == 200


@pytest.mark.asvs("16.5.3")
def test_without_redis_nothing_is_uploaded(member: Visitor, alice: Person):
    environment.redis.kill()
    try:
        assert upload(member, picture()).status_code == 503
    finally:
        environment.redis.start()
    assert stored() == set()
    assert upload(member, picture()).status_code == 302


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_of_two_pictures_sent_at_once_one_stays(inbox):
    alice = join(inbox, "alice@example.org", "alice")
    user, gate = alice.user, threading.Barrier(4)

    def send(colour: str) -> None:
        try:
            gate.wait(30)
            with suppress(Unavailable):  # one is drawn at a time, and nobody waits for long
                profile.set_picture(user, picture(colour), caller=HERE)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as browsers:
        for done in [browsers.submit(send, c) for c in ("red", "blue", "green", "white")]:
            done.result()

    hex_ = alice.user.picture.hex
    assert stored() == {f"{hex_}-256.webp", f"{hex_}-64.webp"}


@pytest.mark.asvs("5.2.1")
def test_no_upload_touches_the_disk_before_it_is_redrawn():
    handlers = django_settings.FILE_UPLOAD_HANDLERS
    assert handlers == ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
    assert max(django_settings.BODY_SIZES.values()) < 3 * 1024 * 1024


def test_a_get_of_where_pictures_are_sent_leads_to_their_page(member: Visitor):
    assert member.get("/account/profile/picture/")["Location"] == "/account/profile/"


def test_without_a_picture_there_is_a_letter(member: Visitor):
    member.post("/account/profile/", SAID | {"display_name": "éa"})
    assert 'picture--none" aria-hidden="true">É<' in member.get("/people/alice/").content.decode()


# --- staff ---


def test_staff_remove_a_members_picture(member: Visitor, alice: Person, olivia: Person):
    upload(member, picture())
    staff = Visitor()
    log_in(staff, olivia)
    chosen = {"action": "remove_pictures", "_selected_action": str(alice.user.pk), "sure": "yes"}
    page = staff.post("/admin/accounts/user/", chosen, follow=True)

    assert "For alice: The picture is removed." in page.content.decode()
    assert alice.user.picture is None
    assert stored() == set()
    event = Event.objects.get(kind="picture.removed_by_staff")
    assert (event.user_id, event.ip) == (alice.user.pk, ""), "where staff are is not for members"


@pytest.mark.asvs("8.2.1")
def test_who_is_not_staff_removes_nobodys(member: Visitor, alice: Person, bob: Person):
    upload(member, picture())
    mallory = Visitor()
    log_in(mallory, bob)
    chosen = {"action": "remove_pictures", "_selected_action": str(alice.user.pk), "sure": "yes"}
    assert mallory.post("/admin/accounts/user/", chosen).status_code in {302, 403}
    assert alice.user.picture is not None
