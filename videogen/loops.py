"""Loops that poll by state: quick while there is work, at rest when nothing comes, patient when the database is away.

See docs/adr/0034-rest.md.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from django.db import InterfaceError, OperationalError, connection

from notifications.wakeup import Ear
from videogen.process_metrics import STEPPED

logger = logging.getLogger(__name__)

# Pause after a step that had work, seconds.
_BUSY: Final = 0.005
# How often a loop says that it steps, seconds.
_TOLD_EVERY: Final = 1.0
# Between two steps that found nothing to do, however often the loop is woken, seconds.
_APART: Final = 0.02
# Pause after the database failed, seconds.
_AWAY: Final = 1.0


@dataclass(slots=True)
class Loop:
    """One thread's loop around `step`, which says whether it had work.

    `start` runs before the first step and after every lost connection; it says whether this
    process may step at all (a standby may not).
    """

    name: str
    start: Callable[[], bool]
    step: Callable[[], bool]
    # Longest pause when nothing happens, seconds.
    idle: float
    # Hears of work: that ends the pause, and those that follow are short again.
    ear: Ear | None = None
    # Seconds for which nothing is due that is not heard of, asked after each step: while the ear hears, pauses grow to
    # as much.
    rest: Callable[[], float] = lambda: 0.0
    # Pause after a step that had work, asked after it, seconds.
    busy: Callable[[], float] = lambda: _BUSY
    # Runs after the last step: what is under way is brought to its end.
    close: Callable[[], None] = lambda: None
    stop: threading.Event = field(default_factory=threading.Event)
    # When the last step ended, on the monotonic clock; None before the first.
    stepped_at: float | None = None
    # When it last came round, in vain included: a loop that hangs in a step does not.
    seen_at: float = field(default_factory=time.monotonic)
    _pause: float = _BUSY
    _said_at: float = float("-inf")
    # Not while it stands by or after a failure: then it waits as long as it should.
    _may_be_woken: bool = False

    def run(self) -> None:
        """Step until told to stop."""
        may_step = False
        while not self._has_stopped():
            self.seen_at, self._may_be_woken = time.monotonic(), False
            try:
                if not may_step:
                    may_step = self.start()
                worked = may_step and self.step()
                self.stepped_at = time.monotonic()
                if may_step:
                    self._say_stepped()
            except (OperationalError, InterfaceError) as error:
                logger.warning(
                    "loop_lost_database", extra={"loop": self.name, "reason": str(error)}
                )
                connection.close()
                self._pause, may_step = _AWAY, False
                continue
            except Exception:  # one bad row must not end the loop; it is logged and tried again
                logger.exception("loop_step_failed", extra={"loop": self.name})
                self._pause = _AWAY
                continue
            self._may_be_woken = may_step
            if not may_step:
                self._pause = _AWAY
            elif worked:
                self._pause = self.busy()
            else:
                self._pause = min(self._longest(), self._pause * 2)
        self._finish()

    def end(self) -> None:
        """Take no further step; a pause ends at once."""
        self.stop.set()
        if self.ear is not None:
            self.ear.woken.set()

    def _say_stepped(self) -> None:
        if self.seen_at - self._said_at >= _TOLD_EVERY:
            self._said_at = self.seen_at
            STEPPED.labels(loop=self.name).set_to_current_time()

    def _longest(self) -> float:
        hears = self.ear is not None and self.ear.hears
        return max(self.idle, self.rest()) if hears else self.idle

    def _has_stopped(self) -> bool:
        """Wait for the pause, less when woken; say whether it is over."""
        if self.ear is None or not self._may_be_woken or self._pause <= _APART:
            return self.stop.wait(self._pause)
        if self.stop.wait(_APART):
            return True
        if self.ear.woken.wait(self._pause - _APART):
            self.ear.woken.clear()
            self._pause = _APART
        return self.stop.is_set()

    def _finish(self) -> None:
        try:
            self.close()
        except (OperationalError, InterfaceError) as error:
            logger.warning("loop_lost_database", extra={"loop": self.name, "reason": str(error)})
        connection.close()
