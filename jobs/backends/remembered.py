"""What a server publishes and hardly changes, such as its keys: kept for a while, asked for seldom."""

from collections.abc import Callable
from threading import Lock
from typing import Final, Generic, TypeVar

from jobs.backends import http

Value = TypeVar("Value")

# Seconds that a value is believed, and between two questions for it, also failed ones.
KEPT: Final = 24 * 3600
PAUSE: Final = 60


class Remembered(Generic[Value]):
    """Values by name, each fetched by whoever needs it first; the others wait for that one answer."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: dict[str, tuple[float, Value]] = {}
        self._asked_at: dict[str, float] = {}

    def get(self, name: str, fetch: Callable[[], Value], *, now: float) -> Value:
        """Give the value, at most a day old. Raises BackendError."""
        with self._lock:
            if name in self._values:
                fetched_at, value = self._values[name]
                if now - fetched_at < KEPT:
                    return value
            if not self._may_ask(name, now):
                raise http.unavailable(f"{name} gave no usable answer a moment ago.")
            return self._fetch(name, fetch, now)

    def renewed(self, name: str, fetch: Callable[[], Value], *, now: float) -> Value | None:
        """Fetch the value anew; None when it was asked for within the last minute. Raises BackendError."""
        with self._lock:
            return self._fetch(name, fetch, now) if self._may_ask(name, now) else None

    def _may_ask(self, name: str, now: float) -> bool:
        return name not in self._asked_at or now - self._asked_at[name] >= PAUSE

    def _fetch(self, name: str, fetch: Callable[[], Value], now: float) -> Value:
        # Noted first: a server that does not answer is not asked by everybody in turn.
        self._asked_at[name] = now
        value = fetch()
        self._values[name] = now, value
        return value
