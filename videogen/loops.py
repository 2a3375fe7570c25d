"""Loops that poll by state: quick while there is work, slower when idle, patient when the database is away."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from django.db import InterfaceError, OperationalError, connection

from videogen.process_metrics import STEPPED

logger = logging.getLogger(__name__)

# Pause after a step that had work, seconds.
_BUSY: Final = 0.005
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
    # Runs after the last step: what is under way is brought to its end.
    close: Callable[[], None] = lambda: None
    # Set by whoever knows of work: it ends the pause, and stepping is quick again.
    woken: threading.Event | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    # When the last step ended, on the monotonic clock; None before the first.
    stepped_at: float | None = None
    # When it last came round, in vain included: a loop that hangs in a step does not.
    seen_at: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Step until told to stop."""
        pause, may_step = _BUSY, False
        while not self._has_stopped_in(pause):
            self.seen_at = time.monotonic()
            try:
                if not may_step:
                    may_step = self.start()
                worked = may_step and self.step()
                self.stepped_at = time.monotonic()
                if may_step:
                    STEPPED.labels(loop=self.name).set_to_current_time()
            except (OperationalError, InterfaceError) as error:
                logger.warning(
                    "loop_lost_database", extra={"loop": self.name, "reason": str(error)}
                )
                connection.close()
                pause, may_step = _AWAY, False
                continue
            except Exception:  # one bad row must not end the loop; it is logged and tried again
                logger.exception("loop_step_failed", extra={"loop": self.name})
                pause = _AWAY
                continue
            if not may_step:
                pause = _AWAY
            elif worked:
                pause = _BUSY
            else:
                pause = min(self.idle, pause * 2)
        self._finish()

    def _has_stopped_in(self, pause: float) -> bool:
        """Wait for so long, less when woken; say whether it is over."""
        if self.woken is None or not _APART < pause <= self.idle:
            return self.stop.wait(pause)
        if self.stop.wait(_APART):
            return True
        self.woken.wait(pause - _APART)
        self.woken.clear()
        return self.stop.is_set()

    def _finish(self) -> None:
        try:
            self.close()
        except (OperationalError, InterfaceError) as error:
            logger.warning("loop_lost_database", extra={"loop": self.name, "reason": str(error)})
        connection.close()
