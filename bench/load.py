"""Asking one address as fast as it answers: with wrk where it is installed, else from here."""

import contextlib
import http.client
import json
import random
import shutil
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode

WRK = shutil.which("wrk")
SCRIPT = Path(__file__).with_name("wrk.lua")
MEMBERS = 1000
PASSWORD = "plum orbit kettle nine sand"
CSRF = "c" * 32
TEN = int(IPv4Address("10.0.0.0"))


@dataclass(frozen=True)
class Login:
    """A password to try, each time for another account and from another address, so that it meets
    the limits of production and keeps within them; or, with few of both, goes past them.
    """

    password: str = PASSWORD
    accounts: int = MEMBERS  # more than there are members: the rest are nobody's
    addresses: int = 1 << 24


@dataclass(frozen=True)
class Target:
    """What to ask: pages, any of them, with a cookie; or to log in."""

    port: int
    paths: tuple[str, ...]
    cookie: str = ""
    pause: float = 0  # seconds, about, before the same connection asks again
    login: Login | None = None

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def request(self) -> dict[str, Any]:
        """One such request, as http.client takes it."""
        headers = {"Host": self.host, "Cookie": self.cookie}
        path = random.choice(self.paths)
        if self.login is None:
            return {"method": "GET", "url": path, "headers": headers}
        email = f"bench{random.randrange(self.login.accounts)}@example.org"
        form = {"csrfmiddlewaretoken": CSRF, "email": email, "password": self.login.password}
        headers |= {
            "Cookie": f"csrf={CSRF}",
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": str(IPv4Address(TEN + random.randrange(self.login.addresses))),
        }
        return {"method": "POST", "url": path, "body": urlencode(form), "headers": headers}


@dataclass
class Sample:
    """What one round found; times in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    refused: int = 0  # a status above 399
    broken: int = 0  # no answer at all
    statuses: dict[str, int] = field(default_factory=dict)  # of logins, and of those who pause
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
    command.append(f"http://127.0.0.1:{target.port}{target.paths[0]}")
    seed = str(random.randrange(1 << 30))
    if target.login:
        tried = target.login
        command += ["--", "log in", seed, tried.password.replace(" ", "+"), CSRF]
        command += [str(tried.accounts), str(tried.addresses)]
    elif target.pause:
        command += ["--", "browse", seed, str(target.pause), *target.paths]
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
    statuses = dict(found.statuses)
    refused = sum(count for status, count in statuses.items() if status > "399")
    return Sample(len(found.times), seconds, median(times), p99, refused, found.broken, statuses)


@dataclass
class _Found:
    times: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
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
            found.statuses[str(response.status)] += 1
            time.sleep(random.uniform(0.5, 1.5) * target.pause)
