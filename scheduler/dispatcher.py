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
        # Kinds of which a new job may find a slot; None while that is not known.
        self._open_kinds: frozenset[str] | None = None

    @property
    def rest(self) -> float:
        """Give the seconds for which nothing is due that nobody wakes it for."""
        if self._has_waiting:
            return 0.0
        return min(_REST, self._looked_at + _RING_AGAIN_EVERY - time.monotonic())

    def heeds(self, kind: str) -> bool:
        """Say whether it matters that a job of this kind came: not where every slot for it is taken.

        A slot that is given back is told of too, and while somebody waits it looks by the clock.
        """
        return not kind or self._open_kinds is None or kind in self._open_kinds

    def start(self) -> bool:
        """Try to become the leader."""
        self._memory = Memory()
        return dispatch.lead()

    def step(self) -> bool:
        """Grant a batch; say whether there was anything to grant."""
        # What comes from here on may come after the read.
        self._open_kinds = None
        batch = dispatch.grant_batch(self._memory)
        self._has_waiting = batch.has_waiting
        self._open_kinds = batch.open_kinds if batch.has_waiting else None
        doorbells.ring(batch.doorbells)
        if time.monotonic() - self._looked_at > _RING_AGAIN_EVERY:
            self._looked_at = time.monotonic()
            ticks.claim(TICK, period=_RING_AGAIN_EVERY)
            doorbells.ring(doorbells.lost())
        return bool(batch.doorbells) or batch.is_cut
