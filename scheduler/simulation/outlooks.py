"""What is published for those who wait, and whether the ranges that were quoted proved right."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice, pairwise
from statistics import median
from typing import Any, Final

from jobs.outlook import Band, BandKey, Expected, Outlook, Place, bucket, expect
from scheduler import estimates
from scheduler.estimates import ARRIVALS_OVER, LineDemand
from scheduler.simulation.fair import Fair, LineRow
from scheduler.simulation.fleet import Pool
from scheduler.simulation.trace import MEAN_RUN, Job

# The dispatcher publishes so often.
EVERY = 2.0
# For so long after a change of capacity ranges cover the old and the new.
_AFTER_CHANGE = 300.0
# Moments around a cut, seconds, between which ranges are looked at: in those told shortly before, nobody
# could know of it.
_AROUND_CUT: Final = (-1200.0, -300.0, -60.0, 0.0, 300.0, 1200.0)


@dataclass(slots=True)
class Quote:
    """A range that somebody was told, and how it came out."""

    job: Job
    tier: str
    at: float
    expected: Expected
    is_new: bool
    is_after_change: bool
    outcome: str = ""


class Outlooks:
    """Publishes outlooks of lines, gives quotes, and learns bands from what became of them."""

    def __init__(self, policy: Fair, pools: Mapping[str, Pool]) -> None:
        self.policy, self.pools = policy, pools
        self.arrivals: dict[int, deque[tuple[float, float, float]]] = {
            number: deque() for number in policy.numbered
        }
        self.arriving: dict[int, float] = dict.fromkeys(policy.numbered, 0.0)
        self.mean_run = self.mean_cost = MEAN_RUN
        self.bands: dict[BandKey, Band] = {}
        self.quotes: list[Quote] = []
        self._open: dict[int, list[Quote]] = {}
        self._ends: list[tuple[float, int, Quote]] = []
        self._drains: tuple[float, dict[int, float], dict[int, float]] = (-EVERY, {}, {})
        self._published: dict[int, tuple[float, Outlook]] = {}

    def arrived(self, job: Job, *, now: float) -> None:
        """Count a job among the arrivals of its line, with its lead over it."""
        call = job.call
        line = self.policy.lines[call.tier, call.kind]
        lead = max(0.0, line.lanes[call.owner].tag - line.virtual_time)
        self.arrivals[line.number].append((now, call.estimate, lead))
        self.arriving[line.number] += call.estimate
        self.mean_cost += (call.estimate - self.mean_cost) / 500

    def drains(self, now: float) -> dict[int, float]:
        """Give how fast each line drains, as published."""
        if now - self._drains[0] >= EVERY:
            found = self._line_drains(now, {n: pool.slots for n, pool in self.pools.items()})
            self._drains = now, found, self._before(now)
        return self._drains[1]

    def capacity_changed(self) -> None:
        """Publish at once."""
        self._drains = -EVERY, {}, {}
        self._published.clear()

    def _before(self, now: float) -> dict[int, float]:
        if not any(self.is_changed(pool, now) for pool in self.pools.values()):
            return {}
        slots = {
            name: pool.slots_before if self.is_changed(pool, now) else pool.slots
            for name, pool in self.pools.items()
        }
        return self._line_drains(now, slots)

    @staticmethod
    def is_changed(pool: Pool, now: float) -> bool:
        """Say whether a pool's capacity changed in the last minutes."""
        return now - pool.changed_at < _AFTER_CHANGE

    def _line_drains(self, now: float, slots: Mapping[str, int]) -> dict[int, float]:
        demands = {}
        for number, line in self.policy.numbered.items():
            recent = self.arrivals[number]
            while recent and recent[0][0] < now - ARRIVALS_OVER:
                self.arriving[number] -= recent.popleft()[1]
            wants = estimates.demand(
                arriving=max(0.0, self.arriving[number]) / ARRIVALS_OVER, waiting=line.work
            )
            demands[number] = LineDemand(
                tier=line.tier, kind=line.kind, wants=wants, owners=line.owners
            )
        pools = [(float(slots[name]), pool.kinds) for name, pool in self.pools.items()]
        weights = {tier: rules.weight for tier, rules in self.policy.tiers.items()}
        return estimates.line_drains(pools, demands, weights)

    def outlook(self, line: LineRow, now: float) -> Outlook:
        """Give what is published for a line; it is up to two seconds old."""
        known = self._published.get(line.number)
        if known is not None and now - known[0] < EVERY:
            return known[1]
        slots = sum(pool.slots for pool in self.pools.values() if line.kind in pool.kinds)
        drains = self.drains(now)
        found = Outlook(
            tier=line.tier,
            virtual_time=line.virtual_time,
            work=estimates.work_ahead(
                (lane.tag, lane.work, lane.jobs[0].call.estimate) for lane in line.waiting.values()
            ),
            overtaking=estimates.overtaking(
                (lead, work) for _, work, lead in self.arrivals[line.number]
            ),
            drain=drains[line.number],
            mean_cost=self.mean_cost,
            mean_run=self.mean_run,
            slots=slots,
            bands=self.bands,
            drain_before=self._drains[2].get(line.number),
        )
        self._published[line.number] = now, found
        return found

    def quote(self, job: Job, *, now: float, is_new: bool) -> Expected | None:
        """Tell a waiting job's owner when it starts."""
        expected = self.expected(job, now=now, is_new=is_new)
        if expected is not None:
            self._note(job, expected, now=now, is_new=is_new)
        return expected

    def expected(self, job: Job, *, now: float, is_new: bool) -> Expected | None:
        """Foresee when a waiting job starts."""
        call = job.call
        line = self.policy.lines[call.tier, call.kind]
        lane = line.lanes[call.owner]
        place = lane.jobs.index(job)
        before = list(islice(lane.jobs, place))
        return expect(
            self.outlook(line, now),
            Place(
                tag=lane.tag,
                own_work=sum(each.call.estimate for each in before),
                own_jobs=place,
                own_running=self.policy.running[call.owner],
                own_limit=self.policy.tiers[call.tier].running_limit,
                is_new=is_new,
            ),
        )

    def _note(self, job: Job, expected: Expected, *, now: float, is_new: bool) -> None:
        is_after = any(self.is_changed(pool, now) for pool in self.pools.values())
        quote = Quote(job, job.call.tier, now, expected, is_new, is_after)
        self.quotes.append(quote)
        self._open.setdefault(job.number, []).append(quote)
        heappush(self._ends, (now + expected.high, len(self.quotes), quote))

    def passed(self, now: float) -> None:
        """Learn from upper ends that passed before their jobs started."""
        while self._ends and self._ends[0][0] < now:
            _, _, quote = heappop(self._ends)
            if not quote.outcome:
                self._learn(quote, "late")

    def started(self, job: Job, *, now: float) -> None:
        """Learn from a start."""
        self.passed(now)
        for quote in self._open.pop(job.number, []):
            if not quote.outcome:
                is_early = now < quote.at + quote.expected.low
                self._learn(quote, "early" if is_early else "inside")

    def given_up(self, job: Job) -> None:
        """Learn from a job that expired: whatever was told, it is late."""
        for quote in self._open.pop(job.number, []):
            if not quote.outcome:
                self._learn(quote, "late")

    def ran(self, seconds: float) -> None:
        """Learn how long jobs run."""
        self.mean_run += (seconds - self.mean_run) / 500

    def _learn(self, quote: Quote, outcome: str) -> None:
        quote.outcome = outcome
        key = quote.expected.key
        self.bands[key] = estimates.calibrated(
            self.bands.get(key, Band()), is_late=outcome == "late", is_early=outcome == "early"
        )

    def figures(self, *, cuts: Sequence[float] = ()) -> dict[str, Any]:
        """Give the share of ranges that proved right, overall, by tier, by wait, and their width.

        `cuts` are the moments at which capacity was lost: shares and widths before and after the first one.
        """
        known = [quote for quote in self.quotes if quote.outcome]
        later = [quote for quote in known if not quote.is_new]
        return {
            "quotes": len(known),
            "overall": _share(known),
            "at_submit": _share([quote for quote in known if quote.is_new]),
            "mid_wait": _share(later),
            "by_tier": {
                tier: _share([quote for quote in known if quote.tier == tier])
                for tier in self.policy.tiers
            },
            "by_bucket": {
                str(number): _share(
                    [quote for quote in known if bucket(quote.expected.seconds) == number]
                )
                for number in range(7)
            },
            "width_by_bucket": {
                str(number): _width(
                    [quote for quote in known if bucket(quote.expected.seconds) == number]
                )
                for number in range(7)
            },
            "after_change": _share([quote for quote in known if quote.is_after_change]),
            "around_cut": {
                f"{since / 60:g} to {until / 60:g} min": [
                    _share(told := [q for q in known if cut + since <= q.at < cut + until]),
                    _width(told),
                ]
                for cut in cuts[:1]
                for since, until in pairwise(_AROUND_CUT)
            },
            "width_by_point_mid_wait": _width(later),
        }


def _share(quotes: list[Quote]) -> float | None:
    if not quotes:
        return None
    return round(sum(quote.outcome == "inside" for quote in quotes) / len(quotes), 4)


def _width(quotes: list[Quote]) -> float | None:
    widths = [
        (quote.expected.high - quote.expected.low) / quote.expected.seconds
        for quote in quotes
        if quote.expected.seconds > 1
    ]
    return round(median(widths), 2) if widths else None
