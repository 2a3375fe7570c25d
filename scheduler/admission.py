"""Pure: how much may wait in each line, what is given up first, and what a change of capacity would mean.

The bound is nearly half of what a tier is promised, in seconds, times the slowest that its line drained of late:
so a halving of capacity stays inside the promise, and borrowed slots are not counted on.

Rows: door (line): `bound`, `drain`, `work`, `book` (see `jobs/door.py`), and `drains`, the least of each
of the last minutes, as pairs (minute, drain).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from jobs.door import Door

_MINUTES: Final = 10
# Beyond so many bounds a job that nobody paid for gives up its place.
_SHED_BEYOND: Final = 1.5
# So much of the time that a door allows is filled by what is estimated; the rest is for chance. Simulated with half
# the capacity, filling all of it missed one promise of 48, this none of 44.
_FILLED: Final = 0.9
# A line fuller than this share of its bound takes nobody without a ticket.
_CLOSED_FROM: Final = 0.97

Drains = tuple[tuple[int, float], ...]


def noted(drains: Drains, *, drain: float, now: float) -> Drains:
    """Note how fast a line drains now; the least of each minute is kept, for ten minutes."""
    minute = int(now // 60)
    kept = {at: least for at, least in drains if at > minute - _MINUTES}
    before = kept.get(minute, 0.0)
    # What stood still and moves again counts as it moves; what stands still now is closed now.
    kept[minute] = min(drain, before) if before > 0 and drain > 0 else drain
    return tuple(sorted(kept.items()))


def least(drains: Drains, *, now: float) -> float:
    """Give the slowest of the last ten minutes, and nothing while nothing drains.

    Minutes in which a line stood still do not count once it moves again: a pause is over at once.
    """
    minute = int(now // 60)
    recent = [drain for at, drain in drains if at > minute - _MINUTES]
    if not recent or recent[-1] <= 0:
        return 0.0
    return min(drain for drain in recent if drain > 0)


def door(
    *, seconds: float | None, drains: Drains, work: float, book: float = 0.0, now: float
) -> Door:
    """Give a line's door by its tier's bound in seconds; None where the tier has none."""
    drain = least(drains, now=now)
    return Door(
        bound=None if seconds is None else _FILLED * seconds * drain,
        drain=drain,
        work=work,
        book=book,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides whether a tier's jobs are kept when there is too little for all."""

    weight: float
    is_paid: bool
    rank: int
    bound_seconds: float | None


def shedding_order(tiers: Mapping[str, Standing]) -> list[str]:
    """Give the order in which tiers are refused and given up: standby, then unpaid, then by rank."""
    return sorted(
        tiers,
        key=lambda name: (
            tiers[name].weight > 0,
            tiers[name].is_paid,
            tiers[name].rank,
            name,
        ),
    )


def is_given_up(standing: Standing, *, waited: float) -> bool:
    """Say whether a waiting job expires so that others keep their promise; paid ones never do."""
    if standing.is_paid or standing.bound_seconds is None:
        return False
    return waited > _SHED_BEYOND * standing.bound_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What those would feel who wait in a line, or come to it."""

    # About how long its newest job waits, seconds; None while nothing drains.
    wait: float | None
    is_closed: bool
    # In how many seconds its door closes if as much comes as of late; None when it does not.
    closes_in: float | None = None


def foresee(*, work: float, drain: float, bound: float | None, arriving: float = 0.0) -> Foreseen:
    """Say what a line would be like with this drain, before an operator confirms it.

    `work` GPU-seconds wait and `arriving` come each second; `bound` is in seconds of drain, None for none.
    """
    if drain <= 0:
        return Foreseen(wait=None, is_closed=bound is not None)
    wait = work / drain
    if bound is None:
        return Foreseen(wait=wait, is_closed=False)
    left = _CLOSED_FROM * _FILLED * bound * drain - work
    growth = arriving - drain
    return Foreseen(
        wait=wait,
        is_closed=left < 0,
        closes_in=left / growth if growth > 0 and left >= 0 else None,
    )
