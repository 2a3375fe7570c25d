"""Loops that poll by state: quick while there is work, slower when idle, patient when the database is away."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

# Pause after a step that had work, seconds.
_BUSY: Final = 0.005
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
    stop: threading.Event = field(default_factory=threading.Event)
    # When the last step ended, on the monotonic clock; None before the first.
    stepped_at: float | None = None

    def run(self) -> None:
        """Step until told to stop."""
        pause, may_step = _BUSY, False
        while not self.stop.wait(pause):
            try:
                if not may_step:
                    may_step = self.start()
                worked = may_step and self.step()
                self.stepped_at = time.monotonic()
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
        try:
            self.close()
        except (OperationalError, InterfaceError) as error:
            logger.warning("loop_lost_database", extra={"loop": self.name, "reason": str(error)})
        connection.close()
