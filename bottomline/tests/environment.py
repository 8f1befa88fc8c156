"""A pytest plugin, loaded before Django: the environment the tests run in.

Redis is always real: a private server for each test process, so that tests may fill, freeze and
kill it. PostgreSQL, RabbitMQ and Chromium are used where they are found, and what is missing is
said in the header; with REQUIRE_SERVICES=1 it is an error.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from bottomline.tests.servers import RedisServer

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
RABBITMQ = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
# The same without windows nobody sees: half the time for a page. It sends no reports.
HEADLESS = shutil.which("chromium-headless-shell") or CHROMIUM


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


FOUND = {
    "PostgreSQL": _listens(5432),
    "RabbitMQ": _listens(5672),
    "Chromium": bool(CHROMIUM),
}
REQUIRED = os.environ.get("REQUIRE_SERVICES") == "1"

folder = Path(tempfile.mkdtemp(prefix="bottomline-"))
redis = RedisServer(folder / "redis")

# Nothing of the developer's own environment reaches a test.
for name in (
    "ADMIN_NETWORKS",
    "DEBUG",
    "SECRET_KEY_FALLBACKS",
    "REDIS_CACHE_URL",
    "CELERY_BROKER_URL",
    "EMAIL_URL",
    "BREACHED_PASSWORDS",
    "GOOGLE_CLIENT_ID",
    "GOOGLE_DISCOVERY_URL",
    "GOOGLE_NAME",
    "METRICS_PORT",
):
    os.environ.pop(name, None)
os.environ |= {
    "DJANGO_SETTINGS_MODULE": "bottomline.settings",
    "SECRET_KEY": "the tests' own secret key, which is long enough for every check there is",
    "SITE_URL": "https://door.example.org",
    "ALLOWED_HOSTS": "door.example.org",
    "SUPPORT_URL": "mailto:help@example.org",
    "REDIS_URL": redis.url,
    "PROOF_OF_WORK_BITS": "4",  # a test is not to wait for what visitors must
    "MEDIA_DIR": f"{folder}/media",
    "METRICS_TOKEN": "the tests' own token, which is long enough",
    "METRICS_DIR": f"{folder}/metrics",
    "DATABASE_URL": POSTGRES if FOUND["PostgreSQL"] else f"sqlite:///{folder}/tests.sqlite3",
}


def need(service: str) -> None:
    """Skip a test whose service is missing, and say so; fail where REQUIRE_SERVICES=1."""
    if not FOUND[service]:
        missing(service)


def missing(what: str) -> NoReturn:
    """Skip a test for want of something, and say so; fail where REQUIRE_SERVICES=1."""
    if REQUIRED:
        pytest.fail(f"{what} is not here, and REQUIRE_SERVICES=1 says it must be.")
    pytest.skip(f"{what} was not found on this machine.")


def pytest_report_header() -> list[str]:
    missing = [name for name, found in FOUND.items() if not found]
    used = [name for name, found in FOUND.items() if found]
    lines = [f"services: Redis (private), {', '.join(used) or 'nothing else'}"]
    if missing:
        lines.append(f"not found, so their tests are skipped: {', '.join(missing)}")
    return lines


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors, for much of what the tests do is waiting."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # once, before the parallel processes start
        command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
        subprocess.run(command, check=True)
    redis.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    redis.stop()
    shutil.rmtree(folder, ignore_errors=True)
