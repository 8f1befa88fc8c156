"""How far a command has come, for somebody who watches it."""

from types import TracebackType

from django.core.management.base import OutputWrapper

WIDTH = 30
CLEAR = "\r\x1b[K"


class Progress:
    """A bar on standard error where that is a terminal; elsewhere nothing, for logs and scripts."""

    def __init__(self, stderr: OutputWrapper, label: str, total: int) -> None:
        self._stderr, self._label, self._total = stderr, label, total
        self._done, self._percent = 0, -1
        self._is_seen = stderr.isatty() and total > 0

    def __enter__(self) -> "Progress":
        self.advance(0)
        return self

    def advance(self, by: int = 1) -> None:
        self._done += by
        if not self._is_seen:
            return
        percent = min(100, self._done * 100 // self._total)
        if percent > self._percent:  # a million rows are a hundred drawings
            self._percent = percent
            bar = ("#" * (WIDTH * percent // 100)).ljust(WIDTH, ".")
            self._draw(f"{CLEAR}{self._label} [{bar}] {percent} %")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_seen:
            self._draw(CLEAR)

    def _draw(self, text: str) -> None:
        self._stderr.write(text, str, ending="")
        self._stderr.flush()
