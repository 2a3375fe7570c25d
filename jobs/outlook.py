"""Pure: when a waiting job will start, as a range, from numbers that are published for its line.

A read is a look at a curve of 48 points: no scan, whatever waits. `scheduler/estimates.py` makes the numbers.

Rows: outlook (line): `taken_at`, `virtual_time`, `work` and `overtaking` (each two float arrays), `drain`,
`mean_cost`, `mean_run`, `slots`, `bound`; band (tier or '', moment, bucket): `low`, `high`.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp
from typing import Final

# Predicted waits, seconds, that separate the buckets in which ranges are learned.
EDGES: Final = (3.0, 12.0, 40.0, 120.0, 400.0, 1200.0)
# From this bucket on there are too few jobs to learn from each tier by itself.
SHARED_FROM: Final = 5
# Keeps the ranges of very short waits from shrinking to nothing.
_SOFT: Final = 4.0
# However many overtake, so much of a line's drain is left for those who wait in it.
_LEAST_LEFT: Final = 0.3
# Longer waits are told in words.
FURTHEST: Final = EDGES[-1]


@dataclass(frozen=True, slots=True)
class Curve:
    """A rising curve through points, straight between them and level beyond them."""

    xs: tuple[float, ...] = ()
    ys: tuple[float, ...] = ()

    def at(self, x: float) -> float:
        """Read the curve; zero before its first point."""
        if not self.xs or x < self.xs[0]:
            return 0.0
        place = bisect_right(self.xs, x)
        if place == len(self.xs):
            return self.ys[-1]
        left, right = self.xs[place - 1], self.xs[place]
        share = (x - left) / (right - left)
        return self.ys[place - 1] + share * (self.ys[place] - self.ys[place - 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """How far a start may lie from the prediction, as logarithms of a factor."""

    low: float = -0.7
    high: float = 0.7


# (tier, or '' for the deep buckets; whether just submitted; bucket)
BandKey = tuple[str, bool, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is published for a line every two seconds."""

    tier: str
    virtual_time: float
    # GPU-seconds that start before a virtual time.
    work: Curve
    # GPU-seconds a second that arrive with a lead over the line below a value.
    overtaking: Curve
    # GPU-seconds each second.
    drain: float
    mean_cost: float
    mean_run: float
    slots: int
    bands: Mapping[BandKey, Band] = field(default_factory=dict)
    # The drain before a change of capacity, for the five minutes after it; else None.
    drain_before: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A job's place: its lane's tag, and what of its owner goes before it."""

    tag: float
    own_work: float = 0.0
    own_jobs: int = 0
    # What the job itself costs: it is not ahead of itself.
    own_cost: float = 0.0
    # Jobs of the owner that run, and how many may.
    own_running: int = 0
    own_limit: int | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """About how many jobs start before it, in how many seconds it starts, and from when to when."""

    ahead: int
    seconds: float
    low: float
    high: float
    key: BandKey


def bucket(seconds: float) -> int:
    """Give the bucket of a predicted wait."""
    return bisect_right(EDGES, seconds)


def band_key(*, tier: str, seconds: float, is_new: bool) -> BandKey:
    """Say by which band a prediction is widened."""
    number = bucket(seconds)
    return ("" if number >= SHARED_FROM else tier), is_new, number


def expect(outlook: Outlook, place: Place) -> Expected | None:
    """Predict the start of a waiting job; None where nothing drains."""
    if outlook.drain <= 0 or outlook.slots <= 0:
        return None
    x = place.tag + place.own_work
    before = outlook.work.at(x)
    overtaking = outlook.overtaking.at((x - outlook.virtual_time) / 2)
    seconds = _seconds(outlook, place, before, overtaking, drain=outlook.drain)
    key = band_key(tier=outlook.tier, seconds=seconds, is_new=place.is_new)
    band = outlook.bands.get(key, Band())
    low, high = spread(seconds, band)
    if outlook.drain_before:
        # Nobody knows yet which of the two holds: the range covers both.
        old = _seconds(outlook, place, before, overtaking, drain=outlook.drain_before)
        low, high = min(low, spread(old, band)[0]), max(high, spread(old, band)[1])
    others = max(0.0, before - place.own_cost)
    ahead = round(others / outlook.mean_cost) if outlook.mean_cost else 0
    return Expected(ahead=ahead, seconds=seconds, low=low, high=high, key=key)


def _seconds(
    outlook: Outlook, place: Place, before: float, overtaking: float, *, drain: float
) -> float:
    left = max(drain - overtaking, _LEAST_LEFT * drain)
    seconds = before / left + outlook.mean_run / outlook.slots
    if not place.own_limit:
        return seconds
    # The owner's own limit lets through so many at a time, however free the slots are.
    turns = place.own_jobs + place.own_running + 1 - place.own_limit
    return max(seconds, turns * outlook.mean_run / place.own_limit)


def spread(seconds: float, band: Band) -> tuple[float, float]:
    """Give the range around a prediction."""
    soft = seconds + _SOFT
    return max(0.0, soft * exp(band.low) - _SOFT), max(0.0, soft * exp(band.high) - _SOFT)


def finish(start: tuple[float, float], run: tuple[float, float]) -> tuple[float, float]:
    """Give the range of the end: that of the start, and the usual run time from its low to its high."""
    return start[0] + run[0], start[1] + run[1]
