"""The whole product as processes of its own: web, worker, scheduler, Redis, mail server, database.

What `make run` starts, on free ports and in a folder of the test's own.
"""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bottomline.local import ROOT
from bottomline.tests.browser import Visitor
from bottomline.tests.environment import POSTGRES
from bottomline.tests.servers import MailServer, RedisServer, Server, free_port, wait_until

BIN = Path(sys.executable).parent


class Stack:
    """Everything running; each part can be frozen, killed and started again by itself."""

    def __init__(
        self, folder: Path, *, database: str = "sqlite", broker: str = "", site_url: str = ""
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = site_url or f"http://localhost:{self.port}"
        self.redis = RedisServer(folder / "redis")
        self.mail = MailServer()
        self.web, self.worker, self.scheduler = Server(), Server(), Server()
        self.database = database
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "SECRET_KEY": "the stack's own secret key, which is long enough for every check",
            "SITE_URL": self.url,
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "PORT": str(self.port),
            "REDIS_URL": self.redis.url,
            "EMAIL_URL": self.mail.url,
            "OUTBOX_SWEEP_SECONDS": "1",
            "DATABASE_URL": f"sqlite:///{folder}/stack.sqlite3",
        }
        if broker:
            self.environment["CELERY_BROKER_URL"] = broker

    @contextlib.contextmanager
    def up(self, *, worker: bool = True) -> Iterator["Stack"]:
        """Start everything, and leave nothing behind."""
        with contextlib.ExitStack() as ends:
            if self.database == "postgres":
                self.environment["DATABASE_URL"] = ends.enter_context(postgres_database())
            ends.callback(self.mail.stop)
            for server in (self.redis, self.web, self.worker, self.scheduler):
                ends.callback(server.stop)
            self.redis.start()
            self.mail.start()
            self.manage("migrate", "--verbosity", "0")
            self.start_web()
            if worker:
                self.start_worker()
                self.start_scheduler()
            yield self

    def start_web(self) -> None:
        command = (
            f"{BIN}/granian --interface wsgi --http 1 --no-ws --host 127.0.0.1 --port {self.port} "
            "--workers 1 --blocking-threads 4 --backpressure 64 --workers-kill-timeout 5 "
            "--respawn-failed-workers bottomline.wsgi:application"
        )
        self._run(self.web, command, "web")
        visitor = Visitor(self.url)
        wait_until(lambda: visitor.is_up("/health/live"), what="the web server answers")

    def start_worker(self, **extra: str) -> None:
        command = (
            f"{BIN}/celery --quiet --app bottomline worker --concurrency 1 --loglevel warning "
            "--without-gossip --without-mingle"
        )
        self._run(self.worker, command, "worker", **extra)

    def start_scheduler(self) -> None:
        schedule = self.folder / "schedule"
        command = (
            f"{BIN}/celery --quiet --app bottomline beat --loglevel warning "
            f"--schedule {schedule} --pidfile="
        )
        self._run(self.scheduler, command, "scheduler")

    def _run(self, server: Server, command: str, name: str, **extra: str) -> None:
        server.run(
            command.split(),
            log=self.folder / f"{name}.log",
            cwd=ROOT,
            env={**self.environment, **extra},
        )

    def manage(self, *arguments: str) -> str:
        """What a command prints; its failure is the test's."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def issue_invite(self, *arguments: str) -> str:
        return self.manage("issue_invite", *arguments)

    def visitor(self) -> Visitor:
        return Visitor(self.url)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


@contextlib.contextmanager
def postgres_database() -> Iterator[str]:
    """A database of the test's own on the PostgreSQL that runs here."""
    name = f"stack_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(urlsplit(POSTGRES)._replace(path=f"/{name}"))
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
