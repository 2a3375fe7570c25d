"""Pure: how fast lines drain, what waits ahead, and how wide a true range is.

Work ahead in virtual time follows from start-time fair queueing: a lane that starts at `tag` gets one
second of service for each second of its line's virtual time. Ranges are calibrated while they prove right
or wrong (Gibbs and Candes, adaptive conformal inference, arXiv 2106.00170).

Rows: lane: `work`, the GPU-seconds that wait in it, and `head_cost`, those of its first job. Arrivals of the
last three minutes are in the publisher's memory.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from jobs.outlook import Band, Curve

# What waits is wanted within so many seconds: the horizon of a line's demand.
_HORIZON: Final = 120.0
# Arrivals of so many seconds say how many will overtake.
ARRIVALS_OVER: Final = 180.0
_POINTS: Final = 48
# How far one outcome moves a band, and the share of outcomes wanted outside on each side.
_STEP: Final = 0.08
_MISSED: Final = 0.06
_WIDEST: Final = 4.0


def work_ahead(lanes: Iterable[tuple[float, float, float]]) -> Curve:
    """Sum what starts before a virtual time, over lanes of (tag, work, cost of the first job).

    A lane's work starts in one go of its first job, then second by second: min(work, x - tag + head).
    """
    known = [(tag, work, min(head, work)) for tag, work, head in lanes if work > 0]
    if not known:
        return Curve()
    starts = sorted((tag, head - tag) for tag, _, head in known)
    ends = sorted((tag + work - head, work - head + tag) for tag, work, head in known)
    begun = [0.0, *accumulate(offset for _, offset in starts)]
    ended = [0.0, *accumulate(offset for _, offset in ends)]
    xs = _points([tag for tag, _ in starts], [end for end, _ in ends])
    ys, opened, closed = [], 0, 0
    for x in xs:
        while opened < len(starts) and starts[opened][0] <= x:
            opened += 1
        while closed < len(ends) and ends[closed][0] <= x:
            closed += 1
        # Of those that ended, x cancels out and their work is left.
        ys.append((opened - closed) * x + begun[opened] + ended[closed])
    return Curve(tuple(xs), tuple(ys))


def _points(starts: Sequence[float], ends: Sequence[float]) -> list[float]:
    events = sorted({*starts, *ends})
    if len(events) <= _POINTS:
        return events
    return [events[place * (len(events) - 1) // (_POINTS - 1)] for place in range(_POINTS)]


def overtaking(arrivals: Iterable[tuple[float, float]]) -> Curve:
    """Give the rate of arriving work by its lead over the line, from three minutes of (lead, work)."""
    known = sorted(arrivals)
    total = list(accumulate(work / ARRIVALS_OVER for _, work in known))
    rates = dict(zip((lead for lead, _ in known), total, strict=True))
    xs = _points(list(rates), [])
    return Curve(tuple(xs), tuple(rates[x] for x in xs))


def water_fill(capacity: float, wants: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Share a capacity among (weight, demand): by weight, and what one does not want among the others."""
    given = dict.fromkeys(wants, 0.0)
    open_ = {name for name, (weight, demand) in wants.items() if weight > 0 and demand > 0}
    left = capacity
    while open_ and left > 1e-12:  # noqa: PLR2004
        level = left / sum(wants[name][0] for name in open_)
        full = {name for name in open_ if wants[name][1] - given[name] <= wants[name][0] * level}
        for name in sorted(full or open_):
            share = wants[name][1] - given[name] if full else wants[name][0] * level
            given[name] += share
            left -= share
        open_ = open_ - full if full else set()
    for name in sorted(wants):
        weight, demand = wants[name]
        if weight <= 0 and left > 0:
            given[name] = min(left, demand)
            left -= given[name]
    return given


def drains(capacity: float, wants: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Give how fast each could drain: what the others leave, and never less than its weight gives it."""
    given = water_fill(capacity, wants)
    weights = sum(weight for weight, _ in wants.values())
    taken = sum(given.values())
    # Standby, without a weight, gives way: what it takes is there for the others.
    by_weight = sum(given[name] for name, (weight, _) in wants.items() if weight > 0)
    return {
        name: max(
            capacity * weight / weights if weights else 0.0,
            capacity - (by_weight if weight > 0 else taken) + given[name],
        )
        for name, (weight, _) in wants.items()
    }


def demand(*, arriving: float, waiting: float) -> float:
    """Give what a line wants, GPU-seconds each second: what arrives, and what waits within two minutes."""
    return arriving + waiting / _HORIZON


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDemand:
    """What waits and arrives in a line."""

    tier: str
    kind: str
    wants: float
    owners: int


def line_drains(
    pools: Sequence[tuple[float, frozenset[str]]],
    lines: Mapping[int, LineDemand],
    weights: Mapping[str, float],
) -> dict[int, float]:
    """Give how fast each line drains, over pools of (capacity, kinds) that may share kinds."""
    found = dict.fromkeys(lines, 0.0)
    for capacity, kinds in _groups(pools):
        inside = {line: row for line, row in lines.items() if row.kind in kinds}
        wanted: dict[str, float] = {}
        for row in inside.values():
            wanted[row.tier] = wanted.get(row.tier, 0.0) + row.wants
        by_tier = drains(capacity, {t: (weights[t], wants) for t, wants in wanted.items()})
        for tier, drain in by_tier.items():
            of_tier = {str(line): row for line, row in inside.items() if row.tier == tier}
            by_line = drains(
                drain, {n: (max(1, row.owners), row.wants) for n, row in of_tier.items()}
            )
            for name, row in of_tier.items():
                reach = sum(count for count, kinds in pools if row.kind in kinds)
                found[int(name)] = min(by_line[name], reach)
    return found


def _groups(pools: Sequence[tuple[float, frozenset[str]]]) -> list[tuple[float, frozenset[str]]]:
    """Join the pools that share kinds, directly or through others."""
    groups: list[tuple[float, frozenset[str]]] = []
    for capacity, kinds in pools:
        apart = [group for group in groups if not group[1] & kinds]
        joined = [group for group in groups if group[1] & kinds]
        total = capacity + sum(group[0] for group in joined)
        groups = [*apart, (total, kinds.union(*(group[1] for group in joined)))]
    return groups


def calibrated(band: Band, *, is_late: bool, is_early: bool) -> Band:
    """Move a band by one outcome. A late miss is told the moment that the upper end passes, not at the start."""
    high = band.high + (_STEP * (1 - _MISSED) if is_late else -_STEP * _MISSED)
    low = band.low - (_STEP * (1 - _MISSED) if is_early else -_STEP * _MISSED)
    high, low = min(high, _WIDEST), max(low, -_WIDEST)
    if low > high:
        low = high = (low + high) / 2
    return Band(low=low, high=high)
