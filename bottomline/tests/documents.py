"""Reading the tables of docs/*.md, for the tests that hold them to the code."""

import re
from datetime import timedelta
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def tables(page: str) -> list[list[dict[str, str]]]:
    """Every table of a page: its rows, by the headings of the columns; without code marks."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", (DOCS / page).read_text(), re.MULTILINE):
        names, _, *rows = [_cells(line) for line in block.splitlines()]
        found.append([dict(zip(names, row, strict=True)) for row in rows])
    return found


def table(page: str, *headings: str) -> list[dict[str, str]]:
    """The rows of the tables of a page that begin with those headings, together."""
    rows = [row for one in tables(page) for row in one if tuple(row)[: len(headings)] == headings]
    assert rows, f"{page} has no table that begins with {headings}"
    return rows


def column(page: str, *headings: str) -> list[str]:
    """What stands in the first column of such a table; nothing twice."""
    names = [row[headings[0]] for row in table(page, *headings)]
    assert len(names) == len(set(names)), f"{page}: twice in {headings}"
    return names


def code_in(text: str) -> list[str]:
    """What is marked as code in a cell that was read by `table`, which keeps the marks inside."""
    return re.findall(r"`([^`]+)`", text)


def in_words(value: object) -> str:
    """A number, or how long something lasts, as the tables write it."""
    if not isinstance(value, timedelta):
        return str(value)
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        number, rest = divmod(int(value.total_seconds()), size)
        if number and not rest:
            return f"{number} {unit}{'' if number == 1 else 's'}"
    raise AssertionError(value)


def _cells(line: str) -> list[str]:
    cells = (cell.strip() for cell in line.strip("|\n").split("|"))
    return [cell[1:-1] if re.fullmatch(r"`[^`]+`", cell) else cell for cell in cells]
