"""The dispatcher's step: grant what is free, ring, and ring again for what nobody took."""

import time
from typing import Final

from scheduler import dispatch
from scheduler.board import Memory

_RING_AGAIN_EVERY: Final = 3.0


class Dispatcher:
    """One dispatcher; only the leader steps."""

    def __init__(self) -> None:
        self._looked_at = 0.0
        self._memory = Memory()

    def start(self) -> bool:
        """Try to become the leader."""
        self._memory = Memory()
        return dispatch.lead()

    def step(self) -> bool:
        """Grant a batch; say whether there was anything to grant."""
        batch = dispatch.grant_batch(self._memory)
        dispatch.ring(batch.doorbells)
        if time.monotonic() - self._looked_at > _RING_AGAIN_EVERY:
            self._looked_at = time.monotonic()
            dispatch.ring(dispatch.untaken())
        return bool(batch.doorbells) or batch.is_cut
