"""What a process reads from the database now and then, so that requests ask nothing for it."""

import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

# From this share of its age on one thread reads anew, while others go on with what is known.
_EARLY: Final = 0.75


class Remembered(Generic[T]):
    """One value, at most so many seconds old. Threads may share it; a reading that fails is its caller's."""

    def __init__(self, read: Callable[[], T], *, fresh_for: float) -> None:
        self._read = read
        self._fresh_for = fresh_for
        self._reading: Final = threading.Lock()
        # The value, and when it was read, on the monotonic clock.
        self._known: tuple[T, float] | None = None
        # Grows with every forgetting: a reading that began before it is not kept.
        self._round = 0

    def value(self) -> T:
        """Give it, read now where it is too old."""
        return self.dated()[0]

    def dated(self) -> tuple[T, float]:
        """Give it, and when its reading began, on the monotonic clock."""
        known = self._known
        if known is None:
            return self._read_anew(known)
        age = time.monotonic() - known[1]
        if age > self._fresh_for:
            return self._read_anew(known)
        if age > self._fresh_for * _EARLY and not self._reading.locked():
            return self._read_anew(known)
        return known

    def _read_anew(self, before: tuple[T, float] | None) -> tuple[T, float]:
        with self._reading:
            if self._known is not None and self._known is not before:
                # Another thread read while this one waited.
                return self._known
            began, began_in = time.monotonic(), self._round
            found = self._read(), began
            if began_in == self._round:
                self._known = found
            return found

    def forget(self) -> None:
        """Read it anew at the next question."""
        self._round += 1
        self._known = None
