"""The publisher's step: every two seconds what the lines are like is written, for the doors and for those who wait.

A change of capacity is not waited for: the doors of a pool that is resumed open at once, those of a paused one close.
It runs on a thread and a connection of its own, so that grants never wait for it. One publishes; others stand by.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

from django.db import connection

from jobs import kinds
from jobs.models import LineOutlook
from jobs.outlook import Outlook
from jobs.outlooks import of_row
from jobs.requests import STANDBY
from scheduler import doors, lines, waiting
from scheduler.calibration import Calibration
from scheduler.lines import Arrivals
from scheduler.waiting import Capacities

EVERY: Final = 2.0
# A publisher that is slower than that leaves the database so many times what it took.
_REST: Final = 9.0
# Any number that no other part of the project locks.
_LOCK: Final = 7003
# What lines can count on: a handful of rows, asked for more often than anything is published.
_CAPACITY: Final = "select name, state, slots, is_on_probation from pool order by name"


class Publisher:
    """One publisher, with what it remembers of arrivals and of capacity."""

    def __init__(self) -> None:
        self._arrivals, self._capacities = Arrivals(), Capacities()
        self._calibration = Calibration()
        self._rested = self._due = 0.0
        self._capacity: Sequence[tuple[Any, ...]] = ()

    def start(self) -> bool:
        """Try to become the one that publishes."""
        with connection.cursor() as cursor:
            cursor.execute("select pg_try_advisory_lock(%s)", [_LOCK])
            return bool(cursor.fetchone()[0])

    def step(self) -> bool:
        """Publish when it is time, or capacity changed; say whether it was."""
        began = time.monotonic()
        if began < self._rested:
            return False
        # Read before it is published from, so that no change in between is missed.
        capacity = _capacity()
        if began < self._due and capacity == self._capacity:
            return False
        self.publish()
        self._capacity = capacity
        took = time.monotonic() - began
        self._rested = began + _REST * took
        self._due = began + max(EVERY, _REST * took)
        return True

    def publish(self) -> None:
        """Write doors and outlooks, and learn from what became of the ranges that were told."""
        rows, now = lines.read(standby=STANDBY)
        self._capacities.read(kinds.by_pool(), now=now)
        self._arrivals.read(now)
        slots_before = self._capacities.slots_before(now)
        drains_now = waiting.drains(rows, self._arrivals, self._capacities.slots())
        drains_before = (
            waiting.drains(rows, self._arrivals, slots_before) if slots_before is not None else {}
        )
        doors.publish(rows, drains=drains_now, now=now)
        waiting.publish(
            rows,
            arrivals=self._arrivals,
            capacities=self._capacities,
            drains_now=drains_now,
            drains_before=drains_before,
            now=now,
        )
        bands = self._calibration.learn(self._calibration.bands())
        published: dict[int, Outlook] = {}
        for row in LineOutlook.objects.select_related("line"):
            found = of_row(row, bands).outlook
            if found is not None:
                published[row.line_id] = found
        self._calibration.tell(published, now=now)


def _capacity() -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_CAPACITY)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
