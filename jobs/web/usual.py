"""How long a generation usually takes, and what that says of one that runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from jobs.models import RunTime
from jobs.states import JobState

# Learned from fewer runs than this, a time is no more than an anecdote.
_ENOUGH: Final = 3
# What is left is told from a percentage once so much of it, and so many seconds, are behind.
_KNOWN_PERCENT: Final = 10
_KNOWN_SECONDS: Final = 4.0
_MINUTE: Final = 60

Kind = tuple[str, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What half of the runs need, and what nearly all need, seconds."""

    median: int
    most: int

    @property
    def words(self) -> str:
        """Say it as a range, such as 0:55 to 1:40."""
        low, high = _clock(self.median), _clock(self.most)
        return low if low == high else f"{low} to {high}"


def of_each(rows: Iterable[Mapping[str, Any]]) -> dict[Kind, Usual]:
    """Give the usual run of every kind that runs among these jobs; asks only if one does."""
    kinds = {_kind(row) for row in rows if row["state"] == JobState.RUNNING}
    if not kinds:
        return {}
    learned = RunTime.objects.filter(
        model__in={model for model, _, _ in kinds}, count__gte=_ENOUGH
    ).values_list("model", "seconds", "size", "median", "p99")
    found: dict[Kind, Usual] = {}
    for model, seconds, size, median, p99 in learned:
        kind = (model, seconds, size)
        slowest = found.get(kind, Usual(median=0, most=0))
        found[kind] = Usual(
            median=max(slowest.median, round(median)), most=max(slowest.most, round(p99))
        )
    return {kind: usual for kind, usual in found.items() if kind in kinds}


def of(row: Mapping[str, Any], usual: Mapping[Kind, Usual]) -> Usual | None:
    """Pick the usual run of one job."""
    return usual.get(_kind(row))


def left(*, percent: int, started_at: datetime, now: datetime) -> str:
    """Say what is left, such as `about 40 s left`; empty while nothing honest can be said."""
    seconds = seconds_left(percent=percent, started_at=started_at, now=now)
    if seconds is None:
        return ""
    if seconds <= _MINUTE:
        return f"about {max(5, 5 * round(seconds / 5))} s left"
    return f"about {round(seconds / _MINUTE)} min left"


def seconds_left(*, percent: int, started_at: datetime, now: datetime) -> float | None:
    """Foretell what is left by the pace so far; None while nothing honest can be said."""
    elapsed = (now - started_at) / timedelta(seconds=1)
    if percent < _KNOWN_PERCENT or elapsed < _KNOWN_SECONDS:
        return None
    return elapsed * (100 - percent) / percent


def _kind(row: Mapping[str, Any]) -> Kind:
    return row["model"], row["seconds"], row["size"]


def _clock(seconds: int) -> str:
    return f"{seconds // _MINUTE}:{seconds % _MINUTE:02}"
