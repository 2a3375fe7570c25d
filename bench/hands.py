"""One of those that `bin/bench grants` lets work beside each other: it submits, grants, or ends jobs.

`python -m bench.hands submit|grant|end RATE PART PARTS`, until it is terminated. Of several that end jobs each has
its part of the slots. The one that grants prints the number of its process in the database first.
"""

import signal
import sys
import time
from collections.abc import Callable
from random import Random
from uuid import UUID

import django

_OWNERS = 50_000


def main(hand: str, rate: int, part: int, parts: int) -> None:
    """Act so many times a second; who is late catches up."""
    django.setup()
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    if hand == "grant":
        _dispatch(stopped)
        return
    act = _submitting() if hand == "submit" else _ending(part, parts)
    due = time.monotonic()
    while not stopped:
        act()
        due = max(due + 1 / rate, time.monotonic() - 1.0)
        time.sleep(max(0.0, due - time.monotonic()))


def _dispatch(stopped: list[int]) -> None:
    from django.db import connection  # noqa: PLC0415 - after django.setup

    from scheduler import dispatch  # noqa: PLC0415
    from scheduler.board import Memory  # noqa: PLC0415

    connection.ensure_connection()
    print(connection.connection.info.backend_pid, flush=True)
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


def _ending(part: int, parts: int) -> Callable[[], object]:
    from django.db.models import F  # noqa: PLC0415 - after django.setup

    from jobs import transitions  # noqa: PLC0415
    from jobs.backends.backend import Video  # noqa: PLC0415
    from jobs.ids import JobId  # noqa: PLC0415
    from jobs.models import Lease  # noqa: PLC0415

    video = Video(url="https://videos.example/1.mp4", thumbnail_url="")
    running: list[tuple[UUID, int]] = []

    def act() -> None:
        if not running:
            running.extend(
                Lease.objects.alias(part=F("slot") % parts)
                .filter(part=part)
                .order_by("granted_at")
                .values_list("job_id", "attempt")[:50]
            )
        if running:
            job_id, attempt = running.pop(0)
            transitions.succeed(JobId(job_id), attempt=attempt, video=video)

    return act


if __name__ == "__main__":
    main(sys.argv[1], *(int(value) for value in sys.argv[2:5]))
