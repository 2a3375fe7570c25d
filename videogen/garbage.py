"""Looking for garbage without looking again and again at what stays.

Python's collector walks through all that a process holds, and nothing else in it runs meanwhile: a tenth of a second
for what is loaded, a whole one with five thousand sockets. What is set aside (`gc.freeze`) is left out; it still goes
when nothing refers to it.
"""

import gc
import time
from collections.abc import Mapping
from typing import Any, Final

# New objects between two walks through the youngest; walks through the younger between two through the older: through
# ten thousand at most, if few stay.
_THRESHOLDS: Final = (1_000, 10, 10)
_OLDEST: Final = 2
# All is walked through again after so many seconds, or walks through what was not set aside: then cycles of what had
# been are found.
_EVERY: Final = 3600.0
_MOST_WALKS: Final = 20


class _Walks:
    """Sets aside what each walk through everything has left."""

    def __init__(self) -> None:
        self._begin()

    def __call__(self, phase: str, info: Mapping[str, Any]) -> None:
        if info["generation"] != _OLDEST:
            return
        if phase == "stop":
            gc.freeze()
            return
        self._count += 1
        if self._count > _MOST_WALKS or time.monotonic() >= self._due:
            gc.unfreeze()
            self._begin()

    def _begin(self) -> None:
        self._count = 0
        self._due = time.monotonic() + _EVERY


def set_aside_what_is_loaded() -> None:
    """Leave out of later walks all that is there now: to be called once, before the first request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def set_aside_what_stays() -> None:
    """Leave out all that is there now, and from now on whatever is left after a walk through everything."""
    if not any(isinstance(one, _Walks) for one in gc.callbacks):
        gc.callbacks.append(_Walks())
    set_aside_what_is_loaded()
