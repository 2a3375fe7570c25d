"""The scheduler of beat: each task of the table by its period, on the clock that only goes forward.

Celery's own compares its whole table and converts time zones at every tick, which is a twentieth of a core for ticks
that come every few seconds. Nothing is remembered: sweeps look at the state, and what a stopped beat missed is not
made up for. What would find nothing is sent seldom.
"""

import time
from collections.abc import Collection
from heapq import heapify, heapreplace
from typing import Any

from celery.beat import Scheduler

from videogen import looks


class Ticker(Scheduler):
    """Sends what `beat.SCHEDULE` names; every period is in seconds."""

    def setup_schedule(self) -> None:
        """Take the table; nothing is due before its first period has passed."""
        self.merge_inplace(self.app.conf.beat_schedule)
        now = time.monotonic()
        self._periods = {name: _seconds(entry) for name, entry in self.schedule.items()}
        self._due = [(now + period, name) for name, period in self._periods.items()]
        heapify(self._due)
        self._sent_at = dict.fromkeys(self._periods, float("-inf"))

    def tick(self, *_: Any, **__: Any) -> float:
        """Send what is due; give the seconds until something is."""
        now = time.monotonic()
        due = []
        while (first := self._due[0])[0] <= now:
            at, name = first
            period = self._periods[name]
            following = at + period if at + period > now else now + period
            heapreplace(self._due, (following, name))
            due.append(name)
        for name in self._worth_sending(due, now):
            self._sent_at[name] = now
            self.apply_entry(self.schedule[name], producer=self.producer)
        rest = self._due[0][0] - now
        return min(rest, float(self.max_interval or rest))

    def _worth_sending(self, due: Collection[str], now: float) -> list[str]:
        """Leave out what looks say would find nothing, if it was sent lately."""
        asked = {
            name
            for name in looks.CONDITIONS.keys() & set(due)
            if now - self._sent_at[name] < looks.SELDOM
        }
        left_out = asked - looks.found(asked)
        return [name for name in due if name not in left_out]


def _seconds(entry: Any) -> float:
    return float(entry.schedule.run_every.total_seconds())
