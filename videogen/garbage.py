"""Looking for garbage without looking again and again at what stays.

Python's collector walks through all that a process holds, and nothing else in it runs meanwhile: a tenth of a second for
what is loaded, a whole one with five thousand sockets. What is set aside (`gc.freeze`) is left out; it still goes when
nothing refers to it.
"""

import gc
import time
from collections.abc import Mapping
from typing import Any, Final

# New objects between two walks through the youngest, and walks through the younger between two through the older: one
# through ten thousand takes up to a tenth of a second where memory is slow.
_THRESHOLDS: Final = (1_000, 10, 10)
# All is walked through at most so often, seconds: cycles of what had been set aside are found then.
_EVERY: Final = 3600.0
_OLDEST: Final = 2

_next_walk = 0.0


def set_aside_what_is_loaded() -> None:
    """Leave out of later walks all that is there now: to be called once, before the first request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def set_aside_what_stays() -> None:
    """Leave out all that is there now, and from now on whatever is left after a walk through everything."""
    global _next_walk  # noqa: PLW0603 - there is one collector
    _next_walk = time.monotonic() + _EVERY
    if _around_walk not in gc.callbacks:
        gc.callbacks.append(_around_walk)
    set_aside_what_is_loaded()


def _around_walk(phase: str, info: Mapping[str, Any]) -> None:
    global _next_walk  # noqa: PLW0603 - as above
    if info["generation"] != _OLDEST:
        return
    if phase == "stop":
        gc.freeze()
    elif time.monotonic() >= _next_walk:
        _next_walk = time.monotonic() + _EVERY
        gc.unfreeze()
