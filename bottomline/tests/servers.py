"""Real servers that tests start, freeze, kill and start again."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from bottomline.local import REDIS_OPTIONS, redis_server

LINK = re.compile(r"https?://\S+")


def wait_until(condition: Callable[[], Any], *, seconds: float = 20, what: str = "") -> Any:
    """The condition's first true value; fails the test if none comes in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what or condition}")


@contextlib.contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """A server of this process, which answers while the block runs."""
    server.daemon_threads = True
    # How often it looks whether it has been told to stop: half a second otherwise, for each test.
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A process in a session of its own, so that whatever it starts ends with it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, command: list[str], *, log: Path, **options: Any) -> None:
        assert self.process is None, "it runs already"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, start_new_session=True, **options
            )

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """As a host that has stopped answering: its connections stay open and say nothing."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

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

    def __init__(self, folder: Path, *, keeps: bool = True) -> None:
        super().__init__()
        self.folder = folder
        self.options = REDIS_OPTIONS.replace("yes", "yes" if keeps else "no")
        self.socket = folder / "r.sock"
        self.url = f"unix://{self.socket}?db=0"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        options = self.options.replace('""', "EMPTY").split()
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

    def everything_written(self) -> str:
        """The append-only file: each command that ever changed something here."""
        files = [f for f in self.folder.rglob("*") if f.is_file() and f.suffix != ".log"]
        return "\n".join(file.read_bytes().decode("utf-8", "replace") for file in sorted(files))


class Proxy:
    """A TCP proxy before a server that is not ours to stop, so that its network can be."""

    def __init__(self, port: int) -> None:
        self.port, self.behind = free_port(), port
        self.flowing = threading.Event()
        self.listener: socket.socket | None = None
        self.open: set[socket.socket] = set()

    def start(self) -> None:
        self.flowing.set()
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def stop(self) -> None:
        """Refuse new connections and reset the ones there are."""
        if self.listener:
            # Shut down first: a thread that waits in accept() would keep the port open.
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        self.flowing.set()
        for end in list(self.open):
            self._close(end)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Accept connections and pass nothing on, in either direction."""
        self.flowing.clear()
        try:
            yield
        finally:
            self.flowing.set()

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self.behind))
                self.open |= {near, far}
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.flowing.wait()
                sink.sendall(data)
        self._close(source)
        self._close(sink)

    def _close(self, end: socket.socket) -> None:
        self.open.discard(end)
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


class MailServer:
    """A real SMTP server that keeps what it is given, and can be told to misbehave."""

    def __init__(self) -> None:
        self.port = free_port()
        self.received: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answer: str | None = None  # what to say to DATA instead of taking the mail
        self.refuse_recipients: str | None = None
        self.refused = 0
        self.stall = threading.Event()  # set: take the mail, then never answer
        self.mute_about = ""  # an address: never answer whoever wants to write to it
        self.drop_after_data = False  # take the mail, then hang up without an answer
        self.controller: Controller | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        if self.controller:
            return
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def stop(self) -> None:
        if self.controller:
            self.controller.stop()
            self.controller = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """As a host that has stopped: what connects is taken by the kernel, and nobody speaks."""
        self.stop()
        try:
            with socket.create_server(("127.0.0.1", self.port)):
                yield
        finally:
            self.start()

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        if address == self.mute_about:
            await asyncio.sleep(3600)
        if self.refuse_recipients:
            self.refused += 1
            return self.refuse_recipients
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        if self.answer:
            self.refused += 1
            return self.answer
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.recipients.append(list(envelope.rcpt_tos))
        self.received.append(message)
        if self.stall.is_set():
            await asyncio.sleep(3600)
        if self.drop_after_data:
            server.transport.abort()
        return "250 OK"

    def mails_to(self, address: str) -> list[EmailMessage]:
        return [message for message in list(self.received) if message["To"] == address]

    def wait_for(self, address: str, count: int = 1, *, seconds: float = 40) -> EmailMessage:
        """The last of that many mails to somebody, once they are here."""
        wait_until(
            lambda: len(self.mails_to(address)) >= count,
            seconds=seconds,
            what=f"{count} mails to {address}",
        )
        return self.mails_to(address)[count - 1]


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return body.get_content()


def link_in(message: EmailMessage) -> str:
    """The first link of a mail: what it is about."""
    found = LINK.search(text_of(message))
    assert found, text_of(message)
    return found[0]


@contextlib.contextmanager
def running(server: Any) -> Iterator[Any]:
    server.start()
    try:
        yield server
    finally:
        server.stop()
