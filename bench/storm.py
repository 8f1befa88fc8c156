"""Members browse while 64 others go on sending wrong passwords: who notices, and how much.

Quiet and storm in turns, so that whatever else the machine does meets both. Members pause between
pages, as people do; the others never do.
"""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

from bench.load import Login, Sample, measure
from bench.processes import Bottomline
from bench.report import STORM_OF_QUIET, said

ROUNDS = 3
ATTACKERS = 64
GATEWAY = 4  # connections over which other servers ask who somebody is
MEMBERS = 8
CALM = 6  # seconds, in which whoever still waits is answered
PAUSE = 0.04  # seconds: with that, a core is a quarter busy when it is quiet
PAGES = (
    "/account/",
    "/account/security/",
    "/account/sessions/",
    "/account/activity/",
    "/account/invites/",
    "/people/bench1/",
)
WRONG = "not plum orbit kettle nine"
PROMISED = {"422", "429", "503"}  # what a wrong password may be answered
GROWN = 1.1  # of what the first storm took, in the last one
QUIET = "quiet"
PHASES = {
    QUIET: None,
    # Half of the accounts exist. Each first try of an address and an account costs a hash.
    "first tries, each from elsewhere": Login(WRONG, accounts=2000),
    # Soon over every limit, and not impressed.
    "on and on, past every limit": Login(WRONG, accounts=20, addresses=20),
}


@dataclass
class Found:
    """What one round of a phase found."""

    session: Sample
    pages: Sample
    attackers: Sample | None
    memory: float  # MiB at most


def measured(ours: Bottomline, *, seconds: float) -> dict[str, list[Found]]:
    """Every phase in turns; `seconds` for each round of each."""
    for tried in PHASES.values():  # every thread connects to Redis and the database
        _phase(ours, tried, seconds=2)
    found: dict[str, list[Found]] = {name: [] for name in PHASES}
    for number in range(1, ROUNDS + 1):
        print(f"storm, round {number} of {ROUNDS} ...", flush=True)
        for name, tried in PHASES.items():
            found[name].append(_phase(ours, tried, seconds=seconds))
    return found


def _phase(ours: Bottomline, tried: Login | None, *, seconds: float) -> Found:
    session, pages = (ours.target(*paths, pause=PAUSE) for paths in (("/session/",), PAGES))
    with ThreadPoolExecutor(3) as others:
        storm = tried and others.submit(
            measure, ours.login(tried), seconds=seconds + 1, connections=ATTACKERS
        )
        time.sleep(0.5)  # until it rages
        asked = [
            others.submit(measure, session, seconds=seconds, connections=GATEWAY),
            others.submit(measure, pages, seconds=seconds, connections=MEMBERS),
        ]
        memory = ours.memory
        while not all(future.done() for future in asked):
            time.sleep(0.2)
            memory = max(memory, ours.memory)
        gateway, members = (future.result() for future in asked)
        attackers = storm.result() if storm else None
    if attackers:
        time.sleep(CALM)  # they have hung up, and the server finds that out one by one
    return Found(gateway, members, attackers, memory)


def table(found: dict[str, list[Found]]) -> str:
    """Medians of the rounds, as a Markdown table with a verdict on each phase."""
    quiet = found[QUIET]
    rows = [
        "| members browse while … | `/session/` p50 ms | p99 | pages p50 ms | p99 "
        "| wrong passwords answered | MiB at most, first and last round | verdict |",
        "|---|--:|--:|--:|--:|---|--:|---|",
        *(_row(name, rounds, quiet) for name, rounds in found.items()),
    ]
    return "\n" + "\n".join(rows)


def _row(name: str, rounds: list[Found], quiet: list[Found]) -> str:
    answers = Counter[str]()
    for found in rounds:
        if found.attackers:
            answers.update(found.attackers.statuses)
    figures = [
        *(f"{_middle(rounds, which, time):.1f}" for which, time in TIMES),
        ", ".join(f"{count} × {status}" for status, count in sorted(answers.items())) or "–",
        f"{rounds[0].memory:.0f}, {rounds[-1].memory:.0f}",
        "; ".join(_verdicts(rounds, quiet, answers)),
    ]
    return f"| {name} | {' | '.join(figures)} |"


TIMES = [("session", "p50"), ("session", "p99"), ("pages", "p50"), ("pages", "p99")]


def _middle(rounds: list[Found], which: str, time: str) -> float:
    return median(getattr(getattr(found, which), time) for found in rounds)


def _verdicts(rounds: list[Found], quiet: list[Found], answers: Counter[str]) -> list[str]:
    told = []
    if rounds is not quiet:
        session, pages = (
            _middle(rounds, which, "p99") / _middle(quiet, which, "p99")
            for which in ("session", "pages")
        )
        promised = f"p99 {session:.1f} × and {pages:.1f} × quiet, promised ≤ {STORM_OF_QUIET:g}"
        told.append(said(max(session, pages) <= STORM_OF_QUIET, promised))
        growth = rounds[-1].memory / rounds[0].memory
        told.append(said(growth <= GROWN, f"memory {growth:.2f} × the first round's"))
        if answers.keys() - PROMISED:
            told.append(said(False, "only 422, 429 and 503 are promised"))
    asked = [sample for found in rounds for sample in (found.session, found.pages)]
    failed = sum(sample.refused + sample.broken for sample in asked)
    if failed:
        told.append(said(False, f"{failed} of the members' own requests refused or lost"))
    return told
