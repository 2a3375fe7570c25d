"""The read of the heads of the lanes: whose turn may come next.

It touches a bounded number of rows, whatever waits: the indexes lane_ready and lane_by_age give the heads,
backlog_by_lane the first jobs of each, lease_by_owner what an owner runs.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil, inf
from typing import Final, NamedTuple
from uuid import UUID

from notifications import prepared
from scheduler.board import Board, Memory
from scheduler.rows import Head, Line, Snapshot, Waiting

# Jobs of one lane that a batch may grant. Where many owners wait, a lane hardly comes twice in a batch unless it is
# overdue, and each job that is read in vain is on a page that nobody touched lately.
_JOBS_OF_A_LANE: Final = 3
_MANY_OWNERS: Final = 200
# A line's part of a batch is read with so much to spare.
_TO_SPARE: Final = 1.5
# Lanes that did not come through the door are passed by when the oldest heads are looked for; beyond so many
# of them nobody is overdue.
_PASSED_BY: Final = 50

# Times lose so much on their way through a float, seconds.
_ROUNDED: Final = 1e-5

# Only lanes that nobody is writing are locked, and only these lanes: nobody waits for a grant.
_HEADS: Final = """
select x.line_id, head.owner_id, head.tag, extract(epoch from head.counts_from)::float8,
    head.is_overdue, extract(epoch from head.head_since)::float8,
    head.is_overdue or x.before is null or head.head_since >= to_timestamp(x.before)
        or head.jobs <= x.beyond,
    head.jobs,
    case when tier.running_limit is not null then greatest(tier.running_limit - running.count, 0) end,
    job.job_id, job.cost, extract(epoch from job.since)::float8, job.tried_pool, job.tried_slot
from unnest(%(lines)s::smallint[], %(counts)s::int[], %(lows)s::float8[], %(moments)s::float8[],
    %(oldest)s::float8[], %(beyonds)s::int[], %(jobs)s::int[])
    as x (line_id, count, low, before, oldest, beyond, jobs)
cross join lateral (
    select * from (
        select owner_id, tag, counts_from, head_since, jobs, false as is_overdue from lane
        where line_id = x.line_id and state = 1 and tag >= x.low
        order by tag, owner_id limit x.count for no key update skip locked
    ) by_tag
    union all
    select * from (
        select owner_id, tag, counts_from, head_since, jobs, true from (
            select owner_id, tag, counts_from, head_since, jobs from lane
            where line_id = x.line_id and state = 1 and head_since < to_timestamp(x.before)
                and head_since >= to_timestamp(x.oldest)
            order by head_since, owner_id limit x.count + %(passed_by)s::int
            for no key update skip locked
        ) oldest
        -- In the order in which they come: sorting would lock all of them first.
        where jobs <= x.beyond limit (x.count + 1) / 2
    ) by_age
) head
cross join lateral (
    -- One at a time by its key: the planner, who knows no batch's size, would read all accounts.
    select tier_id from account where account.owner_id = head.owner_id limit 1
) account
join tier on tier.name = account.tier_id
cross join lateral (
    select count(*)::int from lease where lease.owner_id = head.owner_id
) running
left join lateral (
    select job_id, cost, since, tried_pool, tried_slot from backlog
    where backlog.owner_id = head.owner_id and backlog.line_id = x.line_id
    order by job_id limit case when head.is_overdue then %(most_of_a_lane)s::int else x.jobs end
) job on true
order by x.line_id, head.is_overdue, head.tag, head.owner_id, job.job_id
"""


def take(found: Board, memory: Memory, *, most: int) -> Snapshot:
    """Read and lock the heads that a batch of `most` grants may need. In a transaction."""
    counts = _counts(found, most=most)
    lines = list(counts)
    promised = [found.tiers[found.lines[line].tier].promote_after for line in lines]
    rows = prepared.run(
        _HEADS,
        {
            "lines": lines,
            "counts": list(counts.values()),
            "lows": [memory.lows.get(line, -inf) for line in lines],
            "moments": [None if after is None else found.now - after for after in promised],
            "oldest": [memory.oldest.get(line, -inf) for line in lines],
            "beyonds": [found.beyonds[found.lines[line].tier] for line in lines],
            "jobs": [_jobs_of_a_lane(found.lines[line]) for line in lines],
            "most_of_a_lane": _JOBS_OF_A_LANE,
            "passed_by": _PASSED_BY,
        },
    )
    read = _Heads(counts)
    for row in rows:
        read.add(_Row(*row))
    memory.lows |= {line: min(tags)[0] for line, tags in read.by_tag.items()}
    memory.oldest |= {
        line: min((since for since, _ in read.by_age[line]), default=found.now - after) - _ROUNDED
        for line, after in zip(lines, promised, strict=True)
        if after is not None
    }
    memory.note_read()
    return Snapshot(
        free=found.free,
        tiers=found.tiers,
        lines={number: read.reach(number, line) for number, line in found.lines.items()},
        heads=list(read.heads.values()),
        shares=found.shares,
        turns=found.progress.turns,
        now=found.now,
    )


def _counts(found: Board, *, most: int) -> dict[int, int]:
    """Give how many lanes to read of each line: about its part of the batch, and one to look beyond."""
    ready = {number: row for number, row in found.lines.items() if number in found.ready}
    grants = min(most, sum(len(pool.slots) + len(pool.reserved) for pool in found.free))
    of_tier: defaultdict[str, int] = defaultdict(int)
    for row in ready.values():
        of_tier[row.tier] += 1
    whole = sum(found.tiers[tier].weight for tier in of_tier)
    counts = {}
    for number, row in ready.items():
        part = found.tiers[row.tier].weight / whole if whole else 1.0
        wanted = ceil(_TO_SPARE * grants * part / of_tier[row.tier])
        counts[number] = min(wanted, grants) + 1
    return counts


def _jobs_of_a_lane(line: Line) -> int:
    return 1 if line.owners >= _MANY_OWNERS else _JOBS_OF_A_LANE


class _Row(NamedTuple):
    """A row of the heads: a lane with one of its first jobs, or with none."""

    line_id: int
    owner_id: UUID
    tag: float
    counts_from: float | None
    is_overdue: bool
    head_since: float
    has_promise: bool
    jobs: int
    room: int | None
    job_id: UUID | None
    cost: float
    since: float
    tried_pool: str | None
    tried_slot: int | None

    def waiting(self, job_id: UUID) -> Waiting:
        """Give the job of the row."""
        tried = None if self.tried_slot is None else (self.tried_pool or "", self.tried_slot)
        return Waiting(job_id=job_id, cost=self.cost, since=self.since, tried=tried)


@dataclass(slots=True)
class _Heads:
    """The rows of the lanes, put together, and how far they reach."""

    counts: Mapping[int, int]
    heads: dict[tuple[UUID, int], Head] = field(default_factory=dict)
    by_tag: defaultdict[int, set[tuple[float, UUID]]] = field(
        default_factory=lambda: defaultdict(set)
    )
    by_age: defaultdict[int, set[tuple[float, UUID]]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def add(self, row: "_Row") -> None:
        """Put a row to its lane: the lane's first jobs come one by one."""
        key = row.owner_id, row.line_id
        if row.is_overdue:
            self.by_age[row.line_id].add((row.head_since, row.owner_id))
        else:
            self.by_tag[row.line_id].add((row.tag, row.owner_id))
        known = self.heads.get(key)
        jobs = known.jobs if known else ()
        if row.job_id is not None and all(job.job_id != row.job_id for job in jobs):
            jobs = (*jobs, row.waiting(row.job_id))
        self.heads[key] = Head(
            owner_id=row.owner_id,
            line_id=row.line_id,
            tag=row.tag,
            room=row.room,
            jobs=jobs,
            has_more=len(jobs) < row.jobs,
            counts_from=row.counts_from if row.counts_from is not None else -inf,
            has_promise=row.has_promise,
        )

    def reach(self, number: int, line: Line) -> Line:
        """Add to a line how far its lanes were read."""
        count = self.counts.get(number, 0)
        tags, ages = self.by_tag.get(number, set()), self.by_age.get(number, set())
        return replace(
            line,
            read_to=max(tags) if tags and len(tags) == count else None,
            # At most every second grant of a line goes to one of them.
            overdue_read_to=max(ages) if ages and len(ages) == (count + 1) // 2 else None,
            is_busy=count > 0 and not tags,
        )
