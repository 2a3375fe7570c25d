"""What is normal: how long generations of one kind take on a pool, and when one takes too long. Pure."""

from dataclasses import dataclass
from typing import Final

# Fewer generations than this say little about the slowest of them.
_ENOUGH: Final = 20
# A declared speed may be wrong by so much.
_DOUBT: Final = 4.0
# An attempt is questioned beyond so many times what is normal, and never sooner than so many seconds
# after it; at twice that time it is hopeless.
_QUESTIONED_AT: Final = 2.0
SHORTEST_GRACE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What recent generations took, seconds."""

    count: int
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """After how many seconds of running an attempt is questioned, and when it is hopeless."""

    question: float
    give_up: float


def patience(learned: Learned | None, *, estimate: float) -> Patience:
    """Say how long an attempt may run. `estimate` is the declared one, GPU-seconds."""
    known = learned is not None and learned.count >= _ENOUGH
    normal = learned.p99 if learned and known else _DOUBT * estimate
    question = max(_QUESTIONED_AT * normal, normal + SHORTEST_GRACE)
    return Patience(question=question, give_up=2 * question)
