"""What a process reads now and then: never too old, and read by one thread while others go on."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from jobs import remembered
from jobs.remembered import Remembered

_FRESH_FOR: Final = 2.0
_SOON: Final = 30.0


class _Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    made = _Clock()
    monkeypatch.setattr(remembered, "time", made)
    return made


def _counted(*values: str) -> tuple[Remembered[str], Callable[[], int]]:
    left = iter(values)
    read: list[str] = []

    def reading() -> str:
        read.append(next(left))
        return read[-1]

    return Remembered(reading, fresh_for=_FRESH_FOR), lambda: len(read)


def test_it_is_read_once_and_again_before_it_is_too_old(clock: _Clock) -> None:
    known, readings = _counted("first", "second")
    assert (known.value(), known.value(), readings()) == ("first", "first", 1)
    clock.now += 1.4
    assert (known.value(), readings()) == ("first", 1)
    clock.now += 0.2
    assert (known.value(), readings()) == ("second", 2)
    assert known.dated() == ("second", clock.now)


def test_what_was_forgotten_is_read_anew(clock: _Clock) -> None:
    known, _ = _counted("first", "second")
    known.value()
    known.forget()
    assert known.value() == "second"


def test_a_reading_that_fails_is_its_callers_and_the_next_tries_again(clock: _Clock) -> None:
    left: Iterator[str] = iter(["first"])

    def reading() -> str:
        if clock.now < 101:
            raise ConnectionError("away")
        return next(left)

    known = Remembered(reading, fresh_for=_FRESH_FOR)
    with pytest.raises(ConnectionError):
        known.value()
    clock.now += 1
    assert known.value() == "first"


class _Slow:
    """A reading that a test lets end."""

    def __init__(self) -> None:
        self.count = 0
        self.may_end = threading.Event()
        self.began = threading.Event()

    def __call__(self) -> str:
        self.count += 1
        mine = f"reading {self.count}"
        if self.count > 1:
            self.began.set()
            assert self.may_end.wait(_SOON)
        return mine


def test_while_one_thread_reads_others_take_what_is_known(clock: _Clock) -> None:
    slow = _Slow()
    known = Remembered(slow, fresh_for=_FRESH_FOR)
    known.value()
    clock.now += 1.8
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(known.value()))
    reader.start()
    assert slow.began.wait(_SOON)
    assert known.value() == "reading 1"
    slow.may_end.set()
    reader.join(_SOON)
    assert (found, known.value(), slow.count) == (["reading 2"], "reading 2", 2)


def test_what_is_too_old_is_waited_for_and_read_once(clock: _Clock) -> None:
    slow = _Slow()
    known = Remembered(slow, fresh_for=_FRESH_FOR)
    known.value()
    clock.now += 2.1
    found: list[str] = []
    readers = [threading.Thread(target=lambda: found.append(known.value())) for _ in range(3)]
    for reader in readers:
        reader.start()
    assert slow.began.wait(_SOON)
    time.sleep(0.05)
    assert found == []
    slow.may_end.set()
    for reader in readers:
        reader.join(_SOON)
    assert (found, slow.count) == (["reading 2"] * 3, 2)


def test_what_was_read_while_it_was_forgotten_is_not_kept(clock: _Clock) -> None:
    slow = _Slow()
    known = Remembered(slow, fresh_for=_FRESH_FOR)
    known.value()
    clock.now += 2.1
    reader = threading.Thread(target=known.value)
    reader.start()
    assert slow.began.wait(_SOON)
    known.forget()
    slow.may_end.set()
    reader.join(_SOON)
    assert (known.value(), slow.count) == ("reading 3", 3)
