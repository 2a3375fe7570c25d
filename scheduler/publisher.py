"""The publisher's step: every two seconds what the lines are like is written, for the doors and for those who wait.

While nothing waits it is written less often. A change of capacity is not waited for: the doors of a pool that is
resumed open at once, those of a paused one close. It runs on a thread and a connection of its own, so that grants never
wait for it. One publishes; others stand by.
"""

import time
from typing import Any, Final

from django.db import connection

from jobs import gates, kinds
from jobs.models import LineOutlook
from jobs.outlook import Outlook
from jobs.outlooks import of_row
from jobs.requests import STANDBY
from notifications import prepared
from scheduler import doors, lines, waiting
from scheduler.calibration import Calibration
from scheduler.lines import Arrivals
from scheduler.waiting import Capacities

EVERY: Final = 2.0
# While nothing waits; what was written is good for more than twice as long (`jobs/waiting.py`).
AT_REST: Final = 6.0
# It looks so often for what nobody woke it for, and at most so often while something waits, seconds.
_LOOK: Final = 1.0
_GLANCE: Final = 0.2
# A publisher that is slower than that leaves the database so many times what it took.
_REST: Final = 9.0
# Any number that no other part of the project locks.
_LOCK: Final = 7003
# What lines can count on, a handful of rows, and whether anything waits or was let in since doors were published. It
# is asked for more often than anything is published.
_NEWS: Final = """
select (select json_agg(json_build_array(name, state, slots, is_on_probation) order by name) from pool),
    coalesce((select true from backlog order by job_id limit 1), false)
    or exists (select 1 from door where abs(added) > %(nothing)s)
    or exists (select 1 from gate where abs(added) > %(nothing)s)
"""


class Publisher:
    """One publisher, with what it remembers of arrivals and of capacity."""

    def __init__(self) -> None:
        self._arrivals, self._capacities = Arrivals(), Capacities()
        self._calibration = Calibration()
        self._published_at = self._rested = 0.0
        self._capacity: list[Any] | None = None
        # Whether nothing waited when it last published, and at the last look.
        self._was_quiet = self._is_quiet = False
        self._is_looking = False

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
        self._is_looking = True
        [(capacity, has_waiting)] = prepared.run(_NEWS, {"nothing": gates.NOTHING})
        self._is_quiet, self._is_looking = not has_waiting, False
        due = self._published_at + (AT_REST if self._is_at_rest else EVERY)
        if began < due and capacity == self._capacity:
            # Whoever wakes it out of its rest is heard at once; while much happens it looks by the clock.
            self._rested = began if self._is_at_rest else began + _GLANCE
            return False
        self.publish()
        self._capacity, self._was_quiet = capacity, self._is_quiet
        self._published_at = began
        self._rested = began + _REST * (time.monotonic() - began)
        return True

    @property
    def rest(self) -> float:
        """Give the seconds for which nothing is due that nobody wakes it for."""
        return _LOOK if self._is_at_rest else 0.0

    def heeds(self, _: str) -> bool:
        """Say whether it matters what it is told: not while it looks by the clock."""
        return self._is_looking or self._is_at_rest

    @property
    def _is_at_rest(self) -> bool:
        return self._was_quiet and self._is_quiet

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
