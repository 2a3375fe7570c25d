"""The thread that reads the figures, and the collector that shows them: a scrape never waits for the database."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError, InterfaceError, connection
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from videogen.figures import kept, pools, queue, telling, upkeep
from videogen.figures.drift import Drift
from videogen.figures.figure import Figure, Spread
from videogen.figures.moves import Moves
from videogen.figures.probes import Probes

logger = logging.getLogger(__name__)

# What is older than so many of its looks is not shown any more.
_STALE_AFTER: Final = 6.0


@dataclass(slots=True)
class Source:
    """Something that is read every so many seconds."""

    name: str
    read: Callable[[], Sequence[Figure | Spread]]
    every: float
    found: Sequence[Metric] = ()
    read_at: float = float("-inf")
    due_at: float = 0.0

    def is_fresh(self) -> bool:
        """Tell whether it was read lately; what was not would be shown as true for ever."""
        return time.monotonic() - self.read_at < _STALE_AFTER * self.every


class Reader(Collector):
    """Reads in turn on one thread and one connection; shows what it last read."""

    def __init__(self) -> None:
        self._probes = Probes()
        self.sources = [
            Source("queue", queue.read, 5.0),
            Source("pools", pools.read, 5.0),
            Source("telling", telling.read, 5.0),
            Source("upkeep", upkeep.read, 5.0),
            Source("kept", kept.read, 15.0),
            Source("moves", Moves().read, 5.0),
            Source("drift", Drift().read, 10.0),
        ]

    def start(self) -> None:
        """Begin to read."""
        self._probes.start()
        threading.Thread(target=self._run, name="figures", daemon=True).start()

    def collect(self) -> Iterator[Metric]:
        """Give what was read, and what the probes say."""
        for figure in self._probes.figures():
            yield figure.family()
        for source in self.sources:
            if source.is_fresh():
                yield from source.found

    def read_due(self) -> None:
        """Read what is due. A source that fails keeps no other from being read."""
        for source in self.sources:
            if time.monotonic() < source.due_at:
                continue
            source.due_at = time.monotonic() + source.every
            try:
                source.found = [figure.family() for figure in source.read()]
                source.read_at = time.monotonic()
            except (DatabaseError, InterfaceError) as error:
                told = {"figures": source.name, "reason": type(error).__name__}
                logger.warning("figures_not_read", extra=told)
                connection.close()
            except Exception:  # one bad row must not end the thread; it is logged and tried again
                logger.exception("figures_broke", extra={"figures": source.name})

    def _run(self) -> None:
        while True:
            self.read_due()
            # At least so long, so that a clock that stands still makes no busy loop.
            time.sleep(max(0.05, min(source.due_at for source in self.sources) - time.monotonic()))
