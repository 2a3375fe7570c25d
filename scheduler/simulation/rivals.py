"""What the policy is compared with: first come first served, strict tiers, and owners in turn."""

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Protocol

from scheduler.simulation.fleet import Pool, Rules
from scheduler.simulation.trace import Job


class Policy(Protocol):
    """Keeps what waits, and says what starts where."""

    name: str

    def add(self, job: Job) -> None:
        """Take a waiting job."""

    def remove(self, job: Job) -> None:
        """Forget a waiting job."""

    def ended(self, job: Job, *, now: float, is_ours: bool) -> None:
        """Learn that an attempt ended."""

    def grants(self, now: float) -> list[tuple[Job, str]]:
        """Give free slots to jobs."""

    def eligible_tiers(self, kinds: Iterable[str]) -> set[str]:
        """Give the tiers with something that could run on these kinds of slots."""


class _Queues(ABC):
    """Queues by some key and kind; a subclass says which queue a job joins, and the order of queues."""

    name = ""

    def __init__(self, tiers: Mapping[str, Rules], pools: Mapping[str, Pool]) -> None:
        self.tiers, self.pools = tiers, pools
        self.queues: dict[tuple[int, str], deque[Job]] = {}
        self.waiting: Counter[tuple[str, str]] = Counter()

    @abstractmethod
    def key(self, job: Job) -> int:
        """Say which queue a job joins."""

    @abstractmethod
    def order(self, key: int, job: Job) -> tuple[float, int]:
        """Give what the queue with the least of it is served by."""

    def served(self, key: int) -> None:  # noqa: B027 - most keep no turns
        """Note whose turn it was."""

    def add(self, job: Job) -> None:
        queue = self.queues.setdefault((self.key(job), job.call.kind), deque())
        if queue and job.number < queue[0].number:
            queue.appendleft(job)
        else:
            queue.append(job)
        self.waiting[job.call.tier, job.call.kind] += 1

    def remove(self, job: Job) -> None:
        self.queues[self.key(job), job.call.kind].remove(job)
        self.waiting[job.call.tier, job.call.kind] -= 1

    def ended(self, job: Job, *, now: float, is_ours: bool) -> None:  # noqa: B027 - none learns
        """Nothing is kept of what ended."""

    def grants(self, now: float) -> list[tuple[Job, str]]:
        done = []
        for pool in self.pools.values():
            while pool.running < pool.slots and (job := self._next(pool.kinds)) is not None:
                pool.running += 1
                job.pool, job.granted_at = pool.name, now
                done.append((job, pool.name))
        return done

    def _next(self, kinds: frozenset[str]) -> Job | None:
        fitting = [at for at, queue in self.queues.items() if queue and at[1] in kinds]
        if not fitting:
            return None
        best = min(fitting, key=lambda at: self.order(at[0], self.queues[at][0]))
        job = self.queues[best].popleft()
        if not self.queues[best]:
            del self.queues[best]
        self.waiting[job.call.tier, job.call.kind] -= 1
        self.served(best[0])
        return job

    def eligible_tiers(self, kinds: Iterable[str]) -> set[str]:
        return {tier for (tier, kind), count in self.waiting.items() if count and kind in kinds}


class FirstCome(_Queues):
    """One queue for all."""

    name = "fifo"

    def key(self, job: Job) -> int:
        return 0

    def order(self, key: int, job: Job) -> tuple[float, int]:
        return 0.0, job.number


class StrictTiers(_Queues):
    """The highest tier first, first come first served inside it."""

    name = "strict"

    def key(self, job: Job) -> int:
        return -self.tiers[job.call.tier].rank

    def order(self, key: int, job: Job) -> tuple[float, int]:
        return key, job.number


class OwnersInTurn(_Queues):
    """Every owner in turn, a job each, whatever the tier and the size."""

    name = "round_robin"

    def __init__(self, tiers: Mapping[str, Rules], pools: Mapping[str, Pool]) -> None:
        super().__init__(tiers, pools)
        self.turn = 0
        self.last: dict[int, int] = {}

    def key(self, job: Job) -> int:
        return job.call.owner

    def order(self, key: int, job: Job) -> tuple[float, int]:
        return self.last.get(key, 0), job.number

    def served(self, key: int) -> None:
        self.turn += 1
        self.last[key] = self.turn
