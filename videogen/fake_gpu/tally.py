"""Counts the requests that came, for whoever checks that a caller keeps to its budget."""

import time
from collections import Counter
from typing import Final

from videogen.fake_gpu.faults import Place

# Every request but the creates and the fetching of files, whatever it asked.
QUESTIONS: Final = "questions"


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
        is_question = kind not in {Place.SUBMIT, Place.CONTENT}
        for name in (kind, *((QUESTIONS,) if is_question else ())):
            self._now[name] += 1
            self._total[name] += 1
            self._busiest[name] = max(self._busiest[name], self._now[name])

    def told(self) -> dict[str, dict[str, int]]:
        """Give both numbers by kind."""
        return {
            kind: {"total": total, "busiest_second": self._busiest[kind]}
            for kind, total in self._total.items()
        }
