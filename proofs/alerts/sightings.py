"""When each alert was first seen to fire after its fault began, and first seen not to after it ended."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Self

from proofs.alerts.prometheus import Prometheus

_EVERY: Final = 0.2


class Sightings:
    """Looks at the firing alerts all the time, on a thread of its own."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self._began: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._fired: dict[str, float] = {}
        self._cleared: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def begin(self, alerts: Sequence[str]) -> None:
        """Note that the fault of these begins."""
        self._began |= dict.fromkeys(alerts, time.monotonic())

    def end(self, alerts: Sequence[str]) -> None:
        """Note that it ends."""
        self._ended |= dict.fromkeys(alerts, time.monotonic())

    def fired(self, alert: str) -> float | None:
        """Give the seconds from the fault's beginning until it fired, if it did."""
        return _between(self._began, self._fired, alert)

    def cleared(self, alert: str) -> float | None:
        """Give the seconds from the fault's end until it fired no more, if so."""
        return _between(self._ended, self._cleared, alert)

    def _look_on(self) -> None:
        while not self._stop.wait(_EVERY):
            with suppress(OSError):
                asked, firing = time.monotonic(), self._prometheus.firing()
                self._note(asked, firing)

    def _note(self, asked: float, firing: set[str]) -> None:
        now = time.monotonic()
        for alert in firing & set(self._began):
            self._fired.setdefault(alert, now)
        for alert, ended in list(self._ended.items()):
            if alert in self._fired and alert not in firing and asked > ended:
                self._cleared.setdefault(alert, now)


def _between(first: dict[str, float], last: dict[str, float], alert: str) -> float | None:
    return last[alert] - first[alert] if alert in last else None
