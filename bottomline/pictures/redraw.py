"""The drawing itself, run as a program of its own: bytes in, two WebP squares out.

Decoders are the part of us that strangers feed. A JPEG of 100 KiB can keep one busy for an hour
(a progressive one with ten thousand scans), and one of 2 MiB can take all the memory there is
(Exif fields that overlap). So this process bounds itself before it reads a byte, opens nothing
afterwards, and knows no secret: it gets no environment and imports nothing of ours.

Its exit status is the answer; zero means that the squares are on standard output, each after its
length.
"""

import io
import resource
import struct
import sys
from contextlib import suppress

from PIL import (
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

FORMATS = ("PNG", "JPEG", "WEBP")
SIZES = (256, 64)
LONGEST_SIDE = 4096
MOST_PIXELS = 16_000_000

UNREADABLE, TOO_MANY_PIXELS, ANIMATED = 10, 11, 12

MEMORY = 512 * 1024 * 1024  # the largest picture allowed takes half
SECONDS = 5

# Pillow would import these when it first needs them, and then no file can be opened any more.
NEEDED = (JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin)

QUALITY = 85
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def main() -> int:
    limit()
    content = sys.stdin.buffer.read()
    try:
        squares = redraw(content)
    except Refused as refusal:
        return refusal.status
    except Exception:  # a decoder given nonsense raises whatever it runs into
        return UNREADABLE
    for square in squares:
        sys.stdout.buffer.write(struct.pack(">I", len(square)) + square)
    return 0


class Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def limit() -> None:
    """Bound what this process may use, and let it open no file and no connection any more."""
    Image.preinit()
    bounds = {
        resource.RLIMIT_CPU: SECONDS,
        resource.RLIMIT_AS: MEMORY,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 3,
    }
    for kind, bound in bounds.items():
        with suppress(ValueError, OSError):  # macOS knows no bound of that kind
            resource.setrlimit(kind, (bound, bound))


def redraw(content: bytes) -> list[bytes]:
    """The squares, by size, of the one picture in these bytes. Raises Refused, or anything."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
        _require_one_of_bearable_size(picture)
        orientation = picture.getexif().get(ORIENTATION)
        # A JPEG can be decoded at a fraction of its size; of other formats nothing happens.
        picture.draft("RGB", (2 * SIZES[0], 2 * SIZES[0]))
        largest = _square(_plain(picture), SIZES[0])
    if orientation in UPRIGHT:
        largest = largest.transpose(UPRIGHT[orientation])
    return [_webp(largest.resize((size, size), Image.Resampling.LANCZOS)) for size in SIZES]


def _require_one_of_bearable_size(picture: Image.Image) -> None:
    """Judge by the header, before a pixel is decoded."""
    width, height = picture.size
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise Refused(TOO_MANY_PIXELS)
    # A phone's JPEG may carry a second, for brightness or depth: the first is the picture.
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise Refused(ANIMATED)


def _plain(picture: Image.Image) -> Image.Image:
    """Its pixels as RGB, or RGBA where some can be seen through."""
    if picture.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip to 8
        picture = picture.convert("I").point(lambda level: level / 256).convert("L")
    transparent = picture.has_transparency_data
    mode = "RGBA" if transparent else "RGB"
    return picture if picture.mode == mode else picture.convert(mode)


def _square(picture: Image.Image, size: int) -> Image.Image:
    """The middle of it."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    middle = picture.crop((left, top, left + side, top + side))
    return middle.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _webp(square: Image.Image) -> bytes:
    """Encoded from its pixels alone: nothing that came with the picture is passed on."""
    plain = Image.frombytes(square.mode, square.size, square.tobytes())
    file = io.BytesIO()
    plain.save(file, "WEBP", quality=QUALITY, method=6)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
