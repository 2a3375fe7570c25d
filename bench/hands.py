"""One of the three that `bin/bench grants` lets work beside each other: it submits, grants, or ends jobs.

`python -m bench.hands submit|grant|end RATE`, until it is terminated.
"""

import signal
import sys
import time
from collections.abc import Callable
from random import Random
from uuid import UUID

import django

_OWNERS = 50_000


def main(hand: str, rate: int) -> None:
    """Act so many times a second; who is late catches up."""
    django.setup()
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    if hand == "grant":
        _dispatch(stopped)
        return
    act = _submitting() if hand == "submit" else _ending()
    due = time.monotonic()
    while not stopped:
        act()
        due = max(due + 1 / rate, time.monotonic() - 1.0)
        time.sleep(max(0.0, due - time.monotonic()))


def _dispatch(stopped: list[int]) -> None:
    from scheduler import dispatch  # noqa: PLC0415 - after django.setup
    from scheduler.board import Memory  # noqa: PLC0415

    memory = Memory()
    while not stopped:
        batch = dispatch.grant_batch(memory)
        time.sleep(0.005 if batch.doorbells or batch.is_cut else 0.02)


def _submitting() -> Callable[[], object]:
    from jobs import requests, submission  # noqa: PLC0415 - after django.setup

    random = Random(3)
    request = requests.read({"prompt": "A whale", "model": "small"})

    def act() -> object:
        owner = UUID(int=1 + random.randrange(_OWNERS))
        return submission.submit(request, owner_id=owner)

    return act


def _ending() -> Callable[[], object]:
    from jobs import transitions  # noqa: PLC0415 - after django.setup
    from jobs.backends.backend import Video  # noqa: PLC0415
    from jobs.ids import JobId  # noqa: PLC0415
    from jobs.models import Lease  # noqa: PLC0415

    video = Video(url="https://videos.example/1.mp4", thumbnail_url="")
    running: list[tuple[UUID, int]] = []

    def act() -> None:
        if not running:
            running.extend(
                Lease.objects.order_by("granted_at").values_list("job_id", "attempt")[:50]
            )
        if running:
            job_id, attempt = running.pop(0)
            transitions.succeed(JobId(job_id), attempt=attempt, video=video)

    return act


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
