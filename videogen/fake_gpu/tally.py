"""Counts the requests that came, for whoever checks that a caller keeps to its budget."""

import time
from collections import Counter


class Tally:
    """By kind of request: how many in all, and in the busiest second of the clock."""

    def __init__(self) -> None:
        self._total: Counter[str] = Counter()
        self._busiest: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._second = 0

    def count(self, kind: str) -> None:
        """Count one request."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._now.clear()
        self._now[kind] += 1
        self._total[kind] += 1
        self._busiest[kind] = max(self._busiest[kind], self._now[kind])

    def told(self) -> dict[str, dict[str, int]]:
        """Give both numbers by kind."""
        return {
            kind: {"total": total, "busiest_second": self._busiest[kind]}
            for kind, total in self._total.items()
        }
