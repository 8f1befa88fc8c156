"""QR codes as the numbers a template draws: no markup is made here, and no style is needed."""

from dataclasses import dataclass

import segno

QUIET = 4  # modules of white around it (ISO/IEC 18004)


@dataclass(frozen=True)
class Picture:
    """A square of `size` modules, and the path of its dark ones."""

    size: int
    path: str


def picture(text: str) -> Picture:
    """The QR code that says the text."""
    code = segno.make_qr(text, error="m")
    rows = list(code.matrix)
    path = "".join(
        f"M{x + QUIET} {y + QUIET}h1v1h-1z"
        for y, row in enumerate(rows)
        for x, is_dark in enumerate(row)
        if is_dark
    )
    return Picture(len(rows) + 2 * QUIET, path)
