"""The production policy over rows in memory, moved as the statements of submit, grant and finish move them."""

from bisect import bisect_left, insort
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Final
from uuid import UUID

from jobs import lane_tags
from scheduler import capacity, fairness
from scheduler.rows import FreeSlots, Head, Line, Picked, Share, Snapshot, Turn
from scheduler.simulation.fleet import STANDBY, Pool, Rules
from scheduler.simulation.trace import Job

_BATCH: Final = 10
_JOBS_OF_A_LANE: Final = 2
# A lane with so many times what its owner may have waiting did not come through the door.
_BEYOND_DOOR: Final = 2


class Lane:
    """One owner's jobs in one line."""

    __slots__ = ("counts_from", "is_ready", "jobs", "line", "owner", "owner_id", "tag", "work")

    def __init__(self, owner: int, line: "LineRow") -> None:
        self.owner, self.owner_id, self.line = owner, UUID(int=owner), line
        self.tag = 0.0
        self.jobs: deque[Job] = deque()
        self.work = self.counts_from = 0.0
        self.is_ready = False


class LineRow:
    """A line, with its two indexes: ready lanes by tag, and by the age of their heads."""

    def __init__(self, number: int, tier: str, kind: str) -> None:
        self.number, self.tier, self.kind = number, tier, kind
        self.virtual_time = 0.0
        self.was_promoted = False
        self.owners = 0
        self.work = 0.0
        self.ready: list[tuple[float, int]] = []
        self.oldest: list[tuple[float, int]] = []
        self.lanes: dict[int, Lane] = {}
        self.waiting: dict[int, Lane] = {}


class Fair:
    """Decides with `scheduler.fairness`; keeps lines, lanes, shares and leases."""

    name = "fair"

    def __init__(
        self, tiers: Mapping[str, Rules], pools: Mapping[str, Pool], *, batch: int = _BATCH
    ) -> None:
        self.tiers, self.pools, self.batch = tiers, pools, batch
        self.shares = {name: rules.share for name, rules in tiers.items()}
        kinds = sorted({kind for pool in pools.values() for kind in pool.kinds})
        self.lines = {
            (tier, kind): LineRow(number, tier, kind)
            for number, (tier, kind) in enumerate((t, k) for t in tiers for k in kinds)
        }
        self.numbered = {line.number: line for line in self.lines.values()}
        self.running: Counter[int] = Counter()
        # By owner, and whether on standby, which takes no place of the plan's.
        self.queued: Counter[tuple[int, bool]] = Counter()
        self.owned: dict[int, list[Lane]] = defaultdict(list)
        self.plans: dict[int, str] = {}
        self.settled: dict[tuple[str, str], float] = defaultdict(float)
        self.reached: dict[tuple[str, str], float] = {}
        self.held: Counter[tuple[str, str]] = Counter()
        self.begun: dict[tuple[str, str], float] = defaultdict(float)
        self.granted: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.floors: dict[str, float] = {}
        self.turns: dict[tuple[str, int], Turn] = {}

    # Submit, cancel, finish

    def add(self, job: Job) -> None:
        """Put a job in its lane; a retry comes back to its old place."""
        call = job.call
        self.plans.setdefault(call.owner, call.plan or call.tier)
        line = self.lines[call.tier, call.kind]
        lane = line.lanes.get(call.owner)
        is_new = lane is None
        if lane is None:
            lane = line.lanes[call.owner] = Lane(call.owner, line)
            self.owned[call.owner].append(lane)
        self._close(lane)
        lane.tag = lane_tags.opened(
            tag=None if is_new else lane.tag,
            is_empty=not lane.jobs,
            virtual_time=line.virtual_time,
        )
        place = len(lane.jobs)
        while place and job.number < lane.jobs[place - 1].number:
            place -= 1
        lane.jobs.insert(place, job)
        self.queued[call.owner, call.tier == STANDBY] += 1
        self._weigh(lane, call.estimate)
        self._open(lane)

    def remove(self, job: Job) -> None:
        """Take a waiting job out; nothing else moves."""
        lane = self.lines[job.call.tier, job.call.kind].lanes[job.call.owner]
        self._close(lane)
        lane.jobs.remove(job)
        self.queued[job.call.owner, job.call.tier == STANDBY] -= 1
        self._weigh(lane, -job.call.estimate)
        self._open(lane)

    def ended(self, job: Job, *, now: float, is_ours: bool) -> None:
        """Give a slot back: what it took goes to the ledger, and corrects the lane's tag."""
        call, held = job.call, now - job.granted_at
        key = job.pool, call.tier
        self.held[key] -= 1
        self.begun[key] -= job.granted_at
        self.granted[key].remove(job.granted_at)
        self.settled[key] += lane_tags.settled(held=held, weight=self.tiers[call.tier].weight)
        had_room = self._room(call.owner) != 0
        self.running[call.owner] -= 1
        lane = self.lines[call.tier, call.kind].lanes[call.owner]
        self._close(lane)
        lane.tag = lane_tags.corrected(
            tag=lane.tag,
            estimate=call.estimate,
            charged=lane_tags.charge(held=held, owner_pays=not is_ours),
            virtual_time=lane.line.virtual_time,
        )
        counts_from = lane_tags.counts_from(
            held_until=now, bound=self.tiers[self.plans[call.owner]].bound_seconds
        )
        if not had_room:
            lane.counts_from = counts_from
        self._open(lane)
        if not had_room:
            for other in self.owned[call.owner]:
                if other is not lane and other.jobs:
                    other.counts_from = counts_from
                    other.tag = lane_tags.readmitted(
                        tag=other.tag, virtual_time=other.line.virtual_time
                    )
                    self._open(other)

    def _weigh(self, lane: Lane, work: float) -> None:
        lane.work = lane.work + work if lane.jobs else 0.0
        line = lane.line
        line.work = max(0.0, line.work + work)
        if lane.jobs:
            line.waiting[lane.owner] = lane
        else:
            line.waiting.pop(lane.owner, None)
        line.owners = len(line.waiting)

    def _close(self, lane: Lane) -> None:
        if lane.is_ready:
            ready, oldest = lane.line.ready, lane.line.oldest
            del ready[bisect_left(ready, (lane.tag, lane.owner))]
            del oldest[bisect_left(oldest, (self._head_since(lane), lane.owner))]
            lane.is_ready = False

    def _open(self, lane: Lane) -> None:
        if lane.jobs and not lane.is_ready and self._room(lane.owner) != 0:
            insort(lane.line.ready, (lane.tag, lane.owner))
            insort(lane.line.oldest, (self._head_since(lane), lane.owner))
            lane.is_ready = True

    def _head_since(self, lane: Lane) -> float:
        return max(lane.jobs[0].submitted_at, lane.counts_from)

    def _room(self, owner: int) -> int | None:
        limit = self.tiers[self.plans[owner]].running_limit
        return None if limit is None else max(0, limit - self.running[owner])

    # Grant

    def grants(self, now: float) -> list[tuple[Job, str]]:
        """Read, decide and write, batch by batch, until nothing more fits."""
        done: list[tuple[Job, str]] = []
        while free := self._free():
            picked = fairness.pick(self.snapshot(free, now), most=self.batch)
            done += self._apply(picked, now)
            if not picked.is_cut:
                break
        return done

    def _free(self) -> list[FreeSlots]:
        rows = (
            capacity.PoolRow(
                name=pool.name,
                slots=pool.slots,
                kinds=pool.kinds,
                used=frozenset(range(pool.running)),
                floor=self.floors.get(pool.name, 0.0),
            )
            for pool in self.pools.values()
            if pool.running < pool.slots and self._is_worth_a_look(pool)
        )
        return [free for row in rows if (free := capacity.free_slots(row)) is not None]

    def _is_worth_a_look(self, pool: Pool) -> bool:
        """Say whether something could run, or could at the last look, so that it is noted when not."""
        return any(
            line.ready or self.turns.get((pool.name, line.number), Turn()).was_waiting
            for line in self.lines.values()
            if line.kind in pool.kinds
        )

    def snapshot(self, free: Sequence[FreeSlots], now: float) -> Snapshot:
        """Read what the dispatcher reads: a few heads of each line, not all that waits."""
        kinds = {kind for pool in free for kind in pool.kinds}
        most = min(self.batch, sum(len(pool.slots) for pool in free)) + 1
        lines: dict[int, Line] = {}
        heads: list[Head] = []
        for line in self.lines.values():
            if line.kind in kinds:
                lines[line.number] = self._read(line, heads, most=most, now=now)
        return Snapshot(
            free=free,
            tiers=self.shares,
            lines=lines,
            heads=heads,
            shares={
                (pool.pool, tier): self._share(pool.pool, tier, now)
                for pool in free
                for tier in self.tiers
            },
            turns=self.turns,
            now=now,
        )

    def _read(self, line: LineRow, heads: list[Head], *, most: int, now: float) -> Line:
        owners = [owner for _, owner in line.ready[:most]]
        read_to = overdue_to = None
        if len(line.ready) > most:
            tag, owner = line.ready[most - 1]
            read_to = tag, line.lanes[owner].owner_id
            patience = self.shares[line.tier].promote_after
            if patience is not None:
                count = bisect_left(line.oldest, (now - patience, 0))
                overdue = [
                    each for each in line.oldest[:count] if self._has_promise(line.lanes[each[1]])
                ]
                owners += [owner for _, owner in overdue[:most]]
                if len(overdue) > most:
                    since, owner = overdue[most - 1]
                    overdue_to = since, line.lanes[owner].owner_id
        heads += [self._head(line.lanes[owner]) for owner in dict.fromkeys(owners)]
        return Line(
            tier=line.tier,
            kind=line.kind,
            virtual_time=line.virtual_time,
            was_promoted=line.was_promoted,
            owners=line.owners,
            read_to=read_to,
            overdue_read_to=overdue_to,
        )

    def _head(self, lane: Lane) -> Head:
        jobs = lane.jobs
        first = (jobs[0].waiting, jobs[1].waiting) if len(jobs) > 1 else (jobs[0].waiting,)
        return Head(
            owner_id=lane.owner_id,
            line_id=lane.line.number,
            tag=lane.tag,
            room=self._room(lane.owner),
            jobs=first,
            has_more=len(jobs) > _JOBS_OF_A_LANE,
            counts_from=lane.counts_from,
            has_promise=self._has_promise(lane),
        )

    def _has_promise(self, lane: Lane) -> bool:
        limit = self.tiers[lane.line.tier].queued_limit
        return limit is None or len(lane.jobs) <= _BEYOND_DOOR * limit

    def _share(self, pool: str, tier: str, now: float) -> Share:
        key = pool, tier
        held = self.held[key]
        return Share(
            settled=self.settled[key],
            elapsed=held * now - self.begun[key],
            held=held,
            newest=max(self.granted[key], default=-inf),
            reached=self.reached.get(key, 0.0),
        )

    def _apply(self, picked: Picked, now: float) -> list[tuple[Job, str]]:
        done = []
        for grant in picked.grants:
            line = self.numbered[grant.line_id]
            lane = line.lanes[grant.owner_id.int]
            self._close(lane)
            job = lane.jobs.popleft()
            if job.waiting.job_id != grant.job_id:
                raise AssertionError(f"{grant.job_id} is not first in its lane.")
            self.queued[lane.owner, line.tier == STANDBY] -= 1
            self._weigh(lane, -job.call.estimate)
            lane.tag += grant.step
            self.running[lane.owner] += 1
            key = grant.pool, line.tier
            self.held[key] += 1
            self.begun[key] += now
            self.granted[key].append(now)
            self.pools[grant.pool].running += 1
            job.pool, job.granted_at = grant.pool, now
            self._open(lane)
            if self._room(lane.owner) == 0:
                for other in self.owned[lane.owner]:
                    self._close(other)
            done.append((job, grant.pool))
        for key, lift in picked.lifts.items():
            self.settled[key] += lift
        self.reached |= picked.reached
        self.floors |= picked.floors
        self.turns |= picked.turns
        for number, (virtual_time, was_promoted) in picked.lines.items():
            self.numbered[number].virtual_time = virtual_time
            self.numbered[number].was_promoted = was_promoted
        return done

    # What others look at

    def eligible_tiers(self, kinds: Iterable[str]) -> set[str]:
        """Give the tiers with something that could run on these kinds of slots."""
        return {line.tier for line in self.lines.values() if line.ready and line.kind in kinds}

    def overdue(self, tier: str, *, before: float) -> list[Job]:
        """Give the waiting jobs at the head of lanes of a tier that were submitted before a moment."""
        return [
            job
            for line in self.lines.values()
            if line.tier == tier
            for lane in line.waiting.values()
            if (job := lane.jobs[0]).submitted_at < before
        ]
