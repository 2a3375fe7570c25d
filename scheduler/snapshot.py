"""The one read that dispatch decides on: free slots, who holds what, and the heads of the lanes."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from jobs import breakers
from jobs.models import Kind, Lease, Pool, PoolState
from scheduler import capacity
from scheduler.rows import FreeSlots, Head, Line, Share, Snapshot, Tier, Waiting

# Jobs read of one lane at a time.
_JOBS_OF_A_LANE: Final = 2

# The index lane_ready gives the heads in tag order; only the lanes read are locked, and lanes that a
# submit or a finish holds are left to the next pass. Running jobs of an owner are at most its limit, so
# counting them touches a handful of index entries.
_HEADS: Final = """
select head.owner_id, line.id, tier.name, tier.weight, line.kind, head.tag,
    case when tier.running_limit is null then null
        else greatest(tier.running_limit - running.count, 0) end,
    job.job_id, job.cost
from line
join tier on tier.name = line.tier_id
cross join lateral (
    select owner_id, tag from lane where line_id = line.id and state = 1
    order by tag, owner_id limit %(heads)s for no key update skip locked
) head
cross join lateral (
    select count(*)::int from lease where lease.owner_id = head.owner_id
) running
left join lateral (
    select job_id, cost from backlog
    where backlog.owner_id = head.owner_id and backlog.line_id = line.id
    order by job_id limit %(jobs)s
) job on true
where line.kind = any(%(kinds)s)
order by line.id, head.tag, head.owner_id, job.job_id
"""


def free_slots() -> tuple[list[FreeSlots], Counter[tuple[str, str]]]:
    """Read what is free in the active pools, and what is held by pool and tier."""
    used: dict[str, set[int]] = defaultdict(set)
    held: Counter[tuple[str, str]] = Counter()
    for pool_id, slot, tier in Lease.objects.values_list("pool_id", "slot", "job__tier_id"):
        used[pool_id].add(slot)
        held[pool_id, tier] += 1
    kinds = kinds_by_pool()
    free = []
    for pool in Pool.objects.filter(state=PoolState.ACTIVE).exclude(breaker_until__gt=Now()):
        # One at a time shows whether a pool that failed is well again.
        is_careful = pool.is_on_probation or pool.unanswered >= breakers.OPENS_AT
        found = capacity.free_slots(
            capacity.PoolRow(
                name=pool.name,
                slots=pool.slots,
                kinds=kinds.get(pool.name, frozenset()),
                used=frozenset(used[pool.name]),
                is_half_open=is_careful,
            )
        )
        if found is not None:
            free.append(found)
    return free, held


def kinds_by_pool() -> dict[str, frozenset[str]]:
    """Give the kinds of jobs that each pool can make."""
    found: dict[str, set[str]] = defaultdict(set)
    for kind, pools in Kind.objects.values_list("name", "usable"):
        for pool in pools:
            found[pool].add(kind)
    return {pool: frozenset(names) for pool, names in found.items()}


def take(free: list[FreeSlots], held: Counter[tuple[str, str]]) -> Snapshot:
    """Read and lock the heads of the lanes that the free slots could serve."""
    kinds = sorted({kind for pool in free for kind in pool.kinds})
    most = sum(len(pool.slots) for pool in free) + 1
    with connection.cursor() as cursor:
        cursor.execute(_HEADS, {"heads": most, "jobs": _JOBS_OF_A_LANE, "kinds": kinds})
        rows = cursor.fetchall()
    heads: dict[tuple[UUID, int], Head] = {}
    tiers: dict[str, Tier] = {}
    lines: dict[int, Line] = {}
    for owner_id, line_id, tier, weight, kind, tag, room, job_id, cost in rows:
        tiers[tier] = Tier(weight=weight)
        lines[line_id] = Line(tier=tier, kind=kind)
        known = heads.get((owner_id, line_id))
        jobs = known.jobs if known else ()
        if job_id is not None:
            jobs = (*jobs, Waiting(job_id=job_id, cost=cost))
        heads[owner_id, line_id] = Head(
            owner_id=owner_id,
            line_id=line_id,
            tag=tag,
            room=room,
            jobs=jobs,
            has_more=len(jobs) == _JOBS_OF_A_LANE,
        )
    return Snapshot(
        free=free,
        tiers=tiers,
        lines={line: _with_reach(row, line, heads, most) for line, row in lines.items()},
        heads=list(heads.values()),
        shares={key: Share(held=count) for key, count in held.items()},
    )


def _with_reach(row: Line, line: int, heads: Mapping[tuple[UUID, int], Head], most: int) -> Line:
    read = [(head.tag, owner) for (owner, of_line), head in heads.items() if of_line == line]
    return replace(row, read_to=max(read)) if len(read) == most else row
