"""Drawing pictures again: what comes in, what comes out, and what it may cost."""

import io
import resource
import struct
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.files.storage import default_storage
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from bottomline.errors import Unavailable
from bottomline.pictures import redraw, squares, store
from bottomline.pictures.squares import BadPicture

SCRIPT = Path(redraw.__file__)


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def plain(size: tuple[int, int] = (80, 60), colour: Any = "red", mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size, colour)


def drawn(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(squares.draw(content)[256]))
    picture.load()
    return picture


def refused(content: bytes) -> str:
    with pytest.raises(BadPicture) as refusal:
        squares.draw(content)
    assert refusal.value.message.endswith(".")
    return refusal.value.reason


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks: bytes, size: tuple[int, int] = (8, 8)) -> bytes:
    """A PNG with more chunks before its pixels."""
    whole = encoded(plain(size), "PNG")
    at = whole.index(b"IDAT") - 4
    return whole[:at] + b"".join(chunks) + whole[at:]


def jpeg_with(*segments: bytes) -> bytes:
    """A JPEG with more segments at its beginning."""
    whole = encoded(plain(), "JPEG")
    framed = (b"\xff\xe1" + struct.pack(">H", len(s) + 2) + s for s in segments)
    return whole[:2] + b"".join(framed) + whole[2:]


# --- what comes out ---


@pytest.mark.asvs("5.2.2")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_becomes_two_webp_squares(kind: str):
    made = squares.draw(encoded(plain((640, 480)), kind))

    assert set(made) == {256, 64}
    for size, content in made.items():
        picture = Image.open(io.BytesIO(content))
        assert (picture.format, picture.size) == ("WEBP", (size, size))
        red, green, blue = picture.convert("RGB").getpixel((size // 2, size // 2))
        assert red > 245
        assert max(green, blue) < 10


@pytest.mark.parametrize(
    ("mode", "colour", "kind"),
    [
        ("1", 1, "PNG"),
        ("L", 255, "PNG"),
        ("LA", (255, 255), "PNG"),
        ("P", 0, "PNG"),
        ("I;16", 65535, "PNG"),
        ("RGBA", (255, 255, 255, 255), "PNG"),
        ("L", 255, "JPEG"),
        ("CMYK", (0, 0, 0, 0), "JPEG"),
        ("RGBA", (255, 255, 255, 255), "WEBP"),
    ],
)
def test_every_kind_of_colours_is_read(mode: str, colour: Any, kind: str):
    picture = plain((80, 60), colour, mode)
    if mode == "P":
        picture.putpalette([255, 255, 255] * 256)
    shown = drawn(encoded(picture, kind)).convert("RGB").getpixel((128, 128))
    assert min(shown) > 245


def test_sixteen_bits_of_grey_are_not_cut_to_white():
    shown = drawn(encoded(plain((80, 60), 32768, "I;16"), "PNG")).convert("L").getpixel((9, 9))
    assert 120 < shown < 136


def test_what_can_be_seen_through_stays_so():
    picture = plain((80, 80), (0, 0, 0, 0), "RGBA")
    assert drawn(encoded(picture, "PNG")).convert("RGBA").getpixel((128, 128))[3] == 0


def test_the_middle_is_kept():
    picture = plain((300, 100), "blue")
    picture.paste("red", (100, 0, 200, 100))
    shown = drawn(encoded(picture, "PNG")).convert("RGB")
    for corner in ((4, 4), (251, 251)):
        assert shown.getpixel(corner)[0] > 230


@pytest.mark.parametrize("size", [(1, 1), (1, 4096), (4096, 1), (4000, 4000)])
def test_odd_sizes_are_fine(size: tuple[int, int]):
    assert drawn(encoded(plain(size), "PNG")).size == (256, 256)


@pytest.mark.asvs("14.2.8")
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_stands_upright_and_nothing_says_how_it_was_held(turn: int):
    upright = plain((90, 90), "white")
    upright.paste("red", (0, 0, 45, 45))
    upright.paste("blue", (45, 0, 90, 45))
    undo = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    held = upright.transpose(undo.get(turn) or redraw.UPRIGHT[turn]) if turn > 1 else upright
    exif = Image.Exif()
    exif[redraw.ORIENTATION] = turn

    shown = drawn(encoded(held, "JPEG", exif=exif, quality=95))
    assert shown.convert("RGB").getpixel((40, 40))[2] < 60  # red
    assert shown.convert("RGB").getpixel((215, 40))[0] < 60  # blue
    assert not shown.getexif()


@pytest.mark.asvs("14.2.8")
@pytest.mark.asvs("1.5.1")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_nothing_that_came_with_a_picture_is_passed_on(kind: str):
    exif = Image.Exif()
    exif[0x010F] = "SECRET camera"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 30.0)  # where it was taken
    xmp = b'<!DOCTYPE x [<!ENTITY a SYSTEM "http://127.0.0.1:9/SECRET">]><x>&a;SECRET</x>'
    options: dict[str, Any] = {"exif": exif, "icc_profile": b"SECRET" * 30, "xmp": xmp}
    if kind == "JPEG":
        options["comment"] = b"SECRET comment"
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "SECRET text", zip=True)
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options["pnginfo"] = text
    content = encoded(plain(), kind, **options)
    assert b"SECRET" in content

    for made in squares.draw(content).values():
        assert b"SECRET" not in made
        assert set(riff_chunks(made)) <= {b"VP8 ", b"VP8L", b"VP8X", b"ALPH"}
        assert not set(Image.open(io.BytesIO(made)).info) & {"exif", "xmp", "icc_profile"}


def riff_chunks(content: bytes) -> Iterator[bytes]:
    at = 12
    while at < len(content):
        (length,) = struct.unpack_from("<I", content, at + 4)
        yield content[at : at + 4]
        at += 8 + length + length % 2


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("MARK.html", "MARK" * 10)
    return file.getvalue()


EICAR = rb"MARK X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
BEHIND = {
    "a page": b"<html>MARK<script>alert(1)</script>",
    "a script": b"/*MARK*/alert(1)",
    "PHP": b"<?php MARK system($_GET[0]); ?>",
    "an archive": zipped(),
    "a virus": EICAR,
    "another picture": b"MARK" + encoded(plain(), "PNG"),
}


@pytest.mark.asvs("5.4.3")
@pytest.mark.asvs("5.3.1")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
def test_nothing_of_what_is_hung_on_behind_survives(kind: str, behind: bytes):
    for made in squares.draw(encoded(plain(), kind) + behind).values():
        assert b"MARK" not in made
        assert behind[:20] not in made
        assert not zipfile.is_zipfile(io.BytesIO(made))


def test_a_phones_picture_with_a_second_one_in_it_is_taken():
    brightness = plain((80, 60), "black")
    content = encoded(plain(), "MPO", save_all=True, append_images=[brightness])
    assert drawn(content).convert("RGB").getpixel((128, 128))[0] > 240


# --- what is refused ---

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
OTHERS = {
    "SVG": SVG,
    "SVG with a declaration": b'<?xml version="1.0"?>' + SVG,
    "HTML": b"<!DOCTYPE html><script>alert(1)</script>",
    "PHP": b"<?php system('id'); ?>",
    "PDF": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF",
    "FITS": b"SIMPLE  =                    T" + b" " * 2850,
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF",
    "GIF": encoded(plain(), "GIF"),
    "BMP": encoded(plain(), "BMP"),
    "TIFF": encoded(plain(), "TIFF"),
    "ICO": encoded(plain((32, 32)), "ICO"),
    "PPM": encoded(plain(), "PPM"),
    "a zip": zipped(),
    "gzip": b"\x1f\x8b\x08" + b"\0" * 50,
    "nothing": b"",
    "zeros": bytes(5000),
    "a signature alone": b"\x89PNG\r\n\x1a\n",
    "another signature alone": b"\xff\xd8\xff",
    "a RIFF that is a film": b"RIFF\x24\0\0\0AVI LIST" + bytes(40),
}


@pytest.mark.asvs("5.2.2")
@pytest.mark.asvs("5.2.3")
@pytest.mark.asvs("1.3.4")
@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_only_png_jpeg_and_webp_are_pictures_here(content: bytes):
    assert refused(content) == "unreadable"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_was_cut_off_is_refused(kind: str):
    noise = Image.effect_noise((200, 200), 90)
    whole = encoded(noise.convert("RGB"), kind)
    for part in (20, len(whole) // 2, len(whole) - 200):
        assert refused(whole[:part]) == "unreadable"


@pytest.mark.asvs("5.2.6")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encoded(plain((4097, 8)), "PNG"), "too_many_pixels"),
        (encoded(plain((8, 4097)), "JPEG"), "too_many_pixels"),
        (encoded(plain((4096, 4096)), "WEBP"), "too_many_pixels"),
        (encoded(plain(), "PNG", save_all=True, append_images=[plain(colour="blue")]), "animated"),
        (encoded(plain(), "WEBP", save_all=True, append_images=[plain(colour="blue")]), "animated"),
    ],
    ids=["too wide", "too high", "too many", "APNG", "animated WebP"],
)
def test_what_is_too_large_or_moves_is_refused_with_a_reason(content: bytes, reason: str):
    assert refused(content) == reason


def header_only_png(width: int, height: int) -> bytes:
    """60 000 by 60 000 of one bit are a few kilobytes when they are all the same."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    rows = packer.compress(bytes((width // 8 + 1) * 300)) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def zeros_compressed(size: int) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*parts, packer.flush()])


def many_scans() -> bytes:
    """A progressive JPEG that says the same thing fifty thousand times over 16 million pixels."""
    whole = encoded(plain((4000, 4000), (10, 20, 30)), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * 50_000 + whole[-2:]


def overlapping_exif() -> bytes:
    """Sixty thousand Exif fields that all claim the same megabyte: together 60 GB."""
    count, size = 60_000, 900_000
    fields = (struct.pack(">HHII", n, 1, size, 14 + 12 * count) for n in range(count))
    tiff = b"MM\0*" + struct.pack(">IH", 8, count) + b"".join(fields) + bytes(4) + b"x" * size
    return jpeg_with(*(b"Exif\0\0" + tiff[n : n + 65_000] for n in range(0, len(tiff), 65_000)))


BOMBS = {
    "a flood of pixels": lambda: header_only_png(60_000, 60_000),
    "a gigabyte of text": lambda: png_with(
        chunk(b"zTXt", b"Comment\0\0" + zeros_compressed(1 << 30))
    ),
    "a gigabyte of colour profile": lambda: png_with(
        chunk(b"iCCP", b"x\0\0" + zeros_compressed(1 << 30))
    ),
    "ten thousand frames": lambda: png_with(chunk(b"acTL", struct.pack(">II", 10_000, 0))),
    "Exif fields on top of each other": overlapping_exif,
    "a scan repeated": many_scans,
}


@pytest.mark.asvs("5.2.3")
@pytest.mark.asvs("5.2.6")
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_soon_and_in_little_memory(bomb: Any):
    content = bomb()
    assert len(content) < squares.MOST_BYTES
    before, began = ours(), time.monotonic()

    refused(content)

    assert children_peak() < 560 * 1024  # kilobytes: what the drawing process may have, and Python
    assert ours() - before < 16 * 1024
    assert time.monotonic() - began < squares.LONGEST_DRAWING + 2


def ours() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def children_peak() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_a_damaged_picture_is_drawn_or_refused_and_nothing_else(data: st.DataObject, kind: str):
    content = bytearray(encoded(Image.effect_mandelbrot((64, 48), (-2, -2, 2, 2), 9), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        made = squares.draw(bytes(content))
    except BadPicture:
        return
    assert all(Image.open(io.BytesIO(part)).format == "WEBP" for part in made.values())


# --- how it is done ---


@pytest.mark.asvs("15.2.5")
def test_the_drawing_process_knows_no_secret_and_opens_nothing():
    spying = (
        f"import importlib.util, os, socket, sys\n"
        f"spec = importlib.util.spec_from_file_location('redraw', {str(SCRIPT)!r})\n"
        "redraw = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(redraw)\n"
        "redraw.limit()\n"
        "for attempt in (lambda: open('/etc/hostname'), socket.socket, lambda: os.pipe()):\n"
        "    try:\n"
        "        attempt()\n"
        "    except OSError:\n"
        "        continue\n"
        "    sys.exit(1)\n"
        "sys.exit(2 if 'SECRET_KEY' in os.environ or 'django' in sys.modules else 0)\n"
    )
    command = [sys.executable, "-I", "-c", spying]
    done = subprocess.run(command, env={}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.asvs("15.2.2")
def test_more_than_are_drawn_at_once_are_told_to_come_back():
    content = encoded(plain(), "PNG")
    held = [squares._drawing.acquire() for _ in range(squares.AT_ONCE)]
    try:
        with pytest.raises(Unavailable):
            squares.draw(content)
    finally:
        for _ in held:
            squares._drawing.release()
    assert squares.draw(content)


def test_whoever_waits_a_little_is_served():
    made: list[dict[int, bytes]] = []
    content = encoded(plain(), "PNG")
    threads = [threading.Thread(target=lambda: made.append(squares.draw(content))) for _ in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3


# --- where it is kept ---


def kept() -> set[str]:
    try:
        return set(default_storage.listdir("pictures")[1])
    except FileNotFoundError:
        return set()


@pytest.mark.asvs("5.3.2")
def test_files_have_names_of_ours_and_are_nobody_elses_to_read():
    before = kept()
    name = store.keep({256: b"large", 64: b"small"})

    assert kept() - before == {f"{name.hex}-256.webp", f"{name.hex}-64.webp"}
    path = default_storage.path(f"pictures/{name.hex}-256.webp")
    assert Path(path).stat().st_mode & 0o177 == 0
    assert store.read(name, 256) == b"large"
    store.remove(name)
    store.remove(name)
    assert store.read(name, 256) is None
    assert kept() == before


@pytest.mark.asvs("5.2.4")
def test_the_sweep_deletes_what_nobody_uses_and_nothing_else():
    used, orphan = store.keep({256: b"u", 64: b"u"}), store.keep({256: b"o", 64: b"o"})
    foreign = Path(default_storage.path("pictures/notes.txt"))
    foreign.write_text("not ours")

    def in_use(names):
        return {used} & set(names)

    store.prune(in_use)
    assert store.read(orphan, 64) == b"o", "it may be on its way to its row"
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert store.prune(in_use) >= 1
        assert store.prune(in_use) == 0

    assert store.read(orphan, 64) is None
    assert store.read(used, 64) == b"u"
    assert foreign.exists()
    foreign.unlink()
    store.remove(used)
