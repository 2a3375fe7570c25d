"""The values that dispatch decides on, and those that a decision consists of.

The dispatcher writes what `Picked` gives, in the transaction of the grants. What ended attempts took waits in
`slot_use` until then; elapsed and held are read from the leases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSlots:
    """Free slot numbers of a pool, and the kinds that it serves; see `capacity.free_slots`."""

    pool: str
    slots: tuple[int, ...]
    kinds: frozenset[str]
    # Those whose workers take only paid tiers.
    reserved: tuple[int, ...] = ()
    # The furthest that every waiting tier has come, in slot-seconds per weight.
    floor: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A tier's part in the sharing. Weight 0 is standby: only where no other tier could run."""

    weight: float
    is_paid: bool = True
    # Heads that waited longer, seconds, go first; None where nothing is promised.
    promote_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a tier got of a pool. Its service is settled + elapsed / weight."""

    # Slot-seconds that ended, each divided by the weight it was charged under.
    settled: float = 0.0
    # Slot-seconds so far of what holds a slot now, from the leases.
    elapsed: float = 0.0
    held: int = 0
    # When the youngest of what holds a slot now was granted.
    newest: float = -inf
    # The line ledger at the last grant here.
    reached: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A line's turn among its tier's lines in one pool: estimated GPU-seconds per active owner."""

    ledger: float = 0.0
    # Whether something of it could run when the dispatcher last looked.
    was_waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One tier's queue for one kind, and how far the heads read reach."""

    tier: str
    kind: str
    virtual_time: float = 0.0
    was_promoted: bool = False
    # Owners with waiting work.
    owners: int = 1
    # Lanes behind this (tag, owner) were not read; None when all were.
    read_to: tuple[float, UUID] | None = None
    # Overdue heads behind this (since, owner) were not read; None when all were.
    overdue_read_to: tuple[float, UUID] | None = None
    # Something could run, but all of it is being written at this moment: it waits, and gets nothing yet.
    is_busy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One job that could run now, its estimated cost in GPU-seconds, and when it was submitted."""

    job_id: UUID
    cost: float
    since: float = 0.0
    # Pool and slot of the attempt before: another free slot is preferred.
    tried: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The front of an owner's lane: its first jobs and how many more the owner may run."""

    owner_id: UUID
    line_id: int
    tag: float
    # None means no limit.
    room: int | None
    jobs: tuple[Waiting, ...]
    # Whether more jobs may wait behind those that were read.
    has_more: bool = False
    weight: float = 1.0
    # Before this, waiting was its owner's own doing.
    counts_from: float = 0.0
    # False where more waits than twice what the door lets in: nothing of it is overdue.
    has_promise: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a pick decides on; shares by (pool, tier), turns by (pool, line)."""

    free: Sequence[FreeSlots]
    tiers: Mapping[str, Tier]
    lines: Mapping[int, Line]
    heads: Sequence[Head]
    shares: Mapping[tuple[str, str], Share] = field(default_factory=dict)
    turns: Mapping[tuple[str, int], Turn] = field(default_factory=dict)
    # The clock of the jobs' `since`.
    now: float = 0.0


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
    # What the lane's tag moves by.
    step: float
    is_promoted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """The grants of one batch, and the rows that go with them."""

    grants: tuple[Grant, ...]
    # What comes next was not read, or the batch was full: read again.
    is_cut: bool
    floors: Mapping[str, float]
    # To be added to `settled`; finishes add to it at the same time.
    lifts: Mapping[tuple[str, str], float]
    reached: Mapping[tuple[str, str], float]
    turns: Mapping[tuple[str, int], Turn]
    # Virtual time, and whether the last grant was a promotion.
    lines: Mapping[int, tuple[float, bool]]
