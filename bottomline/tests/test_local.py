"""`make run` in a copy of the project: what somebody meets who has just downloaded it."""

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path

import pytest

from bottomline.local import ROOT, _environment
from bottomline.tests.browser import Visitor
from bottomline.tests.environment import missing
from bottomline.tests.servers import free_port, wait_until
from conftest import PASSWORD

pytestmark = pytest.mark.stack

NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".env", "var", "staticfiles", "bench", ".*_cache", "__pycache__", ".hypothesis"
)
# A shell without a terminal has what it puts into the background ignore Ctrl-C.
IN_THE_BACKGROUND = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
SECONDS_TO_END = 20  # generous: it takes one or two on a quiet machine
ENDED = {0, 128 + signal.SIGINT}
LINK = re.compile(r"http://localhost:\d+/invite/\S+")


class Local:
    """`make run` in a folder, as a terminal would start it; every process of it can be found."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://localhost:{self.port}"
        self.mark = f"mark-{uuid.uuid4().hex}"
        self.log = folder.with_name(f"{folder.name}.log")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "PORT": str(self.port),
            "STARTED_BY": self.mark,
        }

    def start(self, *, by: Sequence[str] = ()) -> None:
        self.log.write_text("")
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*by, self.folder / ".venv/bin/python", "-m", "bottomline.local"],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    @contextlib.contextmanager
    def running(self) -> Iterator[Visitor]:
        self.start()
        try:
            wait_until(lambda: "Ctrl-C" in self.says(), seconds=90, what="it says where to click")
            yield Visitor(self.url)
        finally:
            self.kill()

    def press_ctrl_c(self) -> int:
        """What a terminal does: SIGINT to everything in the foreground."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(SECONDS_TO_END)

    def says(self) -> str:
        return self.log.read_text()

    def processes(self) -> dict[int, bytes]:
        """Whatever lives and was started by this, whoever its parent is now; and its command."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes()
                known_by = command + (folder / "environ").read_bytes()
                # Redis writes its title over its environment, and its socket's path into the title.
                if self.mark.encode() in known_by or bytes(self.folder) in known_by:
                    found[int(folder.name)] = command
        return found


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Local:
    return Local(copy_of_the_project(tmp_path_factory.mktemp("local") / "bottomline"))


def copy_of_the_project(folder: Path, *, installed: bool = True) -> Path:
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    if installed:
        (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def test_from_nothing_to_an_owner_and_a_second_run_knows_them_still(local: Local):
    with local.running() as browser:
        [invite] = LINK.findall(local.says())
        page = browser.sign_up(invite, "olivia@example.org", "olivia", PASSWORD)
        assert page.status == 200, page
        assert "/dev/mailbox/" in page.text

        def mailbox() -> str:
            return unescape(browser.get("/dev/mailbox/").text)

        wait_until(lambda: "olivia@example.org" in mailbox(), seconds=40, what="the mail is there")
        link = re.search(r'href="(http://localhost:\d+/invite/\?confirmation=[^"]+)"', mailbox())
        assert link, "the mail's link can be clicked"
        assert browser.confirm(link[1]).status == 302
        assert browser.log_in("olivia@example.org", PASSWORD).status == 302
        assert browser.get("/account/").status == 200
        assert browser.get("/admin/login/").status == 302, "the first person is the owner"
        browser.set_up_factor()
        assert browser.get("/admin/").status == 200
        cookies = dict(browser.cookies)
        assert local.press_ctrl_c() in ENDED
        wait_until(lambda: not local.processes(), seconds=5, what="nothing is left behind")

    with local.running() as browser:
        assert not LINK.findall(local.says()), "there is an owner: no invite is given away"
        browser.cookies = cookies
        assert browser.get("/session/").json()["user"]["username"] == "olivia"
        assert "olivia@example.org" in unescape(browser.get("/dev/mailbox/").text)


@pytest.mark.parametrize("by", [(), IN_THE_BACKGROUND], ids=["by a terminal", "by a script"])
@pytest.mark.parametrize("moment", ["migrating", "starting"])
def test_ctrl_c_ends_everything_while_it_is_still_starting(
    local: Local, moment: str, by: Sequence[str]
):
    local.start(by=by)
    try:
        awaited = {"migrating": b"migrate", "starting": b"granian"}[moment]
        wait_until(
            lambda: any(awaited in command for command in local.processes().values()), seconds=60
        )
        assert local.press_ctrl_c() in ENDED
        wait_until(lambda: not local.processes(), seconds=5, what="nothing is left behind")
    finally:
        local.kill()
    if moment == "migrating":
        assert "Traceback" not in local.says()


def test_what_is_private_under_var_is_nobody_elses_to_read(local: Local):
    with local.running():
        modes = {
            name: stat.S_IMODE((local.folder / "var" / name).stat().st_mode)
            for name in ("secret_key", "redis.sock")
            if (local.folder / "var" / name).exists()
        }
    assert all(mode & 0o077 == 0 for mode in modes.values()), modes


def test_a_taken_port_is_said(local: Local):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert refusal(local.folder, local.environment | {"PORT": str(port)}) == (
            f"bottomline cannot start: port {port} is taken, perhaps by another `make run`. Stop "
            f"that, or choose another port: PORT={port + 1 if port < 65535 else 8000} make run."
        )


@pytest.mark.parametrize("port", ["eighty", "0", "65536", "-1", "80.5"])
def test_a_port_that_is_none_is_said(local: Local, port: str):
    said = refusal(local.folder, local.environment | {"PORT": port})

    assert said == f"bottomline cannot start: PORT is {port!r}. Set it to a number from 1 to 65535."


def test_a_file_where_its_folder_should_be_is_said(tmp_path: Path):
    folder = copy_of_the_project(tmp_path / "bottomline")
    (folder / "var").write_text("")

    assert "it may not write to" in refusal(folder, Local(folder).environment)


def test_a_folder_it_may_not_write_to_is_said(tmp_path: Path):
    folder = copy_of_the_project(tmp_path / "bottomline")
    folder.chmod(0o555)
    # Permissions do not bind root, unless root gives up that right.
    bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if not os.geteuid() else []
    if bound and not shutil.which("setpriv"):
        missing("setpriv")

    assert refusal(folder, Local(folder).environment, bound) == (
        f"bottomline cannot start: it may not write to {folder}/var. Its data lives there: make "
        "the folder writable, or copy the project to a place that is yours."
    )


def test_a_missing_or_an_old_python_is_said_before_anything_is_installed(tmp_path: Path):
    make = shutil.which("make") or missing("make")
    folder = copy_of_the_project(tmp_path / "bottomline", installed=False)
    old = tmp_path / "python3.9"
    # Everything the Makefile may ask an old Python, answered as one would.
    old.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} -c "exit(1)"\nexit 9\n')
    old.chmod(0o755)

    for python, sentence in (
        ("python-is-not-here", "needs Python 3.11 or newer and there is no python-is-not-here"),
        (str(old), f"needs Python 3.11 or newer and {old} is older"),
    ):
        done = subprocess.run(
            [make, "run", f"PYTHON={python}"], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode != 0
        assert sentence in done.stderr
        assert len([line for line in done.stderr.splitlines() if "make" not in line[:5]]) == 1
        assert not (folder / ".venv").exists()


def refusal(folder: Path, environment: dict[str, str], bound: Sequence[str] = ()) -> str:
    """The one sentence it says as it refuses to start."""
    done = subprocess.run(
        [*bound, folder / ".venv/bin/python", "-m", "bottomline.local"],
        cwd=folder,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert not done.stdout
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.strip()


def test_an_operator_types_a_command_beside_it_and_needs_no_environment(local: Local):
    with local.running() as visitor:
        done = subprocess.run(
            [local.folder / ".venv/bin/python", "manage.py", "issue_invite", "--email", "a@x.org"],
            cwd=local.folder,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == LINK.search(done.stdout)[0] + "\n"
        assert visitor.get(done.stdout.strip()).status == 200
    assert stat.S_IMODE((local.folder / "var/local.env").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["MEDIA_DIR", "STORAGE_URL", "SECRET_KEY_FALLBACKS"])
def test_where_files_are_and_which_keys_were_is_known_to_a_command_beside_it(
    monkeypatch: pytest.MonkeyPatch, name: str
):
    """Or `erase_closed` would leave pictures behind, and `verify_events` know no older seal."""
    monkeypatch.setenv(name, "what the operator set")
    assert _environment(8000)[name] == "what the operator set"


def test_a_command_without_any_settings_is_refused_in_one_sentence(tmp_path: Path):
    copy = copy_of_the_project(tmp_path / "bottomline")
    done = subprocess.run(
        [copy / ".venv/bin/python", "manage.py", "check"],
        cwd=copy,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("bottomline is not configured: ")
    assert len(done.stderr.strip().splitlines()) == 1
