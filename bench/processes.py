"""The servers that are measured: each one process on one core, and what asks them on the others."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

from redis import Redis

from bench.load import Login, Target
from bottomline.local import ROOT
from bottomline.tests.servers import RedisServer, Server, free_port, wait_until

BIN = Path(sys.executable).parent
EXPRESS = Path(__file__).parent / "sites" / "express"
ALLAUTH = "django-allauth==65.21.1"


class Unavailable(Exception):
    """Why somebody cannot be compared with here, in a sentence."""


class Machine:
    """A folder, a Redis, and the cores: one for whoever is measured, the rest for all else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redis = RedisServer(folder / "redis")
        self.limits = RedisServer(folder / "limits", keeps=False)  # apart, as deployed
        cores = sorted(os.sched_getaffinity(0))
        self.is_pinned = bool(shutil.which("taskset")) and len(cores) > 1
        self.pinned = ["taskset", "-c", str(cores[0])] if self.is_pinned else []
        if self.is_pinned:
            os.sched_setaffinity(0, cores[1:])  # inherited by Redis and the load
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "BENCH_FOLDER": str(folder),
            "BENCH_REDIS": str(self.redis.socket),
            "DJANGO_SETTINGS_MODULE": "bottomline.settings",
            "SECRET_KEY": "the bench's own secret key, which is long enough for every check",
            "SITE_URL": "http://localhost",
        }

    def redis_trips(self, target: Target, tries: int = 5) -> int:
        """How often one request asks Redis: the fewest of some, because the first connect."""
        sockets = [str(server.socket) for server in (self.redis, self.limits)]
        with (
            Redis(unix_socket_path=sockets[0]) as kept,
            Redis(unix_socket_path=sockets[1]) as other,
        ):

            def reads() -> int:
                stats = [redis.info("stats") for redis in (kept, other)]
                return sum(int(found["total_reads_processed"]) for found in stats)

            def trips() -> int:
                before = reads()
                one_request(target)
                return reads() - before - 2  # the questions themselves are two

            return min(trips() for _ in range(tries))

    def python(self, module: str, *arguments: str, pinned: bool = False, **options: Any) -> str:
        """The last line that a module prints."""
        command = [*(self.pinned if pinned else []), sys.executable, "-m", module, *arguments]
        options = {"env": self.environment, **options}
        done = subprocess.run(
            command, cwd=ROOT, text=True, capture_output=True, check=False, **options
        )
        if done.returncode:
            raise RuntimeError(f"{module} failed:\n{done.stdout}{done.stderr}")
        return "".join(done.stdout.strip().splitlines()[-1:])


class Site(Server, ABC):
    """One of the compared, running."""

    cookie = ""

    def __init__(self, machine: Machine, name: str) -> None:
        super().__init__()
        self.machine, self.name, self.port = machine, name, free_port()
        self.log = machine.folder / f"{name}.log"

    @abstractmethod
    def start(self) -> None:
        """Begin to answer on its port."""

    def prepare(self) -> None:
        """Make what it needs, and a cookie of somebody logged in."""

    def sql(self, target: Target) -> int | None:
        """How many SQL statements one such request needs; None where nobody counts."""
        return None

    def target(self, *paths: str, pause: float = 0) -> Target:
        return Target(self.port, paths, cookie=self.cookie, pause=pause)

    def login(self, tried: Login) -> Target:
        return Target(self.port, ("/login/",), login=tried)

    @property
    def memory(self) -> float:
        """What its processes hold now, in MiB; what they share counts for each of them."""
        assert self.process
        return sum(_resident(self.process.pid)) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def wait(self) -> None:
        def listens() -> bool:
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text()}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return True
            return False

        wait_until(listens, what=f"{self.name} listens")


class PythonSite(Site):
    """A module of `bench.sites` under granian, as bottomline is deployed."""

    def __init__(self, machine: Machine, name: str, **environment: str) -> None:
        super().__init__(machine, name)
        self.module = f"bench.sites.{name}"
        self.environment = {**machine.environment, **environment}

    def start(self) -> None:
        command = [
            *self.machine.pinned,
            *f"{BIN}/granian --interface wsgi --http 1 --no-ws --host 127.0.0.1".split(),
            *f"--port {self.port} --workers 1 --blocking-threads 96 --backpressure 128".split(),
            *f"--log-level warning {self.module}:application".split(),
        ]
        self.run(command, log=self.log, cwd=ROOT, env=self.environment)
        self.wait()

    def prepare(self) -> None:
        self.cookie = self.machine.python(self.module, env=self.environment)

    def sql(self, target: Target) -> int:
        asked = json.dumps(target.request())
        return int(self.machine.python("bench.sql", self.module, env=self.environment, input=asked))


class Bottomline(PythonSite):
    """bottomline behind one trusted proxy, so that the load can come from many addresses."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, "bottomline_site")
        self.environment |= {
            "SECRET_KEY": "the bench's own secret key, which is long enough for every check",
            "SITE_URL": f"http://localhost:{self.port}",
            "REDIS_URL": machine.redis.url,
            "REDIS_CACHE_URL": machine.limits.url,
            "DATABASE_URL": f"sqlite:///{machine.folder}/bottomline.sqlite3",
            "TRUSTED_PROXY_COUNT": "1",
        }


class Allauth(PythonSite):
    """A django-allauth site, if the package can be had."""

    def __init__(self, machine: Machine) -> None:
        packages = machine.folder / "allauth"
        super().__init__(machine, "allauth_site", PYTHONPATH=str(packages))
        # Without what it needs: Django, the one that is installed here, so both run the same.
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        _install([*command, str(packages), ALLAUTH], "django-allauth")


class Express(Site):
    """Express with express-session and connect-redis, if there is Node and its packages."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine, "express")
        if not (shutil.which("node") and shutil.which("npm")):
            raise Unavailable("Express is not measured: there is no node and npm here.")
        self.folder = machine.folder / "express"
        shutil.copytree(EXPRESS, self.folder)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        _install([*command, "--prefix", str(self.folder)], "Express")

    def start(self) -> None:
        environment = {
            **self.machine.environment,
            "PORT": str(self.port),
            "NODE_ENV": "production",
        }
        command = [*self.machine.pinned, "node", str(self.folder / "site.js")]
        self.run(command, log=self.log, cwd=self.folder, env=environment)
        self.wait()

    def prepare(self) -> None:
        headers = one_request(self.target("/login/"))
        self.cookie = headers["Set-Cookie"].partition(";")[0]


def one_request(target: Target) -> Message:
    """The headers of the answer to one request; an answer above 399 ends the benchmark."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", target.port)) as connection:
        connection.request(**target.request())
        response = connection.getresponse()
        response.read()
    if response.status >= 400:
        raise RuntimeError(f"{target.paths[0]} on port {target.port} answered {response.status}")
    return response.headers


def _resident(session: int) -> Iterator[int]:
    """Of every process of that session, its pages in memory: proc_pid_stat(5), fields 6 and 24."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                yield int(fields[21])


def _install(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    if done.returncode:
        raise Unavailable(f"{name} is not measured: it could not be installed.")
