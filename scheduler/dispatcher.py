"""The dispatcher's step: grant what is free, ring, and ring again for what nobody took."""

import time
from typing import Final

from scheduler import dispatch

_RING_AGAIN_EVERY: Final = 3.0


class Dispatcher:
    """One dispatcher; only the leader steps."""

    def __init__(self) -> None:
        self._looked_at = 0.0

    def start(self) -> bool:
        """Try to become the leader."""
        return dispatch.lead()

    def step(self) -> bool:
        """Grant free slots; say whether anything was granted."""
        granted = dispatch.grant_free_slots()
        dispatch.ring(granted)
        if time.monotonic() - self._looked_at > _RING_AGAIN_EVERY:
            self._looked_at = time.monotonic()
            dispatch.ring(dispatch.untaken())
        return bool(granted)
