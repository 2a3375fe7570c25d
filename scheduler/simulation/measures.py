"""What is measured, as `fairness.md` defines it: waits, shares in ten minutes, Jain's index, lost slot time."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from scheduler.simulation.fleet import STANDBY, Pool, Rules
from scheduler.simulation.rivals import Policy
from scheduler.simulation.trace import Job

_WINDOW_MINUTES: Final = 10
_MINUTE: Final = 60.0
# Shorter times without a start are not kept.
_GAP_FROM: Final = 5.0


class Measures:
    """Keeps what slots did, minute by minute."""

    def __init__(self, tiers: Mapping[str, Rules], pools: Mapping[str, Pool]) -> None:
        self.tiers, self.pools = tiers, pools
        self.jobs: list[Job] = []
        self.served: dict[tuple[str, str], float] = defaultdict(float)
        self.held: Counter[tuple[str, str]] = Counter()
        self.begun: dict[tuple[str, str], float] = defaultdict(float)
        self.by_owner: dict[tuple[str, int], float] = defaultdict(float)
        self.capacity = self.used = self.lost = 0.0
        self.minutes: list[tuple[dict[tuple[str, str], float], frozenset[tuple[str, str]]]] = []
        self.gaps: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self.oldest_head: dict[str, float] = defaultdict(float)
        self._not_waiting: set[tuple[str, str]] = set()
        self._since: dict[str, float] = {}
        # Starts on standby while something of a plan could have used the slot.
        self.before_turn = 0
        self._losing = 0
        self._at = 0.0

    def advance(self, now: float) -> None:
        """Count the time since the last event."""
        passed, self._at = now - self._at, now
        if passed > 0:
            self.capacity += passed * sum(pool.slots for pool in self.pools.values())
            self.used += passed * sum(pool.running for pool in self.pools.values())
            self.lost += passed * self._losing

    def look(self, policy: Policy, now: float, *, granted: Iterable[tuple[Job, str]] = ()) -> None:
        """Look at what waits, after the grants of an event."""
        given = Counter(pool for job, pool in granted if job.call.tier == STANDBY)
        self._losing = 0
        waiting: set[str] = set()
        for pool in self.pools.values():
            tiers = policy.eligible_tiers(pool.kinds)
            waiting |= tiers
            if tiers - {STANDBY}:
                self.before_turn += given[pool.name]
            if tiers and pool.running < pool.slots:
                self._losing += pool.slots - pool.running
            self._not_waiting |= {(pool.name, t) for t in self.tiers if t not in tiers}
        for tier in self.tiers:
            if tier not in waiting:
                self._since.pop(tier, None)
            else:
                self._since.setdefault(tier, now)

    def started(self, job: Job, now: float) -> None:
        """Count a grant."""
        key = job.pool, job.call.tier
        self.held[key] += 1
        self.begun[key] += now
        self._gap(job.call.tier, now)
        self._since[job.call.tier] = now

    def ended(self, job: Job, now: float) -> None:
        """Count what an attempt held."""
        key = job.pool, job.call.tier
        self.held[key] -= 1
        self.begun[key] -= job.granted_at
        self.served[key] += now - job.granted_at
        if job.call.is_endless:
            self.by_owner[job.call.tier, job.call.owner] += now - job.granted_at

    def minute(self, now: float, oldest: Mapping[str, float]) -> None:
        """Close a minute."""
        keys = [(pool, tier) for pool in self.pools for tier in self.tiers]
        total = {key: self.served[key] + self.held[key] * now - self.begun[key] for key in keys}
        self.minutes.append((total, frozenset(self._not_waiting)))
        self._not_waiting.clear()
        for tier, age in oldest.items():
            self.oldest_head[tier] = max(self.oldest_head[tier], age)
        for tier in self._since:
            self._gap(tier, now)

    def _gap(self, tier: str, now: float) -> None:
        since = self._since.get(tier)
        if since is not None and now - since > _GAP_FROM:
            self.gaps[tier].append((now - since, now))

    def longest_gap(self, tier: str, *, since: float = 0.0) -> float:
        """Give the longest time that a tier waited without a start, seconds; 0 below a moment."""
        return round(max((gap for gap, at in self.gaps[tier] if at >= since), default=0.0), 1)

    def worst_window(self) -> tuple[float, int]:
        """Give the worst distance from weight, in percentage points, over windows in which all waited."""
        worst, count = 0.0, 0
        weights = {tier: rules.weight for tier, rules in self.tiers.items() if rules.weight}
        total = sum(weights.values())
        for last in range(_WINDOW_MINUTES, len(self.minutes)):
            window = self.minutes[last - _WINDOW_MINUTES + 1 : last + 1]
            before = self.minutes[last - _WINDOW_MINUTES][0]
            for pool in self.pools:
                if any((pool, tier) in gone for _, gone in window for tier in weights):
                    continue
                got = {t: window[-1][0][pool, t] - before[pool, t] for t in self.tiers}
                whole = sum(got.values())
                count += 1
                for tier, weight in weights.items():
                    off = abs(got[tier] / whole - weight / total) if whole else 0.0
                    worst = max(worst, 100 * off)
        return round(worst, 2), count

    def jain(self) -> dict[str, float]:
        """Give Jain's index (Jain, Chiu, Hawe 1984) over owners who always had work waiting, by tier."""
        found = {}
        for tier in self.tiers:
            got = [seconds for (of, _), seconds in self.by_owner.items() if of == tier]
            if len(got) > 1 and any(got):
                index = sum(got) ** 2 / (len(got) * sum(each**2 for each in got))
                found[tier] = round(index, 4)
        return found


def quantile(values: Iterable[float], q: float) -> float | None:
    """Give a quantile; None of nothing."""
    ranked = sorted(values)
    return round(ranked[min(len(ranked) - 1, int(q * len(ranked)))], 2) if ranked else None


def waits(
    jobs: Iterable[Job],
    tier: str,
    *,
    since: float,
    until: float,
    now: float,
    conforming: bool = False,
) -> list[float]:
    """Give how long jobs waited that came in a span; what waits still, until now."""
    return [
        job.waited
        if job.started_at is not None or job.expired_at is not None
        else now - job.submitted_at
        for job in jobs
        if job.call.tier == tier
        and since <= job.submitted_at < until
        and not job.call.is_endless
        and (job.had_none or not conforming)
    ]
