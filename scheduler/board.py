"""The read of everything that dispatch decides on but the lanes: pools, tiers, lines, and how far they came."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from django.db import connection

from jobs import breakers, lane_tags
from notifications import prepared
from scheduler import capacity, progress
from scheduler.progress import Progress
from scheduler.rows import FreeSlots, Line, Share, Tier, Turn

# A lane with so many times what its owner may have waiting did not come through the door.
_BEYOND_DOOR: Final = 2
# How long the leader relies on what it remembers of lanes, and of their number, seconds.
_REMEMBERED_FOR: Final = 0.25
_COUNTED_FOR: Final = 2.0
# Reading everything may take such a part of the time: while an old snapshot is held it takes long.
_READING_ALL: Final = 0.05
# But a lane that a refund brought to the front waits no longer for it, whatever a stall made of one reading, seconds.
_HOLDS_AT_MOST: Final = 2.0
_NO_LIMIT: Final = 2**31 - 1

# Pools that take work, with what runs there; all in one moment, so that what an attempt took is either its
# lease's or in slot_use.
_BOARD: Final = """
select json_build_object(
    'now', extract(epoch from now())::float8,
    'pools', (select json_agg(json_build_object(
            'name', p.name, 'slots', p.slots,
            'kinds', (select json_agg(kind.name) from kind where p.name = any(kind.usable)),
            'paid_reserved', p.paid_reserved,
            'is_careful', p.is_on_probation or p.unanswered >= %(breaks_at)s::int,
            'used', (select json_agg(slot) from lease where pool_id = p.name)))
        from pool p where p.state = 'active' and (p.breaker_until > now()) is not true),
    'names', (select json_agg(name) from pool),
    'tiers', (select json_agg(json_build_array(
        name, weight, is_paid, door_bound_seconds, queued_limit)) from tier),
    'lines', (select json_agg(json_build_array(
            line.id, tier_id, kind,
            -- In the order of lane_ready: "exists" may be looked for through all lanes.
            (select true from lane where lane.line_id = line.id and state = 1
                and tag >= coalesce(seen.low, '-infinity') order by tag limit 1)))
        from line left join unnest(%(lines)s::smallint[], %(lows)s::float8[]) as seen (id, low)
            on seen.id = line.id),
    'held', (select json_agg(json_build_array(pool_id, tier_id, held, elapsed, newest)) from (
        select lease.pool_id, line.tier_id, count(*) as held,
            sum(extract(epoch from now() - lease.granted_at)::float8) as elapsed,
            max(extract(epoch from lease.granted_at)::float8) as newest
        from lease join line on line.id = lease.line_id group by 1, 2) by_tier),
    'progress', (select to_json(progress) from progress order by id desc limit 1),
    'used', (select json_agg(json_build_array(id, pool_name, tier_name, service))
        from slot_use where id >= %(used_from)s::bigint)
)
"""
_OWNERS: Final = "select line_id, count(*) from lane where state > 0 group by line_id"


@dataclass(slots=True)
class Memory:
    """What the leader remembers so that it reads less; without it everything is read.

    What was granted leaves dead entries at the front of the indexes until the oldest snapshot of the
    database is gone, so that reading from the front would cost more with every grant.
    """

    # By line: no lane that could run had a lower tag. A refund may go below it.
    lows: dict[int, float] = field(default_factory=dict)
    # By line: no overdue lane waited since before. A job that comes back may have.
    oldest: dict[int, float] = field(default_factory=dict)
    # By line: how many owners wait.
    owners: dict[int, int] = field(default_factory=dict)
    # Rows of slot_use below this were added to their shares, but for what was committed late.
    used_from: int = 0
    used_to: int = 0
    read_at: float = -inf
    # How long what is remembered holds, seconds, and whether all is read just now.
    holds_for: float = _REMEMBERED_FOR
    reads_all: bool = True
    counted_at: float = -inf

    def refresh(self) -> None:
        """Forget what is old, and count the owners again."""
        now = time.monotonic()
        self.reads_all = now - self.read_at > self.holds_for
        if self.reads_all:
            self.lows.clear()
            self.oldest.clear()
            self.used_from = 0
            self.read_at = now
        if now - self.counted_at > _COUNTED_FOR:
            with connection.cursor() as cursor:
                cursor.execute(_OWNERS)
                self.owners = dict(cursor.fetchall())
            self.counted_at = now

    def note_read(self) -> None:
        """Rely on what was read the longer, the longer it took to read all of it."""
        if self.reads_all:
            took = time.monotonic() - self.read_at
            self.holds_for = min(max(_REMEMBERED_FOR, took / _READING_ALL), _HOLDS_AT_MOST)

    def note_used(self, ids: Sequence[int]) -> None:
        """Go on behind what was seen a while ago: what began before it has been committed by now."""
        if self.used_from == 0:
            self.used_from, self.used_to = self.used_to, max([self.used_to, *ids])


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Everything but the lanes."""

    now: float
    free: list[FreeSlots]
    tiers: dict[str, Tier]
    # By tier: beyond how many waiting jobs a lane did not come through the door.
    beyonds: dict[str, int]
    # Kinds for which some pool has a free slot, whoever waits.
    open_kinds: frozenset[str]
    # The lines of the kinds that the free slots serve, and those with something that may run.
    lines: dict[int, Line]
    ready: frozenset[int]
    shares: dict[tuple[str, str], Share]
    progress: Progress
    # Rows of slot_use that the shares contain already.
    used: list[int]


def read(memory: Memory) -> Board:
    """Read pools, tiers, lines and shares; `free` is empty where no slot is or nobody would take it."""
    memory.refresh()
    [(found,)] = prepared.run(
        _BOARD,
        {
            "breaks_at": breakers.OPENS_AT,
            "lines": list(memory.lows),
            "lows": list(memory.lows.values()),
            "used_from": memory.used_from,
        },
    )
    memory.note_read()
    rows: defaultdict[str, list[Any]] = defaultdict(
        list, {name: value for name, value in found.items() if value is not None}
    )
    tiers = {
        name: Tier(
            weight=weight,
            is_paid=is_paid,
            promote_after=None if bound is None else lane_tags.OVERDUE_FROM * bound,
        )
        for name, weight, is_paid, bound, _ in rows["tiers"]
    }
    come = progress.read(
        found["progress"],
        rows["used"],
        pools=frozenset(rows["names"]),
        tiers=tiers.keys(),
        lines=frozenset(number for number, *_ in rows["lines"]),
    )
    lines = {
        number: Line(
            tier=tier,
            kind=kind,
            virtual_time=come.virtual_times.get(number, 0.0),
            was_promoted=number in come.promoted,
            owners=memory.owners.get(number, 1),
        )
        for number, tier, kind, _ in rows["lines"]
    }
    ready = frozenset(number for number, *_, is_ready in rows["lines"] if is_ready)
    not_full = [slots for pool in rows["pools"] if (slots := _free(pool, come)) is not None]
    free = [slots for slots in not_full if _is_worth_a_look(slots, lines, ready, come)]
    kinds = {kind for pool in free for kind in pool.kinds}
    used = [number for number, *_ in rows["used"]]
    memory.note_used(used)
    return Board(
        now=found["now"],
        free=free,
        tiers=tiers,
        beyonds={
            name: _NO_LIMIT if limit is None else _BEYOND_DOOR * limit
            for name, *_, limit in rows["tiers"]
        },
        open_kinds=frozenset(kind for pool in not_full for kind in pool.kinds),
        lines={number: line for number, line in lines.items() if line.kind in kinds},
        ready=ready,
        shares=_shares(rows, come),
        progress=come,
        used=used,
    )


def _free(pool: Mapping[str, Any], come: Progress) -> FreeSlots | None:
    return capacity.free_slots(
        capacity.PoolRow(
            name=pool["name"],
            slots=pool["slots"],
            kinds=frozenset(pool["kinds"] or ()),
            used=frozenset(pool["used"] or ()),
            paid_reserved=pool["paid_reserved"],
            # One at a time shows whether a pool that failed is well again.
            is_half_open=pool["is_careful"],
            floor=come.floors.get(pool["name"], 0.0),
        )
    )


def _is_worth_a_look(
    pool: FreeSlots,
    lines: Mapping[int, Line],
    ready: frozenset[int],
    come: Progress,
) -> bool:
    """Say whether something could run, or could at the last look, so that it is noted when not."""
    return any(
        number in ready or come.turns.get((pool.pool, number), Turn()).was_waiting
        for number, line in lines.items()
        if line.kind in pool.kinds
    )


def _shares(rows: Mapping[str, list[Any]], come: Progress) -> dict[tuple[str, str], Share]:
    held = {(pool, tier): values for pool, tier, *values in rows["held"]}
    shares = {}
    for key in come.settled.keys() | held.keys():
        count, elapsed, newest = held.get(key, (0, 0.0, -inf))
        shares[key] = Share(
            settled=come.settled.get(key, 0.0),
            elapsed=elapsed,
            held=count,
            newest=newest,
            reached=come.reached.get(key, 0.0),
        )
    return shares
