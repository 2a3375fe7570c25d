"""Pure: what a job costs in GPU-seconds, from what was declared to what was learned.

Quantiles, not means: a generation that hung for a day says nothing about the next one.
Rows: run_time (pool, model, seconds, size): `count`, `p10`, `median`, `p90`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final

# A declared speed weighs as much as so many generations.
_DECLARED_WEIGHT: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTimes:
    """What recent generations of one kind took, seconds."""

    count: int
    p10: float
    median: float
    p90: float

    @property
    def mean(self) -> float:
        """Estimate the mean without the longest tenth, which would pull it anywhere (Swanson's rule)."""
        return 0.3 * self.p10 + 0.4 * self.median + 0.3 * self.p90


def run_times(took: Sequence[float]) -> RunTimes | None:
    """Take the quantiles of what generations took."""
    if not took:
        return None
    ranked = sorted(took)
    p10, median, p90 = (ranked[min(len(ranked) - 1, int(q * len(ranked)))] for q in (0.1, 0.5, 0.9))
    return RunTimes(count=len(ranked), p10=p10, median=median, p90=p90)


def speed_error(learned: Iterable[tuple[RunTimes, float]]) -> float:
    """Give the factor by which a pool's declared costs of a model are wrong, by (learned, declared).

    It is what a length or size that never ran is multiplied with.
    """
    total = weight = 0.0
    for times, declared in learned:
        if declared > 0 and times.mean > 0:
            total += times.count * log(times.mean / declared)
            weight += times.count
    return exp(total / (weight + _DECLARED_WEIGHT))


def cost(learned: RunTimes | None, *, declared: float, error: float = 1.0) -> float:
    """Estimate the GPU-seconds of a job: from what is declared to what was learned, as it is learned."""
    prior = declared * error
    if learned is None or learned.mean <= 0:
        return prior
    share = learned.count / (learned.count + _DECLARED_WEIGHT)
    return exp(share * log(learned.mean) + (1 - share) * log(prior))


def over_pools(costs: Sequence[tuple[float, int]]) -> float:
    """Estimate the cost of a job that any of these pools could run, by (cost, slots)."""
    slots = sum(count for _, count in costs)
    return sum(each * count for each, count in costs) / slots if slots else 0.0
