"""Writes the tables of asvs.md: what OWASP ASVS 5.0 asks, how it is met, and which test proves it.

The rows are in asvs.toml; the proofs are the tests marked `@pytest.mark.asvs("6.3.8")`, read from
their source, so nothing is run and nothing but Python is needed.
"""

import ast
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
ROWS = DOCS / "asvs.toml"
PAGE = DOCS / "asvs.md"
BEGIN, END = "<!-- written by make asvs -->\n", "<!-- end of what make asvs writes -->\n"

# What may become of a row, and how it is counted. A row that says nothing is proved by its tests.
WORDS = {
    "tested": "proved by a test",
    "met": "met, by reading",
    "deviation": "deviation, on purpose",
    "deployment": "up to the deployment",
    "later": "later, with its feature",
    "not yet": "not yet",
}
TESTS_SHOWN = 3


@dataclass(frozen=True)
class Proof:
    """A test that is marked with the id of a requirement."""

    file: str
    name: str


@dataclass(frozen=True)
class Row:
    """One requirement. `status` is a key of WORDS; `said` is empty where the tests say it all."""

    chapter: str
    id: str
    level: int
    asks: str
    status: str
    said: str


def rows(text: str) -> list[Row]:
    """The rows of asvs.toml. Raises ValueError for a status that is none or comes without words."""
    found = []
    for chapter, requirements in tomllib.loads(text).items():
        for name, (level, asks, *more) in requirements.items():
            status, said = (*more, "")[:2] if more else ("tested", "")
            if status not in WORDS or (more and not said):
                raise ValueError(f"{name}: {status!r} is no status, or nothing is said with it")
            found.append(Row(chapter, name, level, asks, status, said))
    return found


def proofs(root: Path = ROOT) -> dict[str, list[Proof]]:
    """The marked tests of each id, in the order of files and lines."""
    found: dict[str, list[Proof]] = {}
    for path in sorted(root.glob("*/tests/test_*.py")):
        file = path.relative_to(root).as_posix()
        for name, ids in marked(path.read_text(encoding="utf-8")):
            for requirement in ids:
                found.setdefault(requirement, []).append(Proof(file, name))
    return found


def marked(source: str) -> Iterator[tuple[str, list[str]]]:
    """The tests of a module that are marked, or whose `pytestmark` is, and the ids."""
    module = ast.parse(source)
    everywhere = [
        name
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        for name in named_in(node.value)
    ]
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_":
            own = [name for decorator in node.decorator_list for name in named_in(decorator)]
            if own or everywhere:
                yield node.name, everywhere + own


def named_in(expression: ast.expr) -> Iterator[str]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.asvs":
            yield from map(ast.literal_eval, node.args)


def mistakes(rows: list[Row], proofs: dict[str, list[Proof]]) -> list[str]:
    """What is claimed and not so, a sentence each."""
    known = {row.id for row in rows}
    unknown = [
        f"{proof.file}: {proof.name} is marked {name}, which is no row of asvs.toml."
        for name in sorted(proofs.keys() - known)
        for proof in proofs[name]
    ]
    unproved = [
        f"{row.id} is said to be proved by a test and no test is marked with it."
        for row in rows
        if row.status == "tested" and row.id not in proofs
    ]
    return unknown + unproved


def counts(rows: list[Row]) -> Iterator[str]:
    """How many rows there are of each status, by level and together, as lines of a table."""
    counted = Counter((row.status, row.level) for row in rows)
    yield "| | L1 | L2 | L3 | all |"
    yield "|---|--:|--:|--:|--:|"
    for status, words in WORDS.items():
        levels = [counted[status, level] for level in (1, 2, 3)]
        yield f"| {words} | {' | '.join(map(str, levels))} | {sum(levels)} |"
    levels = [sum(row.level == level for row in rows) for level in (1, 2, 3)]
    yield f"| **together** | {' | '.join(map(str, levels))} | {len(rows)} |"


def tables(rows: list[Row], proofs: dict[str, list[Proof]]) -> Iterator[str]:
    """The lines between the two markers of asvs.md."""
    yield from counts(rows)
    chapter = ""
    for row in rows:
        if row.chapter != chapter:
            chapter = row.chapter
            yield from ("", f"## {chapter}", "", "| id | level | asks | how |", "|---|---|---|---|")
        yield f"| {row.id} | L{row.level} | {row.asks} | {how(row, proofs)} |"


def how(row: Row, proofs: dict[str, list[Proof]]) -> str:
    tests = proofs.get(row.id, [])
    said = row.said if row.status == "tested" else f"**{row.status}:** {row.said}"
    shown = [
        f"[{proof.name.removeprefix('test_').replace('_', ' ')}](../{proof.file})"
        for proof in tests[:TESTS_SHOWN]
    ]
    if len(tests) > TESTS_SHOWN:
        shown.append(f"{len(tests) - TESTS_SHOWN} more")
    return "<br>".join(part for part in (said, " · ".join(shown)) if part)


def page(text: str, lines: Iterator[str]) -> str:
    """The text of asvs.md with those lines between its markers."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + "\n" + "\n".join(lines) + "\n\n" + END + after


def main() -> None:
    found, tests = rows(ROWS.read_text(encoding="utf-8")), proofs()
    if wrong := mistakes(found, tests):
        sys.exit("\n".join(wrong))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), tables(found, tests)), encoding="utf-8")
    print("\n".join(counts(found)))


if __name__ == "__main__":
    main()
