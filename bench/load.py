"""Asking one address as fast as it answers: with wrk where it is installed, else from here."""

import contextlib
import http.client
import json
import random
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode

WRK = shutil.which("wrk")
SCRIPT = Path(__file__).with_name("wrk.lua")
MEMBERS = 1000
PASSWORD = "plum orbit kettle nine sand"
CSRF = "c" * 32


@dataclass(frozen=True)
class Target:
    """What to ask: a page, with a cookie; or to log in, each time as one of many members.

    Every login comes from another address, so that it meets the limits of production and keeps
    within them.
    """

    port: int
    path: str
    cookie: str = ""
    is_login: bool = False

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def request(self) -> dict[str, Any]:
        """One such request, as http.client takes it."""
        headers = {"Host": self.host, "Cookie": self.cookie}
        if not self.is_login:
            return {"method": "GET", "url": self.path, "headers": headers}
        email = f"bench{random.randrange(MEMBERS)}@example.org"
        form = {"csrfmiddlewaretoken": CSRF, "email": email, "password": PASSWORD}
        headers |= {
            "Cookie": f"csrf={CSRF}",
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": ".".join(str(random.randrange(1, 255)) for _ in range(4)),
        }
        return {"method": "POST", "url": self.path, "body": urlencode(form), "headers": headers}


@dataclass
class Sample:
    """What one round found; times in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    refused: int = 0  # a status above 399
    broken: int = 0  # no answer at all
    beside: "Sample | None" = None  # what was asked of the same server at the same time

    @property
    def answered(self) -> float:
        """Good answers a second."""
        return max(0, self.requests - self.refused) / self.seconds


def measure(target: Target, *, seconds: float, connections: int) -> Sample:
    ask = _with_wrk if WRK else _from_here
    return ask(target, seconds, connections)


def _with_wrk(target: Target, seconds: float, connections: int) -> Sample:
    command = [str(WRK), "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s"]
    command += ["-s", str(SCRIPT), "-H", f"Host: {target.host}"]
    if target.cookie:
        command += ["-H", f"Cookie: {target.cookie}"]
    command.append(f"http://127.0.0.1:{target.port}{target.path}")
    if target.is_login:
        seed = random.randrange(1 << 30)
        command += ["--", str(MEMBERS), PASSWORD.replace(" ", "+"), CSRF, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Sample(**json.loads(done.stdout.splitlines()[-1]))


def _from_here(target: Target, seconds: float, connections: int) -> Sample:
    found = _Found()
    ends = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=_ask_until, args=(target, ends, found)) for _ in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = [*found.times, 0.0, 0.0]
    p99 = quantiles(times, n=100)[98]
    return Sample(len(found.times), seconds, median(times), p99, found.refused, found.broken)


@dataclass
class _Found:
    times: list[float] = field(default_factory=list)
    refused: int = 0
    broken: int = 0


def _ask_until(target: Target, ends: float, found: _Found) -> None:
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", target.port, timeout=30)
    ) as connection:
        while (began := time.perf_counter()) < ends:
            try:
                connection.request(**target.request())
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                found.broken += 1
                continue
            found.times.append((time.perf_counter() - began) * 1000)
            found.refused += response.status > 399
