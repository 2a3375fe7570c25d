"""Pure: whose job gets which free slot.

Between tiers, the one that holds the least slots for its weight is next; inside a tier's lines, the lane
with the least start tag (start-time fair queueing: Goyal, Vin, Cheng 1996). The same snapshot gives the
same grants, whatever the order of its rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSlots:
    """Free slot numbers of a pool, and the kinds that it serves."""

    pool: str
    slots: tuple[int, ...]
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One job that could run now, with its estimated cost in GPU-seconds."""

    job_id: UUID
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The front of an owner's lane: its first jobs and how many more the owner may run."""

    owner_id: UUID
    line_id: int
    tier: str
    weight: int
    kind: str
    tag: float
    # None means no limit.
    room: int | None
    jobs: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a pick decides on. `held` counts slots by pool and tier."""

    free: Sequence[FreeSlots]
    held: Mapping[tuple[str, str], int]
    heads: Sequence[Head]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A slot for a job; `tag` is its start tag."""

    job_id: UUID
    owner_id: UUID
    line_id: int
    pool: str
    slot: int
    cost: float
    tag: float


@dataclass(slots=True)
class _Lane:
    head: Head
    tag: float
    jobs: list[Waiting] = field(default_factory=list)


def pick(snapshot: Snapshot) -> list[Grant]:
    """Fill the free slots until none is left or nothing that waits fits one."""
    lanes = [
        _Lane(head=head, tag=head.tag, jobs=list(head.jobs)) for head in snapshot.heads if head.jobs
    ]
    room = {head.owner_id: head.room for head in snapshot.heads}
    held = dict(snapshot.held)
    grants: list[Grant] = []
    # Pools that serve the fewest kinds first: what only they can take must not find them full.
    for free in sorted(snapshot.free, key=lambda pool: (len(pool.kinds), pool.pool)):
        for slot in free.slots:
            lane = _next_lane(lanes, room=room, held=held, free=free)
            if lane is None:
                break
            job, head = lane.jobs.pop(0), lane.head
            grants.append(
                Grant(
                    job_id=job.job_id,
                    owner_id=head.owner_id,
                    line_id=head.line_id,
                    pool=free.pool,
                    slot=slot,
                    cost=job.cost,
                    tag=lane.tag,
                )
            )
            lane.tag += job.cost
            left = room[head.owner_id]
            if left is not None:
                room[head.owner_id] = left - 1
            held[free.pool, head.tier] = held.get((free.pool, head.tier), 0) + 1
    return grants


def _next_lane(
    lanes: Sequence[_Lane],
    *,
    room: Mapping[UUID, int | None],
    held: Mapping[tuple[str, str], int],
    free: FreeSlots,
) -> _Lane | None:
    eligible = [
        lane
        for lane in lanes
        if lane.jobs and lane.head.kind in free.kinds and room[lane.head.owner_id] != 0
    ]
    if not eligible:
        return None

    def order(lane: _Lane) -> tuple[float, float, float, str]:
        weight = lane.head.weight
        share = held.get((free.pool, lane.head.tier), 0) / weight if weight > 0 else float("inf")
        return share, -weight, lane.tag, lane.head.owner_id.hex

    return min(eligible, key=order)
