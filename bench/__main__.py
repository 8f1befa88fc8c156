"""Measure everything in turns, three rounds of it, and print one table; then what a storm does.

`make bench T=storm` shows the storm alone, and T="storm 60" one of a minute a round, of nine.
"""

import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import report, storm
from bench.load import WRK, Login, Sample, Target, measure
from bench.processes import Allauth, Bottomline, Express, Machine, PythonSite, Site, Unavailable
from bench.report import Line

ROUNDS = 3
SECONDS = 4
STORM_SECONDS = 10
CONNECTIONS = 8  # enough to keep one core busy, few enough for its threads
GATEWAY = 2  # connections that go on asking who is who while others log in
STORM = 64  # logins at once

COMPARED: list[tuple[str, Callable[[Machine], Site], str]] = [
    ("constant", lambda machine: PythonSite(machine, "constant"), "/"),
    ("django", lambda machine: PythonSite(machine, "bare_django"), "/"),
    ("stock", lambda machine: PythonSite(machine, "stock_django"), "/session/"),
    ("express", Express, "/session/"),
    ("allauth", Allauth, "/home/"),
]


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, contextlib.ExitStack() as ends:
        machine = Machine(Path(folder))
        for server in (machine.redis, machine.limits):
            ends.callback(server.stop)
            server.start()
        print(report.conditions(is_pinned=machine.is_pinned, has_wrk=bool(WRK)), flush=True)
        ours, asked = Bottomline(machine), sys.argv[1:]
        _start(ours, ends)
        if "storm" not in asked:
            print(report.table(_measured(_lines(machine, ours, ends))), flush=True)
        seconds = float(asked[1]) if asked[1:] else STORM_SECONDS
        print(storm.table(storm.measured(ours, seconds=seconds)))


def _lines(machine: Machine, ours: Bottomline, ends: contextlib.ExitStack) -> dict[str, Line]:
    """Everything that will be measured, started and answering, with its SQL and Redis counted."""
    lines = {}
    for name, make, path in COMPARED:
        try:
            site = make(machine)
        except Unavailable as reason:
            print(reason, flush=True)
            continue
        _start(site, ends)
        lines[name] = _page(machine, site, site.target(path))
    session, login = ours.target("/session/"), ours.login(Login())
    lines["session"] = _page(machine, ours, session)
    lines["account"] = _page(machine, ours, ours.target("/account/"))
    lines["login"] = _page(machine, ours, login)
    lines["argon2"] = Line(lambda: _bare_argon2(machine))
    lines["quiet"] = Line(lambda: measure(session, seconds=SECONDS, connections=GATEWAY))
    lines["storm"] = Line(lambda: _during_storm(session, login))
    return lines


def _start(site: Site, ends: contextlib.ExitStack) -> None:
    ends.callback(site.stop)
    site.start()
    site.prepare()


def _page(machine: Machine, site: Site, target: Target) -> Line:
    def ask() -> Sample:
        return measure(target, seconds=SECONDS, connections=CONNECTIONS)

    measure(target, seconds=1, connections=CONNECTIONS)  # each of its threads connects to Redis
    return Line(ask, sql=site.sql(target), trips=machine.redis_trips(target))


def _bare_argon2(machine: Machine) -> Sample:
    return Sample(**json.loads(machine.python("bench.argon", str(SECONDS), pinned=True)))


def _during_storm(session: Target, login: Target) -> Sample:
    """How `/session/` answers while that many members log in at once."""
    with ThreadPoolExecutor(1) as others:
        storm = others.submit(measure, login, seconds=SECONDS + 1, connections=STORM)
        sample = measure(session, seconds=SECONDS, connections=GATEWAY)
        sample.beside = storm.result()
    return sample


def _measured(lines: dict[str, Line]) -> dict[str, Line]:
    for number in range(1, ROUNDS + 1):
        print(f"round {number} of {ROUNDS} ...", flush=True)
        for line in lines.values():
            line.rounds.append(line.ask())
    return lines


if __name__ == "__main__":
    main()
