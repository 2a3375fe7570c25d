"""Pure: whose job gets which free slot. The same snapshot gives the same grants, whatever the order of rows.

Between tiers a ledger of slot-seconds really held, inside a tier's lines start-time fair queueing with the
tag on the lane (Goyal, Vin, Cheng, SIGCOMM 1996). A tier that was idle starts level with the others, as in
the virtual counter of Sheng et al. (arXiv 2401.00588), so that nobody hoards credit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from typing import Final

from scheduler.rows import FreeSlots, Grant, Head, Picked, Share, Snapshot, Turn

# What holds a slot counts as if it went on for so many seconds, about a mean run: else a tier could take
# every slot before its first second is on the ledger.
LOOK_AHEAD: Final = 60.0
# A tier that waits goes next when the youngest of what it runs in a pool began so many seconds ago, and sooner
# while slots go back to a tier that was idle: the others would else start nothing for up to two minutes.
LONGEST_PAUSE: Final = 54.0
_PAUSE_WHILE_UNSETTLED: Final = 40.0
# A tier whose weight gives it fewer slots than these has longer pauses by right.
_LEAST_PART: Final = 3.0
# Nobody goes before its turn who is ahead by more than its part of so many seconds of the whole pool.
_FAR_AHEAD: Final = 90.0


def pick(snapshot: Snapshot, *, most: int | None = None) -> Picked:
    """Fill the free slots until none is left or nothing that waits fits one; `most` bounds the batch."""
    board = _Board(snapshot, most=most)
    # Pools that serve the fewest kinds first: what only they can take must not find them full.
    for free in sorted(snapshot.free, key=lambda pool: (len(pool.kinds), pool.pool)):
        if not board.is_cut:
            _Fill(board, free).run()
    return board.picked()


class _NotRead(Exception):
    """What comes next may be a lane or a job that was not read."""


@dataclass(slots=True)
class _Lane:
    head: Head
    tag: float
    granted: int = 0

    @property
    def is_waiting(self) -> bool:
        return self.granted < len(self.head.jobs) or self.head.has_more

    @property
    def waits_since(self) -> float:
        """Since when the next job waits for others; of one that was not read, not before this."""
        jobs = self.head.jobs
        return max(jobs[min(self.granted, len(jobs) - 1)].since, self.head.counts_from)


class _Board:
    """The rows of the snapshot, played forward grant by grant."""

    def __init__(self, snapshot: Snapshot, *, most: int | None) -> None:
        self.snapshot = snapshot
        self.most = most
        self.is_cut = False
        self.grants: list[Grant] = []
        self.lanes: dict[int, list[_Lane]] = {line: [] for line in snapshot.lines}
        self.room = {head.owner_id: head.room for head in snapshot.heads}
        for head in snapshot.heads:
            if head.jobs:
                self.lanes[head.line_id].append(_Lane(head=head, tag=head.tag))
        self.queues = {
            line: [(lane.tag, lane.head.owner_id, lane) for lane in lanes]
            for line, lanes in self.lanes.items()
        }
        for queue in self.queues.values():
            heapify(queue)
        self.lines = {
            line: (row.virtual_time, row.was_promoted) for line, row in snapshot.lines.items()
        }
        self.owners = {line: row.owners for line, row in snapshot.lines.items()}
        self.floors: dict[str, float] = {}
        self.lifts: dict[tuple[str, str], float] = {}
        self.reached: dict[tuple[str, str], float] = {}
        self.turns: dict[tuple[str, int], Turn] = {}

    def picked(self) -> Picked:
        return Picked(
            grants=tuple(self.grants),
            is_cut=self.is_cut,
            floors=self.floors,
            lifts=self.lifts,
            reached=self.reached,
            turns=self.turns,
            lines=self.lines,
        )

    def can_run(self, lane: _Lane) -> bool:
        return lane.is_waiting and self.room[lane.head.owner_id] != 0

    def front(self, line: int) -> _Lane | None:
        """Give the lane with the least (tag, owner) that can run, of those that were read."""
        queue = self.queues[line]
        while queue:
            tag, _, lane = queue[0]
            if tag == lane.tag and self.can_run(lane):
                return lane
            heappop(queue)
        return None

    def is_waiting(self, line: int) -> bool:
        return self.front(line) is not None or self.snapshot.lines[line].read_to is not None

    def next_lane(self, line: int) -> tuple[_Lane, bool]:
        """Give whose turn it is in a line, and whether it is because its head is overdue."""
        row = self.snapshot.lines[line]
        lane = self._overdue(line)
        is_promoted = lane is not None
        lane = lane or self.front(line)
        if lane is None or lane.granted == len(lane.head.jobs):
            raise _NotRead
        order = lane.tag, lane.head.owner_id
        if not is_promoted and row.read_to is not None and order > row.read_to:
            raise _NotRead
        return lane, is_promoted

    def _overdue(self, line: int) -> _Lane | None:
        row = self.snapshot.lines[line]
        patience = self.snapshot.tiers[row.tier].promote_after
        # At most every second grant of a line: a deep queue would else make it first come, first served.
        if patience is None or self.lines[line][1]:
            return None
        before = self.snapshot.now - patience
        found = [
            (since, lane.head.owner_id, lane)
            for lane in self.lanes[line]
            if lane.head.has_promise and self.can_run(lane) and (since := lane.waits_since) < before
        ]
        oldest = min(found, default=None)
        read_to = row.overdue_read_to
        if read_to is not None and (oldest is None or oldest[:2] > read_to):
            raise _NotRead
        return oldest and oldest[2]

    def grant(self, lane: _Lane, *, pool: str, slot: int, is_promoted: bool) -> Grant:
        head, job = lane.head, lane.head.jobs[lane.granted]
        line, virtual_time = head.line_id, self.lines[head.line_id][0]
        grant = Grant(
            job_id=job.job_id,
            owner_id=head.owner_id,
            line_id=line,
            pool=pool,
            slot=slot,
            cost=job.cost,
            tag=lane.tag,
            step=job.cost / head.weight,
            is_promoted=is_promoted,
        )
        # A promotion is out of turn: time in the line does not pass by it.
        reached = virtual_time if is_promoted else max(virtual_time, lane.tag)
        self.lines[line] = reached, is_promoted
        lane.tag += grant.step
        lane.granted += 1
        if not lane.is_waiting:
            self.owners[line] -= 1
        heappush(self.queues[line], (lane.tag, head.owner_id, lane))
        room = self.room[head.owner_id]
        self.room[head.owner_id] = None if room is None else room - 1
        self.grants.append(grant)
        return grant


class _Fill:
    """The filling of one pool's free slots."""

    def __init__(self, board: _Board, free: FreeSlots) -> None:
        self.board, self.free = board, free
        snapshot = board.snapshot
        self.tiers = snapshot.tiers
        self.lines = {n: row for n, row in snapshot.lines.items() if row.kind in free.kinds}
        self.turns = {line: snapshot.turns.get((free.pool, line), Turn()) for line in self.lines}
        self.ledgers = {line: turn.ledger for line, turn in self.turns.items()}
        shares = {
            tier: snapshot.shares.get((free.pool, tier), Share())
            for tier in {row.tier for row in self.lines.values()}
        }
        self.held = {tier: share.held for tier, share in shares.items()}
        self.newest = {tier: share.newest for tier, share in shares.items()}
        self.reached = {tier: share.reached for tier, share in shares.items()}
        # Slot-seconds per weight; standby has no weight to divide by.
        self.service = {
            tier: share.settled + share.elapsed / self.tiers[tier].weight
            for tier, share in shares.items()
            if self.tiers[tier].weight
        }
        self.floor = free.floor
        self.slots, self.reserved = list(free.slots), list(free.reserved)
        self.size = len(self.slots) + len(self.reserved) + sum(self.held.values())

    def run(self) -> None:
        board = self.board
        self._level()
        while could := self._could_run():
            self._raise_floor(could)
            if board.most is not None and len(board.grants) >= board.most:
                board.is_cut = True
                break
            try:
                self._grant(could)
            except _NotRead:
                board.is_cut = True
                break
        self._note()

    def _waiting(self) -> dict[str, list[int]]:
        """Give the lines with something that could run on this pool, by tier."""
        found: dict[str, list[int]] = {}
        for line, row in self.lines.items():
            if row.is_busy or self.board.is_waiting(line):
                found.setdefault(row.tier, []).append(line)
        return found

    def _could_run(self) -> dict[str, list[int]]:
        """Give the lines that could use one of the free slots now, by tier."""
        if not (self.slots or self.reserved):
            return {}
        found: dict[str, list[int]] = {}
        for line, row in self.lines.items():
            may = self.slots or self.tiers[row.tier].is_paid
            if may and self.board.is_waiting(line):
                found.setdefault(row.tier, []).append(line)
        return found

    def _level(self) -> None:
        """Lift who was idle, or held back, to the others: it saved up nothing meanwhile."""
        were = {row.tier for line, row in self.lines.items() if self.turns[line].was_waiting}
        for tier, lines in self._waiting().items():
            if tier not in were and tier in self.service:
                lift = max(0.0, self.floor - self.service[tier])
                self.service[tier] += lift
                if lift:
                    self.board.lifts[self.free.pool, tier] = lift
            for line in lines:
                if not self.turns[line].was_waiting:
                    self.ledgers[line] = max(self.ledgers[line], self.reached[tier])

    def _raise_floor(self, could: Mapping[str, list[int]]) -> None:
        least = min((self.service[tier] for tier in could if tier in self.service), default=0.0)
        self.floor = max(self.floor, least)

    def _grant(self, could: Mapping[str, list[int]]) -> None:
        tier = min(self._paused(could) or could, key=self._turn_of_tier)
        line = min(could[tier], key=lambda line: (self.ledgers[line], line))
        lane, is_promoted = self.board.next_lane(line)
        tried = lane.head.jobs[lane.granted].tried
        slot = self._take_slot(tried, is_paid=self.tiers[tier].is_paid)
        owners = max(1, self.board.owners[line])
        grant = self.board.grant(lane, pool=self.free.pool, slot=slot, is_promoted=is_promoted)
        self.held[tier] += 1
        self.newest[tier] = self.board.snapshot.now
        self.reached[tier] = max(self.reached[tier], self.ledgers[line])
        self.ledgers[line] += grant.cost / owners

    def _take_slot(self, tried: tuple[str, int] | None, *, is_paid: bool) -> int:
        """Take a free slot, but not that of the job's attempt before where there is another.

        That is the next number after it: of jobs that lost all slots at once each gets another one.
        """
        # Paid tiers take the reserved slots first, so that the others stay for all.
        slots = self.reserved if self.reserved and is_paid else self.slots
        if tried is None or tried[0] != self.free.pool:
            return slots.pop(0)
        old = tried[1]
        if slots == [old] and is_paid and self.slots:
            slots = self.slots
        slot = min(slots, key=lambda number: (number == old, number < old, number))
        slots.remove(slot)
        return slot

    def _paused(self, could: Mapping[str, list[int]]) -> list[str]:
        """Give the tiers that start nothing for too long, but those that are far ahead of their weight."""
        weights = {tier: self.tiers[tier].weight for tier in could if self.tiers[tier].weight}
        slots_by_weight = self.size / sum(weights.values()) if weights else 0.0
        parts = {tier: weight * slots_by_weight for tier, weight in weights.items()}
        is_unsettled = any(part - self.held[tier] > 1 for tier, part in parts.items())
        pause = _PAUSE_WHILE_UNSETTLED if is_unsettled else LONGEST_PAUSE
        before = self.board.snapshot.now - pause
        paused = [
            tier
            for tier, part in parts.items()
            if part >= _LEAST_PART and self.newest[tier] < before
        ]
        if not paused:
            return []
        turns = {tier: self._turn_of_tier(tier)[1] for tier in weights}
        most = min(turns.values()) + _FAR_AHEAD * slots_by_weight
        # As it would stand with the slot: where slots are few, one is much.
        return [tier for tier in paused if turns[tier] + LOOK_AHEAD / weights[tier] <= most]

    def _turn_of_tier(self, tier: str) -> tuple[bool, float, float, str]:
        weight = self.tiers[tier].weight
        if not weight:
            return True, self.held[tier], 0.0, tier
        return False, self.service[tier] + LOOK_AHEAD * self.held[tier] / weight, -weight, tier

    def _note(self) -> None:
        board, pool = self.board, self.free.pool
        waiting = {line for lines in self._waiting().values() for line in lines}
        board.floors[pool] = self.floor
        board.reached |= {(pool, tier): value for tier, value in self.reached.items()}
        board.turns |= {
            (pool, line): replace(turn, ledger=self.ledgers[line], was_waiting=line in waiting)
            for line, turn in self.turns.items()
        }
