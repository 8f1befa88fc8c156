"""Asking servers of others. What it is like to wait for one is in the tests of those who ask."""

import threading
from datetime import timedelta

import pytest

from bottomline.outgoing import Away, Line


def test_a_crowd_of_ours_is_no_reason_to_leave_a_server_alone():
    line = Line(at_once=1, seconds=10, pause=timedelta(hours=1))
    asked, answered = threading.Event(), threading.Event()

    def ask() -> bool:
        asked.set()
        return answered.wait(10)

    first = threading.Thread(target=line.do, args=[ask])
    first.start()
    assert asked.wait(10)
    with pytest.raises(Away, match="busy"):
        line.do(lambda: True)
    answered.set()
    first.join()
    assert line.do(lambda: True)


def test_whoever_fails_is_left_alone():
    line, asked = Line(at_once=1, seconds=10, pause=timedelta(hours=1)), []

    def fail() -> None:
        asked.append(True)
        raise ConnectionRefusedError

    for reason in ("ConnectionRefusedError", "paused"):
        with pytest.raises(Away, match=reason):
            line.do(fail)
    assert len(asked) == 1
