"""Pure: how many slots of a pool may be given out now, and which of them only to paid tiers."""

from dataclasses import dataclass

from scheduler.rows import FreeSlots


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    """A pool as dispatch sees it: `used` are slot numbers with a lease."""

    name: str
    slots: int
    kinds: frozenset[str]
    used: frozenset[int] = frozenset()
    paid_reserved: int = 0
    # False while it is draining, paused, quarantined, or its breaker is open.
    takes_work: bool = True
    # After failing it gets one job at a time, which shows whether it is well again.
    is_half_open: bool = False
    floor: float = 0.0


def free_slots(pool: PoolRow) -> FreeSlots | None:
    """Give what is free; None where nothing may start.

    The cap counts every lease, also of slot numbers above a capacity that was cut. The highest numbers are
    the reserved ones.
    """
    cap = min(1, pool.slots) if pool.is_half_open else pool.slots
    count = cap - len(pool.used)
    if not pool.takes_work or count <= 0:
        return None
    numbers = [slot for slot in range(1, pool.slots + 1) if slot not in pool.used][:count]
    return FreeSlots(
        pool=pool.name,
        slots=tuple(slot for slot in numbers if not is_reserved(pool, slot)),
        reserved=tuple(slot for slot in numbers if is_reserved(pool, slot)),
        kinds=pool.kinds,
        floor=pool.floor,
    )


def is_reserved(pool: PoolRow, slot: int) -> bool:
    """Say whether only paid tiers may have this slot."""
    return slot > pool.slots - pool.paid_reserved
