"""A small installation in memory, moved step by step by what a test draws."""

from dataclasses import dataclass, field, replace

from scheduler.simulation.fair import Fair
from scheduler.simulation.fleet import TIERS, Pool, Rules
from scheduler.simulation.trace import Call, Job

NO_LIMITS = {
    name: replace(rules, running_limit=None, queued_limit=None, bound_seconds=None)
    for name, rules in TIERS.items()
}
STANDBY = replace(NO_LIMITS["free"], weight=0, rank=1)


@dataclass(slots=True)
class Toy:
    """Pools, the policy, a clock, and the order of grants."""

    tiers: dict[str, Rules]
    pools: dict[str, Pool]
    batch: int = 10
    now: float = 0.0
    policy: Fair = field(init=False)
    running: list[tuple[float, Job]] = field(default_factory=list)
    waiting: list[Job] = field(default_factory=list)
    granted: list[tuple[int, str]] = field(default_factory=list)
    starts: list[tuple[float, str, int]] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.policy = Fair(self.tiers, self.pools, batch=self.batch)

    def submit(
        self,
        owner: int,
        *,
        tier: str = "pro",
        kind: str = "k",
        run: float = 10.0,
        estimate: float | None = None,
        number: int | None = None,
    ) -> Job:
        call = Call(self.now, owner, tier, kind, run, estimate or run, obeys=False)
        job = Job(call, self.count if number is None else number, self.now)
        self.count += 1
        self.waiting.append(job)
        self.policy.add(job)
        return job

    def cancel(self, job: Job) -> None:
        self.waiting.remove(job)
        self.policy.remove(job)

    def grant(self) -> list[Job]:
        jobs = [job for job, _ in self.policy.grants(self.now)]
        for job in jobs:
            self.waiting.remove(job)
            self.running.append((self.now + job.call.run, job))
            self.granted.append((job.number, job.pool))
            self.starts.append((self.now, job.call.tier, job.call.owner))
        return jobs

    def finish_next(self, *, is_ours: bool = False) -> None:
        if not self.running:
            return
        self.running.sort(key=lambda each: (each[0], each[1].number))
        ends_at, job = self.running.pop(0)
        self.now = max(self.now, ends_at)
        self.pools[job.pool].running -= 1
        self.policy.ended(job, now=self.now, is_ours=is_ours)


def pool(name: str = "main", *, slots: int = 4, kinds: str = "k") -> dict[str, Pool]:
    return {name: Pool(name=name, slots=slots, kinds=frozenset(kinds.split()))}


def toy(*pools: dict[str, Pool], tiers: dict[str, Rules] | None = None, batch: int = 10) -> Toy:
    joined: dict[str, Pool] = {}
    for each in pools or (pool(),):
        joined |= {name: replace(row) for name, row in each.items()}
    return Toy(tiers=tiers or dict(TIERS), pools=joined, batch=batch)
