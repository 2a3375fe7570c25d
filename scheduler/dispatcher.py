"""The dispatcher's step: grant what is free, ring, and ring again where the message was lost."""

import time
from typing import Final

from scheduler import dispatch, doorbells, ticks
from scheduler.board import Memory

_RING_AGAIN_EVERY: Final = 3.0
# While nobody waits who may run it looks so often without being woken, seconds.
_REST: Final = 1.0
# The tick that the leader claims as often: how old it is says how long nobody led.
TICK: Final = "dispatch"


class Dispatcher:
    """One dispatcher; only the leader steps."""

    def __init__(self) -> None:
        self._looked_at = 0.0
        self._memory = Memory()
        self._has_waiting = False

    @property
    def rest(self) -> float:
        """Give the seconds for which nothing is due that nobody wakes it for."""
        if self._has_waiting:
            return 0.0
        return min(_REST, self._looked_at + _RING_AGAIN_EVERY - time.monotonic())

    def start(self) -> bool:
        """Try to become the leader."""
        self._memory = Memory()
        return dispatch.lead()

    def step(self) -> bool:
        """Grant a batch; say whether there was anything to grant."""
        batch = dispatch.grant_batch(self._memory)
        self._has_waiting = batch.has_waiting
        doorbells.ring(batch.doorbells)
        if time.monotonic() - self._looked_at > _RING_AGAIN_EVERY:
            self._looked_at = time.monotonic()
            ticks.claim(TICK, period=_RING_AGAIN_EVERY)
            doorbells.ring(doorbells.lost())
        return bool(batch.doorbells) or batch.is_cut
