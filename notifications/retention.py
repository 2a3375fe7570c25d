"""What is over goes: batch after batch, each a short statement of its own, so that no pile outgrows its sweep."""

import time
from typing import Final, Protocol

from notifications.metrics import FORGOTTEN

# Rows of one statement.
BATCH: Final = 5_000
# Seconds of one pass; the next tick goes on. The threads that do this also repair what is stuck.
_LONGEST_PASS: Final = 3.0


class Forget(Protocol):
    """Drops up to `limit` rows whose time is over; says how many."""

    def __call__(self, *, limit: int) -> int: ...


def drop(what: str, forget: Forget, *, batch: int = BATCH, longest: float = _LONGEST_PASS) -> int:
    """Drop all that is over, or as much as `longest` seconds allow; say how many rows."""
    ends_at = time.monotonic() + longest
    gone = 0
    while True:
        dropped = forget(limit=batch)
        gone += dropped
        if dropped < batch or time.monotonic() >= ends_at:
            break
    FORGOTTEN.labels(what=what).inc(gone)
    return gone
