"""Real servers that tests start, freeze, kill and start again."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from bottomline.local import REDIS_OPTIONS, redis_server


def wait_until(condition: Callable[[], Any], *, seconds: float = 20, what: str = "") -> Any:
    """The condition's first true value; fails the test if none comes in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what or condition}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A process in a session of its own, so that whatever it starts ends with it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, command: list[str], *, log: Path, **options: Any) -> None:
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, start_new_session=True, **options
            )

    def signal(self, number: int) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End it as an operator would; killed if it has not gone in fifteen seconds."""
        if self.process is None:
            return
        self.thaw()
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait()
        # What it started may outlive it.
        self.signal(signal.SIGKILL)
        self.process = None


class RedisServer(Server):
    """A private Redis with the options `make run` gives it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.socket = folder / "r.sock"
        self.url = f"unix://{self.socket}?db=0"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        options = REDIS_OPTIONS.replace('""', "EMPTY").split()
        command = [redis_server(), "--dir", str(self.folder), "--unixsocket", str(self.socket)]
        command += ["" if option == "EMPTY" else option for option in options]
        self.run(command, log=self.folder / "redis.log")
        wait_until(self.answers, what="Redis answers")

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(str(self.socket))
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith(b"+PONG")
        return False


class MailServer:
    """A real SMTP server that keeps what it is given, and can be told to misbehave."""

    def __init__(self) -> None:
        self.port = free_port()
        self.received: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answer: str | None = None  # what to say to DATA instead of taking the mail
        self.refuse_recipients: str | None = None
        self.stall = threading.Event()  # set: take the mail, then never answer
        self.accepted = threading.Event()
        self.controller: Controller | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def stop(self) -> None:
        if self.controller:
            self.controller.stop()
            self.controller = None

    async def handle_RCPT(  # noqa: N802  (aiosmtpd names its hooks after the commands)
        self, server: Any, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.refuse_recipients:
            return self.refuse_recipients
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        if self.answer:
            return self.answer
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        self.recipients.append(list(envelope.rcpt_tos))
        self.accepted.set()
        if self.stall.is_set():
            await asyncio.sleep(3600)
        return "250 OK"

    def wait_for(self, count: int = 1, *, seconds: float = 30) -> EmailMessage:
        """The last of that many mails, once they are here."""
        wait_until(lambda: len(self.received) >= count, seconds=seconds, what=f"{count} mails")
        return self.received[count - 1]


@contextlib.contextmanager
def running(server: Any) -> Iterator[Any]:
    server.start()
    try:
        yield server
    finally:
        server.stop()
