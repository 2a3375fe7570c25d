"""Reading what the lines are like now: one moment of the lanes, the arrivals since, and the pools behind them."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

from django.db import connection

from jobs import gates, progress
from jobs.kinds import NO_POOL
from jobs.models import PoolState
from jobs.outlook import Curve
from scheduler import estimates
from scheduler.estimates import ARRIVALS_OVER

# Places of a published curve.
_POINTS: Final = 48
# The newest ids may belong to transactions that have not ended, milliseconds.
_BEHIND: Final = 1000
# States of pools that take new work; behind a breaker that opened a moment ago they do so again within seconds.
OPEN: Final = frozenset({PoolState.ACTIVE})

_LINES: Final = f"""
select line.id, line.tier_id, line.kind, {progress.VIRTUAL_TIME.format(line="line.id")}, tier.weight,
    tier.door_bound_seconds, clock_timestamp()
from line join tier on tier.name = line.tier_id order by line.id
"""
# One moment: what waits by lane, and what the doors counted since they were published. A lane's work starts
# with its first job, then second by second (`estimates.work_ahead`); starts and ends are counted between the
# places of the curve, so that the database sums up however many lanes there are.
_LANES: Final = f"""
with lanes as materialized (
    select line_id, tag, work, least(head_cost, work) as head,
        tag + work - least(head_cost, work) as ends
    from lane where state > 0 and work > 0
), places as materialized (
    select line_id, array(select distinct x from unnest(xs) x order by x) as xs
    from (
        select line_id, percentile_disc(%(fractions)s::float8[]) within group (order by x) as xs
        from (select line_id, tag as x from lanes union all select line_id, ends from lanes) moments
        group by line_id
    ) found
)
select line_id, 'place', number, x, 0 from places, unnest(xs) with ordinality as each (x, number)
union all
select line_id, 'start', width_bucket(tag, xs) + (xs[width_bucket(tag, xs)] is distinct from tag)::int,
    count(*), sum(head - tag)
from lanes join places using (line_id) group by 1, 3
union all
select line_id, 'end', width_bucket(ends, xs) + (xs[width_bucket(ends, xs)] is distinct from ends)::int,
    count(*), sum(ends)
from lanes join places using (line_id) group by 1, 3
union all
select line_id, 'lanes', count(*), sum(work), avg(head) from lanes group by 1
union all
select line_id, 'added', 0, added + {gates.ADDED}, 0 from door
union all
select backlog.line_id, 'jobs', 0, count(*), 0
from line join backlog on backlog.line_id = line.id where line.tier_id = %(standby)s group by 1
"""
# Ids are made of their time, so the latest jobs are a range of the primary key.
_ARRIVED: Final = f"""
select line.id, greatest(0, coalesce(lane.tag, 0) - {progress.VIRTUAL_TIME.format(line="line.id")}), job.estimate
from job
left join offering on (offering.model, offering.seconds, offering.size)
    = (job.model, job.seconds, job.size)
join line on line.tier_id = job.tier_id and line.kind = coalesce(offering.kind_id, %(no_pool)s)
left join lane on lane.owner_id = job.owner_id and lane.line_id = line.id
where job.id >= %(since)s and job.id < %(until)s
"""
_ARRIVED_BY_LEAD: Final = f"""
select id, lead, sum(estimate) from (
    select id, case when lead <= 0 then 0 else exp(round(ln(lead) * 4) / 4) end as lead, estimate
    from ({_ARRIVED}) arrived (id, lead, estimate)
) rounded group by id, lead
"""


_NOTHING: Final = Curve()


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRow:
    """A line, its tier's part, and what waits in it."""

    id: int
    tier: str
    kind: str
    virtual_time: float
    weight: float
    bound_seconds: float | None
    work: Curve = _NOTHING
    # GPU-seconds and owners that wait; on standby also jobs.
    waiting: float = 0.0
    owners: int = 0
    jobs: int = 0
    mean_head: float | None = None
    # What its door had counted at this moment.
    added: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The slots that could serve a line, and those that usually do."""

    slots: int
    usual_slots: int
    pools: int
    open_pools: int
    paused_since: datetime | None
    reduced_since: datetime | None
    restored_at: datetime | None


def read(*, standby: str) -> tuple[list[LineRow], datetime]:
    """Read every line and what waits in it, with the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(_LINES)
        lines = cursor.fetchall()
        fractions = [place / (_POINTS - 1) for place in range(_POINTS)]
        cursor.execute(_LANES, {"fractions": fractions, "standby": standby})
        facts: dict[int, list[tuple[Any, ...]]] = {}
        for line_id, *fact in cursor.fetchall():
            facts.setdefault(line_id, []).append(tuple(fact))
    now = lines[0][-1] if lines else datetime.now().astimezone()
    return [_line(row, facts.get(row[0], ())) for row in lines], now


def _line(row: Sequence[Any], facts: Iterable[tuple[Any, ...]]) -> LineRow:
    by_name: dict[str, list[tuple[Any, ...]]] = {}
    for name, *values in facts:
        by_name.setdefault(name, []).append(tuple(values))
    owners, waiting, mean_head = by_name.get("lanes", [(0, 0.0, None)])[0]
    return LineRow(
        id=row[0],
        tier=row[1],
        kind=row[2],
        virtual_time=row[3],
        weight=float(row[4]),
        bound_seconds=None if row[5] is None else float(row[5]),
        work=_curve(by_name),
        waiting=waiting,
        owners=int(owners),
        jobs=int(by_name.get("jobs", [(0, 0)])[0][1]),
        mean_head=mean_head,
        added=by_name.get("added", [(0, 0.0)])[0][1],
    )


def _curve(facts: Mapping[str, list[tuple[Any, ...]]]) -> Curve:
    xs = [x for _, x, _ in sorted(facts.get("place", ()))]
    if not xs:
        return Curve()
    opened, begun = _summed(facts["start"], len(xs))
    closed, ended = _summed(facts["end"], len(xs))
    ys = [(opened[at] - closed[at]) * x + begun[at] + ended[at] for at, x in enumerate(xs)]
    # Between two places there are sums of large numbers that nearly cancel out.
    return Curve(tuple(xs), tuple(accumulate((max(0.0, y) for y in ys), max)))


def _summed(facts: Iterable[tuple[Any, ...]], count: int) -> tuple[list[float], list[float]]:
    numbers, sums = [0.0] * count, [0.0] * count
    for place, number, total in facts:
        at = min(int(place), count) - 1
        numbers[at] += number
        sums[at] += total
    return list(accumulate(numbers)), list(accumulate(sums))


@dataclass(slots=True)
class Arrivals:
    """What came into each line in the last three minutes, by its lead over the line."""

    _read_to: int = 0
    _batches: deque[tuple[int, dict[int, list[tuple[float, float]]]]] = field(default_factory=deque)

    def read(self, now: datetime) -> None:
        """Read what came since the last time."""
        until = int(now.timestamp() * 1000) - _BEHIND
        first = until - int(ARRIVALS_OVER * 1000)
        since = max(self._read_to, first)
        with connection.cursor() as cursor:
            cursor.execute(
                _ARRIVED_BY_LEAD,
                {"since": _first_id(since), "until": _first_id(until), "no_pool": NO_POOL},
            )
            batch: dict[int, list[tuple[float, float]]] = {}
            for line_id, lead, work in cursor.fetchall():
                batch.setdefault(line_id, []).append((lead, work))
        self._read_to = until
        self._batches.append((until, batch))
        while self._batches and self._batches[0][0] < first:
            self._batches.popleft()

    def of(self, line_id: int) -> list[tuple[float, float]]:
        """Give (lead, work) of what came into a line."""
        found: dict[float, float] = {}
        for _, batch in self._batches:
            for lead, work in batch.get(line_id, ()):
                found[lead] = found.get(lead, 0.0) + work
        return list(found.items())

    def rate(self, line_id: int) -> float:
        """Give the GPU-seconds that come into a line each second."""
        return sum(work for _, work in self.of(line_id)) / ARRIVALS_OVER

    def overtaking(self, line_id: int) -> Curve:
        """Give how much comes with a lead below a value, GPU-seconds each second."""
        return estimates.overtaking(self.of(line_id))


def _first_id(milliseconds: int) -> UUID:
    return UUID(int=milliseconds << 80)
