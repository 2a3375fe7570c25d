"""Whole numbers in the memory of a process, for the flood shield: what it counts needs no pickling."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

_NEVER: Final = float("inf")


@dataclass(slots=True)
class _Counts:
    lock: threading.Lock = field(default_factory=threading.Lock)
    # By key: the value, and the moment from which it is none any more.
    known: dict[str, tuple[Any, float]] = field(default_factory=dict)


# By location. Django makes a cache object for each thread, and on an event loop one for each request.
_shared: Final[dict[str, _Counts]] = {}


class CountingCache(BaseCache):
    """Keeps values as they are: numbers only, which nobody can change from outside; all of a location together."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._counts = _shared.setdefault(location, _Counts())

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Keep a value where there is none; say whether that was so."""
        name = self.make_key(key, version)
        with self._counts.lock:
            if self._get(name) is not None:
                return False
            self._set(name, value, timeout)
            return True

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Give a value."""
        with self._counts.lock:
            found = self._get(self.make_key(key, version))
        return default if found is None else found

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        """Keep a value."""
        with self._counts.lock:
            self._set(self.make_key(key, version), value, timeout)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Add to a number and give the sum. Raises ValueError where there is none."""
        name = self.make_key(key, version)
        with self._counts.lock:
            found = self._get(name)
            if found is None:
                raise ValueError(f"Nothing is kept under {key!r}.")
            total: int = found + delta
            self._counts.known[name] = total, self._counts.known[name][1]
            return total

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Drop a value; say whether there was one."""
        with self._counts.lock:
            return self._counts.known.pop(self.make_key(key, version), None) is not None

    def clear(self) -> None:
        """Drop everything."""
        with self._counts.lock:
            self._counts.known.clear()

    def _get(self, name: str) -> Any:
        value, ends_at = self._counts.known.get(name, (None, _NEVER))
        return value if ends_at > time.monotonic() else None

    def _set(self, name: str, value: Any, timeout: Any) -> None:
        if name not in self._counts.known and len(self._counts.known) >= self._max_entries:
            self._make_room()
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        self._counts.known[name] = value, _NEVER if seconds is None else time.monotonic() + seconds

    def _make_room(self) -> None:
        """Drop what is over; where that is little, the oldest half."""
        now = time.monotonic()
        live = [(name, entry) for name, entry in self._counts.known.items() if entry[1] > now]
        self._counts.known = dict(live[-self._max_entries // 2 :])
