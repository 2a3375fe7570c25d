"""A fault of the reference server, where it is met, and by whom."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobs.backends.backend import Hint, Order
from tests.fake_gpu.receiver import Letter, Receiver
from tests.gpu import FakeGpu
from tests.jobs.backends.dialects import Dialect, letters
from tests.jobs.backends.naive import Naive


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One server on which a fault strikes, and who meets it."""

    gpu: FakeGpu
    receiver: Receiver
    spoken: Dialect
    naive: Naive
    seconds: int

    def naive_job(self) -> str:
        """Give the naive driver's job, which the GPU works on or has ended."""
        job = self.naive.submit()
        self.gpu.wait_for("started", job)
        return job

    def sent(self, **changes: Any) -> Order:
        """Give an order of ours that the server took."""
        changes.setdefault("seconds", self.seconds)
        return self.spoken.sent(self.spoken.order(self.gpu, **changes))

    def runs(self, prompt: str) -> int:
        """Say how often a prompt was taken."""
        return sum(one["prompt"] == prompt for one in self.gpu.journal("submitted"))

    def letters(self, job: str, count: int = 1) -> list[Letter]:
        return letters(self.receiver, job, count)

    def hint(self, wanted: Order, letter: Letter) -> Hint:
        site, now = wanted.site, time.time()
        return self.spoken.backend.hint(site, letter.headers, letter.body, now=now)


Act = Callable[[Scene], None]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fault, where it is met, what a naive driver makes of it, and what ours does."""

    fault: str
    wrong: Act
    right: Act
    dialect: str = "sglang"
    # What holds the scene still beside it.
    along: tuple[str, ...] = ()
    seconds: int = 4
