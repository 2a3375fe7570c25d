"""How long pools take, learned and declared: kept for a moment in each process, so that a submission asks nothing."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from jobs import costs, known_pools
from jobs.costs import RunTimes
from jobs.models import Pool, PoolState
from jobs.remembered import Remembered
from notifications import prepared

# How old what a process knows may be, seconds.
_FRESH_FOR: Final = 2.0
_SIZE_FACTOR: Final = 854 * 480
# What is only declared may be wrong by these factors.
_DECLARED_RUN: Final = (0.5, 3.0)

# What can be asked for: model, seconds, size.
Wish = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class _Known:
    pools: Sequence[Pool]
    # By (pool, wish), and the error of what a pool declares of a model, by (pool, model).
    learned: dict[tuple[str, Wish], RunTimes]
    errors: dict[tuple[str, str], float]
    # What was asked already.
    estimates: dict[Wish, float] = field(default_factory=dict)
    runs: dict[Wish, tuple[float, float] | None] = field(default_factory=dict)


_LEARNED: Final = "select pool_name, model, seconds, size, count, p10, median, p90 from run_time"


def estimate(model: str, seconds: int, size: str) -> float:
    """Estimate the GPU-seconds of a video over the pools that make it; 0 where none does."""
    known, wish = _known.value(), (model, seconds, size)
    if wish not in known.estimates:
        known.estimates[wish] = _estimate(known, wish)
    return known.estimates[wish]


def usual_run(model: str, seconds: int, size: str) -> tuple[float, float] | None:
    """Give how long a video usually runs, from its low to its high, seconds; None where no pool makes it."""
    known, wish = _known.value(), (model, seconds, size)
    if wish not in known.runs:
        known.runs[wish] = _usual_run(known, wish)
    return known.runs[wish]


def forget() -> None:
    """Read the pools and what was learned again at the next question."""
    _known.forget()


def declared(pool: Pool, wish: Wish) -> float:
    """Give the GPU-seconds that a pool declares."""
    width, _, height = wish[2].partition("x")
    return float(pool.declared_speed * wish[1] * int(width) * int(height) / _SIZE_FACTOR)


def _estimate(known: _Known, wish: Wish) -> float:
    found = [(_cost(known, pool, wish), pool.slots) for pool in _makers(known, wish)]
    if not any(slots for _, slots in found):
        # Pools without a slot come back at their speed.
        found = [(cost, 1) for cost, _ in found]
    return costs.over_pools(found)


def _usual_run(known: _Known, wish: Wish) -> tuple[float, float] | None:
    ranges = []
    for pool in _makers(known, wish):
        times = known.learned.get((pool.name, wish))
        if times is not None:
            ranges.append((times.p10, times.p90))
        else:
            cost = _cost(known, pool, wish)
            ranges.append((_DECLARED_RUN[0] * cost, _DECLARED_RUN[1] * cost))
    if not ranges:
        return None
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _cost(known: _Known, pool: Pool, wish: Wish) -> float:
    return costs.cost(
        known.learned.get((pool.name, wish)),
        declared=declared(pool, wish),
        error=known.errors.get((pool.name, wish[0]), 1.0),
    )


def _makers(known: _Known, wish: Wish) -> list[Pool]:
    model, seconds, size = wish
    makers = [
        pool
        for pool in known.pools
        if model in pool.model_names and seconds in pool.seconds and size in pool.sizes
    ]
    return [pool for pool in makers if pool.state == PoolState.ACTIVE] or makers


def _read() -> _Known:
    pools = known_pools.read()
    by_name = {pool.name: pool for pool in pools}
    learned = {}
    pairs: dict[tuple[str, str], list[tuple[RunTimes, float]]] = defaultdict(list)
    for pool, model, seconds, size, count, p10, median, p90 in prepared.run(_LEARNED, ()):
        if pool not in by_name:
            continue
        wish = (model, seconds, size)
        times = learned[pool, wish] = RunTimes(count=count, p10=p10, median=median, p90=p90)
        pairs[pool, model].append((times, declared(by_name[pool], wish)))
    return _Known(pools, learned, {key: costs.speed_error(each) for key, each in pairs.items()})


_known: Final = Remembered(_read, fresh_for=_FRESH_FOR)
