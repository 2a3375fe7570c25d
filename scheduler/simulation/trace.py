"""What users do: calls drawn from a seed, the same for every policy that is compared on them."""

from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import exp
from random import Random
from typing import Final, NamedTuple
from uuid import UUID

from scheduler.rows import Waiting

# Run times are lognormal with these quantiles (p50 30 s, p99 240 s), and end by a limit.
_MEDIAN: Final = 30.0
_SIGMA: Final = 0.894
_LONGEST: Final = 600.0
MEAN_RUN: Final = 44.0
# How wrong estimates are: a factor exp(N(0, this)).
_ESTIMATE_SIGMA: Final = 0.4
# Bursts: so many times the rate for about so many seconds, then quiet.
_BURSTS: Final = ((2.5, 60.0), (0.63, 240.0))
# Share of refused callers who come back when they were told.
_OBEYS: Final = 0.7


class Call(NamedTuple):
    """One submission."""

    at: float
    owner: int
    tier: str
    kind: str
    run: float
    estimate: float
    obeys: bool
    # The owner submits another one like it as soon as this one starts.
    is_endless: bool = False
    larger: float = 1.0
    # Its owner's tier, where it waits in another: on standby.
    plan: str = ""


@dataclass(slots=True)
class Job:
    """An accepted call, and what became of it."""

    call: Call
    number: int
    submitted_at: float
    had_none: bool = False
    started_at: float | None = None
    expired_at: float | None = None
    # Where an attempt runs, and since when.
    pool: str = ""
    granted_at: float = 0.0
    attempts: int = 0
    waiting: Waiting = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = Waiting(
            job_id=UUID(int=self.number), cost=self.call.estimate, since=self.submitted_at
        )

    @property
    def waited(self) -> float:
        """Seconds until it started, or was given up."""
        end = self.started_at if self.started_at is not None else self.expired_at
        return (end or self.submitted_at) - self.submitted_at


class Owners:
    """Owners of a tier, some of whom come far more often than others (Zipf)."""

    def __init__(self, random: Random, *, first: int, count: int, exponent: float = 1.1) -> None:
        self._random, self._first = random, first
        self._cumulated = list(accumulate(1 / rank**exponent for rank in range(1, count + 1)))

    def draw(self) -> int:
        """Draw who comes next."""
        return self._first + bisect(self._cumulated, self._random.random() * self._cumulated[-1])


def call(
    random: Random,
    *,
    at: float,
    owner: int,
    tier: str,
    kind: str = "k",
    larger: float = 1.0,
    is_endless: bool = False,
) -> Call:
    """Draw a job's run time, how wrong its estimate is, and whether its caller obeys."""
    run = min(larger * _MEDIAN * exp(random.gauss(0.0, _SIGMA)), _LONGEST)
    return Call(
        at=at,
        owner=owner,
        tier=tier,
        kind=kind,
        run=run,
        estimate=run * exp(random.gauss(0.0, _ESTIMATE_SIGMA)),
        obeys=random.random() < _OBEYS,
        is_endless=is_endless,
        larger=larger,
    )


def arrivals(random: Random, *, rate: Callable[[float], float], until: float) -> Iterator[float]:
    """Draw moments at a rate that changes with time, in bursts, by thinning (Lewis and Shedler 1979)."""
    now, turn = 0.0, 0
    while now < until:
        factor, length = _BURSTS[turn % 2]
        end = min(until, now + random.expovariate(1 / length))
        turn += 1
        most = factor * max(rate(now + (end - now) * step / 4) for step in range(5)) * 1.1
        while most > 0:
            now += random.expovariate(most)
            if now >= end:
                break
            if random.random() * most < factor * rate(now):
                yield now
        now = end


def merged(calls: Sequence[Call]) -> list[Call]:
    """Put calls in the order of their moments."""
    return sorted(calls, key=lambda each: (each.at, each.owner))
