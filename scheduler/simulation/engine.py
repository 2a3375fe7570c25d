"""A discrete-event simulation of calls, slots and time: the same seed gives the same run."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any, Final

from jobs.door import Refused, Ticket
from scheduler import admission
from scheduler.admission import Standing
from scheduler.simulation.entrance import Entrance
from scheduler.simulation.fair import Fair
from scheduler.simulation.fleet import STANDBY, Change, Fleet, Pool, Rules
from scheduler.simulation.measures import Measures
from scheduler.simulation.outlooks import Outlooks
from scheduler.simulation.rivals import Policy
from scheduler.simulation.trace import Call, Job, call

_TICK: Final = 10.0
_MINUTE: Final = 60.0
# Callers who obey come within so many seconds after the time that they were told.
_LATE_BY: Final = 4.0
# An attempt that was lost is tried again after so many seconds, doubled each time.
_RETRY_AFTER: Final = 5.0
# Of those who are offered standby so many take it, and set it one of these ends, seconds.
_TAKES_STANDBY: Final = 0.1
_STANDBY_LASTS: Final = (1200.0, 3600.0, 86_400.0)

MakePolicy = Callable[[Mapping[str, Rules], Mapping[str, Pool]], Policy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What happens: calls in order, the fleet, and for how long."""

    calls: Sequence[Call]
    fleet: Fleet
    until: float
    # Before this nothing is measured.
    warm: float = 0.0


@dataclass(slots=True)
class Result:
    """What came of a run."""

    trace: Trace
    measures: Measures
    jobs: list[Job] = field(default_factory=list)
    door: dict[str, Any] | None = None
    ranges: dict[str, Any] | None = None
    expired: int = 0


class Engine:
    """One run of one policy over a trace."""

    def __init__(self, trace: Trace, make: MakePolicy, *, seed: int, quotes: bool = True) -> None:
        self.trace, self.seed = trace, seed
        self.random = Random(f"run {seed}")
        self.pools = trace.fleet.opened()
        self.tiers = trace.fleet.tiers
        self.policy = make(self.tiers, self.pools)
        self.measures = Measures(self.tiers, self.pools)
        self.result = Result(trace, self.measures)
        self.outlooks: Outlooks | None = None
        self.entrance: Entrance | None = None
        if isinstance(self.policy, Fair) and quotes:
            self.outlooks = Outlooks(self.policy, self.pools)
            if trace.fleet.has_door:
                self.entrance = Entrance(self.policy, self.outlooks)
        self.active: Counter[int] = Counter()
        self.own: dict[int, Random] = {}
        self.events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.sequence = 0
        self.standings = {
            name: Standing(
                weight=rules.weight,
                is_paid=rules.is_paid,
                rank=rules.rank,
                bound_seconds=rules.bound_seconds,
            )
            for name, rules in self.tiers.items()
        }

    def run(self) -> Result:
        """Play the trace to its end."""
        self._at(0.0, self._tick)
        for change in self.trace.fleet.changes:
            self._at(change.at, self._change, change)
        calls, place = self.trace.calls, 0
        while True:
            event_at = self.events[0][0]
            if place < len(calls) and calls[place].at < event_at:
                now, act, arguments = calls[place].at, self._call, (calls[place],)
                place += 1
            else:
                now, _, act, arguments = heappop(self.events)
            if now > self.trace.until:
                break
            self.measures.advance(now)
            act(now, *arguments)
            granted = self.policy.grants(now)
            for job, _ in granted:
                self._start(now, job)
            self.measures.look(self.policy, now, granted=granted)
        if self.entrance is not None:
            self.result.door = self.entrance.figures()
        if self.outlooks is not None:
            self.result.ranges = self.outlooks.figures(cuts=self._cuts())
        return self.result

    def _cuts(self) -> list[float]:
        slots = {name: count for name, count, _ in self.trace.fleet.pools}
        found = []
        for change in self.trace.fleet.changes:
            if change.slots is not None:
                if change.slots < slots[change.pool]:
                    found.append(change.at)
                slots[change.pool] = change.slots
        return found

    def _at(self, when: float, act: Callable[..., None], *arguments: Any) -> None:
        self.sequence += 1
        heappush(self.events, (when, self.sequence, act, arguments))

    def _call(self, now: float, asked: Call, ticket: Ticket | None = None) -> None:
        if self.entrance is not None and not asked.is_endless:
            refused = self.entrance.ask(
                asked, now=now, ticket=ticket, spread=self.random.uniform(0.0, 2.0)
            )
            if refused is not None:
                self._refused(now, asked, refused, is_back=ticket is not None)
                return
        self._accept(now, asked)

    def _refused(self, now: float, asked: Call, refused: Refused, *, is_back: bool) -> None:
        if refused.is_standby_offered and self.random.random() < _TAKES_STANDBY:
            self._stand_by(now, asked)
        elif refused.retry_after is not None and not is_back and asked.obeys:
            # Who obeys comes back once.
            back = now + refused.retry_after + self.random.uniform(0.0, _LATE_BY)
            self._at(back, self._call, asked, refused.ticket)

    def _stand_by(self, now: float, asked: Call) -> None:
        if self.entrance is not None and self.entrance.admits_standby(asked):
            job = self._accept(now, asked._replace(tier=STANDBY, plan=asked.tier))
            self._at(now + self.random.choice(_STANDBY_LASTS), self._expire, job)

    def _expire(self, now: float, job: Job) -> None:
        if job.attempts == 0 and job.expired_at is None:
            self.policy.remove(job)
            job.expired_at = now
            self.active[job.call.owner] -= 1
            self.result.expired += 1
            if self.outlooks is not None:
                self.outlooks.given_up(job)

    def _accept(self, now: float, asked: Call) -> Job:
        job = Job(asked, len(self.result.jobs), now, had_none=not self.active[asked.owner])
        self.result.jobs.append(job)
        self.active[asked.owner] += 1
        self.policy.add(job)
        if self.outlooks is None or asked.tier == STANDBY:
            return job
        self.outlooks.arrived(job, now=now)
        expected = self.outlooks.quote(job, now=now, is_new=True)
        if expected is not None:
            self._at(now + self.random.uniform(0.0, 2.0) * expected.seconds, self._ask_again, job)
        return job

    def _ask_again(self, now: float, job: Job) -> None:
        is_waiting = job.attempts == 0 and job.expired_at is None
        if self.outlooks is not None and is_waiting:
            self.outlooks.quote(job, now=now, is_new=False)

    def _start(self, now: float, job: Job) -> None:
        if job.started_at is None:
            job.started_at = now
            if self.outlooks is not None:
                self.outlooks.started(job, now=now)
        job.attempts += 1
        self.measures.started(job, now)
        failing = self.pools[job.pool].failing
        if failing and self.random.random() < failing:
            self._at(now + job.call.run * self.random.uniform(0.05, 0.9), self._lose, job)
        else:
            self._at(now + job.call.run, self._end, job)
        if job.call.is_endless:
            self._at(now, self._call, self._another(job.call, now))

    def _another(self, before: Call, now: float) -> Call:
        own = self.own.setdefault(
            before.owner,
            Random(f"owner {self.seed} {before.owner}"),
        )
        return call(
            own,
            at=now,
            owner=before.owner,
            tier=before.tier,
            kind=before.kind,
            larger=before.larger,
            is_endless=True,
        )

    def _end(self, now: float, job: Job) -> None:
        self._free(now, job, is_ours=False)
        self.active[job.call.owner] -= 1
        if self.outlooks is not None:
            self.outlooks.ran(job.call.run)

    def _lose(self, now: float, job: Job) -> None:
        self._free(now, job, is_ours=True)
        self._at(now + _RETRY_AFTER * 2 ** min(job.attempts, 4), self._again, job)

    def _again(self, now: float, job: Job) -> None:
        self.policy.add(job)

    def _free(self, now: float, job: Job, *, is_ours: bool) -> None:
        self.pools[job.pool].running -= 1
        self.measures.ended(job, now)
        self.policy.ended(job, now=now, is_ours=is_ours)

    def _change(self, now: float, change: Change) -> None:
        pool = self.pools[change.pool]
        if change.slots is not None:
            pool.slots_before, pool.slots, pool.changed_at = pool.slots, change.slots, now
        if change.failing is not None:
            pool.failing = change.failing
        if self.outlooks is not None:
            self.outlooks.capacity_changed()
        self._publish(now)

    def _publish(self, now: float) -> None:
        if self.outlooks is not None:
            self.outlooks.passed(now)
        if self.entrance is not None:
            self.entrance.note(now)

    def _tick(self, now: float) -> None:
        self._at(now + _TICK, self._tick)
        self._publish(now)
        if isinstance(self.policy, Fair):
            self._give_up(now, self.policy)
        if now % _MINUTE == 0:
            self.measures.minute(now, self._oldest(now))

    def _oldest(self, now: float) -> dict[str, float]:
        if not isinstance(self.policy, Fair):
            return {}
        lines = [line for line in self.policy.lines.values() if line.oldest]
        return {line.tier: now - line.oldest[0][0] for line in lines}

    def _give_up(self, now: float, policy: Fair) -> None:
        for tier in admission.shedding_order(self.standings):
            bound = self.standings[tier].bound_seconds
            if bound is None or self.standings[tier].is_paid:
                continue
            for job in policy.overdue(tier, before=now - bound):
                if job.attempts == 0 and admission.is_given_up(
                    self.standings[tier], waited=now - job.submitted_at
                ):
                    self._expire(now, job)
