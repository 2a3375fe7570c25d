"""Pure: whether there is another attempt after a failed one, and when."""

from dataclasses import dataclass
from typing import Final

from jobs.failures import FailureKind

# The first delay, seconds; each further attempt may wait twice as long as the one before.
FIRST_DELAY: Final = 2.0
# No backoff is longer, seconds: a person is waiting for the video.
LONGEST_DELAY: Final = 60.0
# A pool may lose everything that it runs once, at once, and no fewer than so many.
_SMALLEST_BURST: Final = 5.0
# Retries that come back to the budget for each slot and minute: about a tenth of what a slot finishes
# ("retry budget", Google SRE, Handling Overload), and no fewer than so many for the pool.
_REFILL_PER_SLOT: Final = 0.15
_SMALLEST_REFILL: Final = 1.0
# However deep in debt the budget is, no retry waits longer for it, seconds.
_LONGEST_DEBT: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAfter:
    """Another attempt, not before so many seconds from now."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """No further attempt: the job ends as failed."""


def after(
    failure: FailureKind, *, attempt: int, failed_count: int, max_attempts: int, jitter: float
) -> RetryAfter | GiveUp:
    """Decide what follows a failed attempt.

    `attempt` is the number of the one that ended, `failed_count` counts those that used up a try, this
    one included; `jitter` is in [0, 1) and spreads the delay over its whole range ("full jitter", AWS
    Architecture Blog).
    """
    if failure is FailureKind.NOT_PICKED_UP:
        # At once the first time; a pool without workers must not take the same job again and again.
        return RetryAfter(seconds=min(LONGEST_DELAY, 2.0 ** min(attempt, 10) - 2))
    if not failure.counts:
        return RetryAfter(seconds=0.0)
    if not failure.is_retryable or failed_count >= max_attempts:
        return GiveUp()
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (failed_count - 1))
    return RetryAfter(seconds=ceiling * jitter)


def full_budget(*, slots: int) -> float:
    """Give the retries that a rested pool of so many slots may cause at once."""
    return max(_SMALLEST_BURST, float(slots))


def spend(*, tokens: float, idle_seconds: float, slots: int) -> tuple[float, float]:
    """Take one retry from a pool's budget; give what is left of it, and the seconds to wait for it.

    `tokens` is what was left `idle_seconds` ago. Below zero the budget is in debt: the next
    retries come later, one after the other. None is refused, as the fault is the pool's.
    """
    per_second = max(_SMALLEST_REFILL, slots * _REFILL_PER_SLOT) / 60
    left = min(full_budget(slots=slots), tokens + idle_seconds * per_second) - 1
    left = max(left, -_LONGEST_DEBT * per_second)
    return left, max(0.0, -left / per_second)
