"""What was found, as a Markdown table with a verdict on each budget."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from bench.load import Sample

NAMES = {
    "constant": "a constant, from granian",
    "django": "a constant, from Django without middleware",
    "stock": "stock Django, same JSON as `/session/`",
    "express": "Express, same JSON as `/session/`",
    "allauth": "django-allauth site, a bare page",
    "session": "**`GET /session/`**",
    "account": "**`GET /account/`**",
    "argon2": "argon2-cffi alone",
    "login": "**`POST /login/`**",
    "quiet": "`GET /session/`, two connections",
    "storm": "**the same during 64 logins at once**",
}

ACCOUNT_OF_ALLAUTH = 1.0
LOGIN_OF_ARGON2 = 0.90
STORM_OF_QUIET = 3.0
SQL_AND_TRIPS = {"session": (0, 1), "account": (0, 1), "login": (6, 10)}


@dataclass
class Line:
    """One subject: how to ask it, what it needs for one request, and what the rounds found."""

    ask: Callable[[], Sample]
    sql: int | None = None
    trips: int | None = None
    rounds: list[Sample] = field(default_factory=list)

    @property
    def answered(self) -> float:
        return self._middle("answered")

    @property
    def p50(self) -> float:
        return self._middle("p50")

    @property
    def p99(self) -> float:
        return self._middle("p99")

    @property
    def is_silent(self) -> bool:
        """Whether in most rounds nothing was answered at all."""
        return self.answered == 0

    def _middle(self, figure: str) -> float:
        """The median, because the machine has other things to do as well."""
        return median(getattr(sample, figure) for sample in self.rounds)

    @property
    def lost(self) -> int:
        return sum(sample.refused + sample.broken for sample in self.rounds)


def conditions(*, is_pinned: bool, has_wrk: bool) -> str:
    load = "wrk" if has_wrk else "a load generator in Python, because wrk is not installed"
    cores = (
        "each server alone on one core, Redis and the load on the others"
        if is_pinned
        else "server, Redis and load sharing all cores, because there is one core or no taskset"
    )
    return f"Load from {load}; {cores}. Figures of one run compare with each other only."


def table(lines: dict[str, Line]) -> str:
    rows = [
        "| | answers/s | ratio | p50 ms | p99 ms | SQL | Redis | verdict |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
        *(_row(name, lines) for name in NAMES if name in lines),
    ]
    return "\n" + "\n".join(rows) + "\n\n" + "\n".join(_footnotes(lines))


def _row(name: str, lines: dict[str, Line]) -> str:
    line = lines[name]
    whole = lines["argon2" if name in ("argon2", "login") else "constant"]
    figures = [
        f"{line.answered:,.0f}",
        f"{line.answered / whole.answered:.2f}",
        "–" if line.is_silent else f"{line.p50:.1f}",
        "–" if line.is_silent else f"{line.p99:.1f}",
        "–" if line.sql is None else str(line.sql),
        "–" if line.trips is None else str(line.trips),
        "; ".join(_verdicts(name, lines)),
    ]
    return f"| {NAMES[name]} | {' | '.join(figures)} |"


def _verdicts(name: str, lines: dict[str, Line]) -> list[str]:
    line, found = lines[name], []
    if name == "session" and "express" in lines:
        found.append(_at_least(line, lines["express"], 1.0, "Express"))
    if name == "account" and "allauth" in lines:
        found.append(_at_least(line, lines["allauth"], ACCOUNT_OF_ALLAUTH, "allauth"))
    if name == "login":
        found.append(_at_least(line, lines["argon2"], LOGIN_OF_ARGON2, "argon2"))
    if name == "storm" and line.is_silent:
        found.append(said(False, "no answer while the storm lasts, promised p99 ≤ 3 × quiet"))
    elif name == "storm":
        ratio = line.p99 / lines["quiet"].p99
        found.append(said(ratio <= STORM_OF_QUIET, f"p99 {ratio:.1f} × quiet, promised ≤ 3"))
    if name in SQL_AND_TRIPS and line.sql is not None and line.trips is not None:
        sql, trips = SQL_AND_TRIPS[name]
        if line.sql > sql or line.trips > trips:
            found.append(said(False, f"promised ≤ {sql} SQL and ≤ {trips} Redis"))
    if name != "storm" and line.lost:
        found.append(f"{line.lost} refused or lost")
    return found


def _at_least(line: Line, other: Line, budget: float, name: str) -> str:
    ratio = line.answered / other.answered
    return said(ratio >= budget, f"{ratio:.2f} × {name}, promised ≥ {budget:g}")


def said(is_kept: bool, words: str) -> str:
    return f"{'✓' if is_kept else '✗'} {words}"


def _footnotes(lines: dict[str, Line]) -> list[str]:
    storms = [sample.beside for sample in lines["storm"].rounds if sample.beside]
    asked = sum(storm.requests for storm in storms)
    refused = sum(storm.refused + storm.broken for storm in storms)
    return [
        "Ratio: to the constant, and of logins to bare argon2-cffi with the same parameters on "
        "the same core. SQL and Redis round trips are those of one request.",
        f"The storm asked for {asked} logins; {asked - refused} were let in, {refused} were told "
        "to come back in a moment.",
    ]
