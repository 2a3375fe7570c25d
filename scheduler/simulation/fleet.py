"""The simulated installation: tiers as they are seeded, pools, and what happens to pools."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from jobs.lane_tags import OVERDUE_FROM
from scheduler.rows import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a tier is entitled to."""

    weight: float
    rank: int
    is_paid: bool
    running_limit: int | None
    queued_limit: int | None
    bound_seconds: float | None
    promise_seconds: float | None = None

    @property
    def share(self) -> Tier:
        """The tier as the pick knows it."""
        overdue = None if self.bound_seconds is None else OVERDUE_FROM * self.bound_seconds
        return Tier(weight=self.weight, is_paid=self.is_paid, promote_after=overdue)


TIERS: Final[Mapping[str, Rules]] = {
    "enterprise": Rules(
        weight=60,
        rank=30,
        is_paid=True,
        running_limit=16,
        queued_limit=200,
        bound_seconds=60.0,
        promise_seconds=120.0,
    ),
    "pro": Rules(
        weight=30,
        rank=20,
        is_paid=True,
        running_limit=6,
        queued_limit=50,
        bound_seconds=300.0,
        promise_seconds=600.0,
    ),
    "free": Rules(
        weight=10,
        rank=10,
        is_paid=False,
        running_limit=2,
        queued_limit=10,
        bound_seconds=1200.0,
    ),
}
# Chosen for a call, not a plan: no promise, and its owner's own limits.
STANDBY: Final = "standby"
WITH_STANDBY: Final[Mapping[str, Rules]] = {
    **TIERS,
    STANDBY: Rules(
        weight=0, rank=1, is_paid=False, running_limit=None, queued_limit=20, bound_seconds=None
    ),
}


def unlimited(tiers: Mapping[str, Rules]) -> dict[str, Rules]:
    """Give the tiers without limits and promises, where only turns decide."""
    return {
        name: replace(rules, running_limit=None, queued_limit=None, bound_seconds=None)
        for name, rules in tiers.items()
    }


@dataclass(slots=True, kw_only=True)
class Pool:
    """Slots that serve some kinds."""

    name: str
    slots: int
    kinds: frozenset[str]
    running: int = 0
    # Share of attempts that end early through no fault of their owners.
    failing: float = 0.0
    changed_at: float = -1e9
    slots_before: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """At a moment a pool gets so many slots, or begins to fail so often."""

    at: float
    pool: str
    slots: int | None = None
    failing: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Tiers, pools by (name, slots, kinds), and what happens to them."""

    pools: tuple[tuple[str, int, str], ...]
    tiers: Mapping[str, Rules] = field(default_factory=lambda: WITH_STANDBY)
    changes: tuple[Change, ...] = ()
    has_door: bool = True

    def opened(self) -> dict[str, Pool]:
        """Give the pools as they are at the start."""
        return {
            name: Pool(name=name, slots=slots, kinds=frozenset(kinds.split()), slots_before=slots)
            for name, slots, kinds in self.pools
        }
