"""The whole product as processes of its own: web, worker, scheduler, Redis, mail server, database.

What `make run` starts, on free ports and in a folder of the test's own.
"""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bottomline.local import HEAD_LIMITS, ROOT
from bottomline.tests.browser import Visitor
from bottomline.tests.environment import POSTGRES, RABBITMQ, need
from bottomline.tests.servers import (
    MailServer,
    Proxy,
    RedisServer,
    Server,
    free_port,
    link_in,
    wait_until,
)
from conftest import PASSWORD

BIN = Path(sys.executable).parent

# Answers each line of code with what it printed and the error it ended in. What is logged goes
# elsewhere than the answers.
SHELL = """
import contextlib, io, json, os, sys, traceback
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import django
from django.db import connections
django.setup()
for line in sys.stdin:
    printed, error = io.StringIO(), ""
    with contextlib.redirect_stdout(printed):
        try:
            exec(json.loads(line), {})
        except BaseException:
            error = traceback.format_exc()
    connections.close_all()
    print(json.dumps([printed.getvalue(), error]), file=answers, flush=True)
"""


@dataclass
class Member:
    """Somebody who came in through the front door, and the browser they are logged in with."""

    browser: Visitor
    email: str
    username: str
    password: str = PASSWORD


class Stack:
    """Everything running; each part can be frozen, killed and started again by itself.

    `database` is "sqlite" or "postgres". `broker` is "" (the Redis of the sessions), "redis" (one
    of its own) or "rabbitmq" (a virtual host of its own). PostgreSQL and RabbitMQ are shared with
    others, so they stand behind a proxy that can be frozen and stopped in their place.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database: str = "sqlite",
        broker: str = "",
        web_processes: int = 1,
        **environment: str,
    ) -> None:
        self.folder, self.database, self.broker = folder, database, broker
        self.web_processes = web_processes
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.redis = RedisServer(folder / "redis")
        self.broker_redis = RedisServer(folder / "broker")
        self.mail = MailServer()
        self.web, self.worker, self.scheduler = Server(), Server(), Server()
        self.shell: subprocess.Popen[str] | None = None
        self.database_proxy = Proxy(urlsplit(POSTGRES).port or 5432)
        self.broker_proxy = Proxy(urlsplit(RABBITMQ).port or 5672)
        self.addresses = count(1)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "ignore:You're running the worker",
            "SECRET_KEY": "the stack's own secret key, which is long enough for every check",
            "SITE_URL": self.url,
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "PORT": str(self.port),
            "REDIS_URL": self.redis.url,
            "EMAIL_URL": self.mail.url,
            "OUTBOX_SWEEP_SECONDS": "1",
            "DATABASE_URL": f"sqlite:///{folder}/stack.sqlite3",
            "MEDIA_DIR": f"{folder}/media",
            # Visitors come from as many addresses as there are visitors: see `visitor`.
            "TRUSTED_PROXY_COUNT": "1",
            **environment,
        }

    @contextlib.contextmanager
    def up(self, *, worker: bool = True) -> Iterator["Stack"]:
        """Start everything, and leave nothing behind."""
        with contextlib.ExitStack() as ends:
            if self.database == "postgres":
                url = ends.enter_context(postgres_database())
                ends.callback(self.database_proxy.stop)
                self.database_proxy.start()
                self.direct_database_url = url
                self.environment["DATABASE_URL"] = _through(url, self.database_proxy)
            if self.broker == "rabbitmq":
                url = ends.enter_context(rabbitmq_virtual_host())
                ends.callback(self.broker_proxy.stop)
                self.broker_proxy.start()
                self.virtual_host = urlsplit(url).path[1:]
                self.environment["CELERY_BROKER_URL"] = _through(url, self.broker_proxy)
            elif self.broker == "redis":
                ends.callback(self.broker_redis.kill)
                self.broker_redis.start()
                path = self.broker_redis.socket
                self.environment["CELERY_BROKER_URL"] = f"redis+socket://{path}?virtual_host=0"
            ends.callback(self.mail.stop)
            for server in (self.redis, self.web, self.worker, self.scheduler):
                ends.callback(server.kill)
            ends.callback(self.close_shell)
            self.redis.start()
            self.mail.start()
            self.manage("migrate", "--verbosity", "0")
            if worker:
                self.start_worker()
                self.start_scheduler()
            self.start_web()
            yield self

    def start_web(self) -> None:
        command = (
            f"{BIN}/granian --interface wsgi --http 1 --no-ws --host 127.0.0.1 --port {self.port} "
            f"--workers {self.web_processes} --blocking-threads 96 --backpressure 128 "
            f"--workers-kill-timeout 5 --respawn-failed-workers {HEAD_LIMITS} "
            "bottomline.wsgi:application"
        )
        self._run(self.web, command, "web")
        visitor = self.visitor()
        wait_until(lambda: visitor.is_up("/health/live"), seconds=40, what="the web server answers")

    def start_worker(self, arguments: str = "worker --without-gossip --without-mingle") -> None:
        """One for both queues; `make run` and the compose file have one for each (worker_of)."""
        celery = f"{BIN}/celery --quiet --app bottomline"
        self._run(self.worker, f"{celery} {arguments} --concurrency 1 --loglevel warning", "worker")

    def start_scheduler(self) -> None:
        command = (
            f"{BIN}/celery --quiet --app bottomline beat --loglevel warning "
            f"--schedule {self.folder}/schedule --pidfile="
        )
        self._run(self.scheduler, command, "scheduler")

    def _run(self, server: Server, command: str, name: str) -> None:
        log = self.folder / f"{name}.log"
        server.run(command.split(), log=log, cwd=ROOT, env=self.environment)

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

    def python(self, code: str) -> str:
        """What code of ours prints, run beside the servers; its failure is the test's.

        In one interpreter for all, for starting one takes longer than most of what it is asked.
        """
        if self.shell is None:
            self.shell = subprocess.Popen(
                [sys.executable, "-c", SHELL],
                cwd=ROOT,
                env=self.environment | {"DJANGO_SETTINGS_MODULE": "bottomline.settings"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self.shell.stdin
        assert self.shell.stdout
        print(json.dumps(code), file=self.shell.stdin, flush=True)
        printed, error = json.loads(self.shell.stdout.readline())
        assert not error, error
        return printed.strip()

    def close_shell(self) -> None:
        if self.shell is not None:
            self.shell.communicate()
            self.shell = None

    def issue_invite(self, *arguments: str) -> str:
        return self.python(
            "from django.core.management import call_command\n"
            f"call_command('issue_invite', *{arguments!r})"
        )

    def issue_invites(self, how_many: int) -> list[str]:
        return self.python(
            f"from invites.services import issue\nfor _ in range({how_many}): print(issue().link)"
        ).split()

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement behind everybody's back; returns its rows, if it has any."""
        if self.database == "postgres":
            with psycopg.connect(self.direct_database_url) as connection:
                cursor = connection.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        path = self.folder / "stack.sqlite3"
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as connection, connection:
            return connection.execute(statement.replace("%s", "?"), values).fetchall()

    def visitor(self, **options: str) -> Visitor:
        """Somebody new, from an address of their own, so that limits count each by themselves."""
        number = next(self.addresses)
        options.setdefault("ip", f"198.18.{number // 250}.{number % 250 + 1}")
        if self.environment["SITE_URL"] != self.url:
            options.setdefault("site", self.environment["SITE_URL"])
        return Visitor(self.url, **options)

    @cached_property
    def open_invite(self) -> str:
        """For whoever is to be a member and it does not matter by which invite."""
        return self.issue_invite("--uses", "1000")

    def member(self, username: str, invite: str = "") -> Member:
        """Somebody who was invited, signed up, confirmed and logged in."""
        member = Member(self.visitor(), f"{username}@example.org", username)
        invite = invite or self.open_invite
        page = member.browser.sign_up(invite, member.email, username, member.password)
        assert page.status == 200, page
        page = member.browser.confirm(link_in(self.mail.wait_for(member.email)))
        assert page.status == 302, page
        page = member.browser.log_in(member.email, member.password)
        assert page.status == 302, page
        return member

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


def _through(url: str, proxy: Proxy) -> str:
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{proxy.port}"))


@contextlib.contextmanager
def postgres_database() -> Iterator[str]:
    """A database of the test's own on the PostgreSQL that runs here."""
    need("PostgreSQL")
    name = f"stack_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(POSTGRES)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(POSTGRES, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextlib.contextmanager
def rabbitmq_virtual_host() -> Iterator[str]:
    """A virtual host of the test's own on the RabbitMQ that runs here."""
    need("RabbitMQ")
    name = f"stack-{uuid.uuid4().hex[:12]}"
    user = urlsplit(RABBITMQ).username or "guest"
    rabbitmqctl("add_vhost", name)
    try:
        rabbitmqctl("set_permissions", "-p", name, user, ".*", ".*", ".*")
        yield urlunsplit(urlsplit(RABBITMQ)._replace(path=f"/{name}"))
    finally:
        rabbitmqctl("delete_vhost", name)


def rabbitmqctl(*arguments: str) -> str:
    command = ["rabbitmqctl", "--quiet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
