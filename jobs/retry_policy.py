"""Pure: whether there is another attempt after a failed one, and when."""

from dataclasses import dataclass
from typing import Final

from jobs.failures import FailureKind

# The first delay, seconds; each further attempt may wait twice as long as the one before.
FIRST_DELAY: Final = 2.0
# No delay is longer, seconds: a person is waiting for the video.
LONGEST_DELAY: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAfter:
    """Another attempt, not before so many seconds from now."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """No further attempt: the job ends as failed."""


def after(
    failure: FailureKind, *, failed_count: int, max_attempts: int, jitter: float
) -> RetryAfter | GiveUp:
    """Decide what follows a failed attempt.

    `failed_count` counts the attempts that used up a try, this one included; `jitter` is in
    [0, 1) and spreads the delay over its whole range ("full jitter", AWS Architecture Blog).
    """
    if not failure.counts:
        return RetryAfter(seconds=0.0)
    if not failure.is_retryable or failed_count >= max_attempts:
        return GiveUp()
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (failed_count - 1))
    return RetryAfter(seconds=ceiling * jitter)
