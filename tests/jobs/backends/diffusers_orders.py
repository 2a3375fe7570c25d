"""Orders for the diffusers driver, and a control that notes what it hears."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from jobs.backends.backend import Order, Site, StopReason
from jobs.ids import JobId, OwnerId


class NotingControl:
    """Notes what a driver says; `stop_when` tells by then whether to stop."""

    def __init__(self, stop_when: Callable[["NotingControl"], bool] = lambda _: False) -> None:
        self.beginnings = 0
        self.percents: list[int] = []
        self.stopped_at: float | None = None
        self._stop_when = stop_when

    def began(self) -> None:
        self.beginnings += 1

    def progressed(self, percent: int) -> None:
        self.percents.append(percent)

    def stop_reason(self) -> StopReason | None:
        if self.stopped_at is None and self._stop_when(self):
            self.stopped_at = time.monotonic()
        return StopReason.CANCELED if self.stopped_at is not None else None


def an_order(profile: str = "tiny", **changes: Any) -> Order:
    values: dict[str, Any] = {
        "job_id": JobId(uuid4()),
        "owner_id": OwnerId(uuid4()),
        "attempt": 1,
        "prompt": "a whale",
        "model": "tiny",
        "seconds": 1,
        "width": 96,
        "height": 64,
        "seed": 7,
        "site": Site(pool="gpus", driver="diffusers", profile=profile, url=""),
    }
    return Order(**(values | changes))
