"""Why a video waits, as its pollers are told: looked up once in two seconds, however often they ask."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from jobs import outlooks
from jobs.states import JobState
from jobs.waiting import Waiting

# What is said of a line may be so old, seconds.
_FRESH_FOR: Final = 2
_MOST_KEPT: Final = 20_000

_known: dict[UUID, tuple[int, int, Waiting | None]] = {}


def moment(now: datetime) -> int:
    """Number the time in which nothing new is said of lines."""
    return int(now.timestamp()) // _FRESH_FOR


def of(row: Mapping[str, Any], *, owner_id: UUID, now: datetime) -> Waiting | None:
    """Explain one waiting job; the same answer in a moment, so that its tag is true."""
    if row["state"] != JobState.QUEUED:
        return None
    version, at = int(row["version"]), moment(now)
    known = _known.get(row["id"])
    if known is not None and known[:2] == (version, at):
        return known[2]
    found = outlooks.explain([row], owner_id=owner_id, now=now).get(row["id"])
    if len(_known) >= _MOST_KEPT:
        _known.clear()
    _known[row["id"]] = version, at, found
    return found
