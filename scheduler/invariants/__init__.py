"""What must be true of the database, as statements that find what is not.

Safety holds at any moment. Liveness says that what must happen did, within `GRACE_SECONDS`. Each
statement gives the rows that break it, at most a handful; no row is the proof that it holds.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import connection

from jobs.failures import FailureKind
from jobs.states import MOVES
from scheduler.invariants.liveness import LIVENESS
from scheduler.invariants.references import REFERENCES
from scheduler.invariants.safety import SAFETY
from scheduler.invariants.telling import TELLING_LIVENESS, TELLING_SAFETY

# How long the sweeps and the relay may take for what they must do.
GRACE_SECONDS: Final = 60.0
_SHOWN: Final = 5

__all__ = [
    "AT_ANY_MOMENT",
    "GRACE_SECONDS",
    "INVARIANTS",
    "LIVENESS",
    "SAFETY",
    "Violation",
    "violations",
]

AT_ANY_MOMENT: Final = SAFETY + REFERENCES + TELLING_SAFETY
INVARIANTS: Final = AT_ANY_MOMENT + TELLING_LIVENESS + LIVENESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """An invariant that does not hold, with some of the rows that break it."""

    name: str
    sentence: str
    rows: tuple[tuple[object, ...], ...]

    def __str__(self) -> str:
        shown = "; ".join(", ".join(map(str, row)) for row in self.rows)
        return f"{self.name}: {self.sentence} Not so for: {shown}"


def violations(
    *, grace: float = GRACE_SECONDS, only: Collection[str] | None = None
) -> list[Violation]:
    """Check every invariant, or those that are named, in the caller's snapshot; `grace` is in seconds."""
    values: dict[str, Any] = {
        "moves": [">queued", *(f"{start}>{end}" for start, ends in MOVES.items() for end in ends)],
        "counting": [kind.value for kind in FailureKind if kind.counts],
        "max_attempts": settings.MAX_ATTEMPTS,
        "grace": grace,
        "notices_kept": settings.NOTIFICATIONS_KEPT_DAYS - 1,
    }
    found = []
    with connection.cursor() as cursor:
        for name, sentence, statement in INVARIANTS:
            if only is not None and name not in only:
                continue
            cursor.execute(f"{statement} limit {_SHOWN}", values)
            if rows := cursor.fetchall():
                found.append(Violation(name=name, sentence=sentence, rows=tuple(rows)))
    return found
