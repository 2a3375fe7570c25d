"""How long loops pause: short while there is work, longer while nothing comes, and no longer than they may."""

import logging
import threading
from collections.abc import Callable

import pytest
from django.db import OperationalError

from notifications.wakeup import Ear
from videogen.loops import Loop

IDLE, REST = 0.1, 1.0


class Slept(threading.Event):
    """An event for which nobody waits: it notes for how long somebody would have."""

    def __init__(self, pauses: list[float]) -> None:
        super().__init__()
        self._pauses = pauses

    def wait(self, timeout: float | None = None) -> bool:
        """Note the time and say whether it is set."""
        if not self.is_set():
            self._pauses[-1] += timeout or 0.0
        return self.is_set()


def _pauses(*steps: Callable[[Ear], bool], hears: bool = True, rest: float = REST) -> list[float]:
    """Give the pause after each step of a loop."""
    pauses, left = [0.0], list(steps)
    ear = Ear(woken=Slept(pauses), hears=hears)

    def step() -> bool:
        pauses.append(0.0)
        if not left:
            loop.end()
            return False
        return left.pop(0)(ear)

    loop = Loop(
        name="a test",
        start=lambda: True,
        step=step,
        idle=IDLE,
        ear=ear,
        rest=lambda: rest,
        stop=Slept(pauses),
    )
    loop.run()
    return [round(pause, 3) for pause in pauses[1:-1]]


def _nothing(_: Ear) -> bool:
    return False


def _work(_: Ear) -> bool:
    return True


def _woken(ear: Ear) -> bool:
    ear.woken.set()
    return False


def _without_database(ear: Ear) -> bool:
    ear.woken.set()
    raise OperationalError


def _broken(ear: Ear) -> bool:
    ear.woken.set()
    raise ValueError


def test_pauses_double_up_to_the_rest_while_nothing_comes() -> None:
    assert _pauses(*[_nothing] * 10) == [
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, REST, REST, REST,
    ]  # fmt: skip


def test_a_loop_that_hears_nothing_looks_as_often_as_it_must() -> None:
    assert _pauses(*[_nothing] * 10, hears=False)[-4:] == [IDLE] * 4


@pytest.mark.parametrize(("due", "pause"), [(0.3, 0.3), (0.02, IDLE), (-5.0, IDLE)])
def test_a_loop_rests_until_something_is_due(due: float, pause: float) -> None:
    assert _pauses(*[_nothing] * 10, rest=due)[-1] == pause


def test_after_work_pauses_are_short_again() -> None:
    assert _pauses(*[_nothing] * 9, _work, _nothing) == [
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, REST, REST, 0.005, 0.01,
    ]  # fmt: skip


def test_a_wake_up_ends_the_pause_and_those_after_it_are_short_again() -> None:
    assert _pauses(*[_nothing] * 8, _woken, _nothing, _nothing)[-4:] == [REST, 0.02, 0.04, 0.08]


@pytest.mark.parametrize("breaks", [_without_database, _broken])
def test_after_a_failure_nobody_is_woken_early(
    breaks: Callable[[Ear], bool], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    assert _pauses(breaks)[0] == 1.0


def test_a_loop_at_rest_ends_at_once() -> None:
    ear = Ear(hears=True)
    loop = Loop(name="a test", start=bool, step=bool, idle=IDLE, ear=ear, rest=lambda: 3600.0)
    loop._pause, loop._may_be_woken = 3600.0, True

    loop.end()

    assert loop._has_stopped()
