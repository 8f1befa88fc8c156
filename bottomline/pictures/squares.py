"""Having a picture redrawn, by a process that may use little and is asked seldom."""

import struct
import subprocess
import sys
from pathlib import Path
from threading import BoundedSemaphore
from typing import Final

from bottomline.errors import Unavailable
from bottomline.pictures import redraw

MOST_BYTES: Final = 2 * 1024 * 1024

AT_ONCE: Final = 1  # each may take half a gigabyte and a core
LONGEST_WAIT: Final = 2.0  # seconds, then 503
LONGEST_DRAWING: Final = 10.0  # seconds, in which it may have had to wait for a core

_drawing = BoundedSemaphore(AT_ONCE)


class BadPicture(Exception):
    """Not a picture we take; the message says what would be."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason)
        self.reason, self.message = reason, message


UNREADABLE = "That is not a picture we can read. Choose a PNG, JPEG or WebP file, and a whole one."
REFUSALS = {
    redraw.TOO_MANY_PIXELS: (
        "too_many_pixels",
        "That picture has too many pixels. Make it smaller: 1000 by 1000 is more than enough.",
    ),
    redraw.ANIMATED: ("animated", "That picture moves. Choose one that keeps still."),
}


def draw(content: bytes) -> dict[int, bytes]:
    """The picture as a WebP square of each size. Raises BadPicture; Unavailable when busy."""
    if not _drawing.acquire(timeout=LONGEST_WAIT):
        raise Unavailable("pictures_busy", retry_after=5)
    try:
        drawn = _run(content)
    finally:
        _drawing.release()
    return dict(zip(redraw.SIZES, _parts(drawn), strict=True))


def _run(content: bytes) -> bytes:
    # Isolated: it finds neither our modules nor our environment, where the secrets are.
    command = [sys.executable, "-I", str(Path(redraw.__file__))]
    try:
        done = subprocess.run(  # noqa: S603  (the command is ours, the picture is its input)
            command,
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=LONGEST_DRAWING,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BadPicture("too_slow", UNREADABLE) from None
    if done.returncode:
        # A negative status is a signal: it used up its seconds, or a decoder fell over.
        raise BadPicture(*REFUSALS.get(done.returncode, ("unreadable", UNREADABLE)))
    return done.stdout


def _parts(drawn: bytes) -> list[bytes]:
    parts = []
    while drawn:
        (length,) = struct.unpack_from(">I", drawn)
        parts.append(drawn[4 : 4 + length])
        drawn = drawn[4 + length :]
    return parts
