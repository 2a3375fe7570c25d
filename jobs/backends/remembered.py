"""What a server publishes and hardly changes, such as its keys: kept for a while, asked for seldom."""

import logging
from collections.abc import Callable
from contextvars import copy_context
from threading import Lock, Thread
from typing import Final, Generic, TypeVar

from django.db import connection

from jobs.backends import http
from jobs.backends.backend import BackendError, OverBudget

logger = logging.getLogger(__name__)

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

    def renew(self, name: str, fetch: Callable[[], Value], *, now: float) -> None:
        """Fetch the value anew in the background, at most once in a minute; the old one is given meanwhile.

        Whoever sends us nonsense must not see by the time that we ask somebody, nor make others wait for it.
        """
        with self._lock:
            if not self._may_ask(name, now):
                return
            self._asked_at[name] = now
        # The copy brings the gate along through which requests go.
        run = copy_context().run
        Thread(target=run, args=(self._renew, name, fetch, now), daemon=True).start()

    def _renew(self, name: str, fetch: Callable[[], Value], now: float) -> None:
        try:
            value = fetch()
        except (BackendError, OverBudget) as error:
            logger.info("not_renewed", extra={"subject": name, "reason": str(error)})
        else:
            with self._lock:
                self._values[name] = now, value
        finally:
            # The gate may have used this thread's database.
            connection.close()

    def _may_ask(self, name: str, now: float) -> bool:
        return name not in self._asked_at or now - self._asked_at[name] >= PAUSE

    def _fetch(self, name: str, fetch: Callable[[], Value], now: float) -> Value:
        # Noted first: a server that does not answer is not asked by everybody in turn.
        self._asked_at[name] = now
        value = fetch()
        self._values[name] = now, value
        return value
