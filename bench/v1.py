"""What a poll of one video below /v1/ costs, whatever waits: milliseconds, and queries of ten polls a second."""

import time
from statistics import median
from typing import TYPE_CHECKING, Final

from bench import backlog, private

if TYPE_CHECKING:
    from django.test import Client

_SMALL: Final = 1_000
_LARGE: Final = 200_000
_POLLS: Final = 300
_A_SECOND: Final = 10


def measure() -> dict[str, float]:
    """Ask after one that waits and one that has ended, as clients do that poll ten times a second."""
    with private.application():
        owners = backlog.add_owners()
        found: dict[str, float] = {}
        for name, count, among in (("1k", _SMALL, 200), ("200k", _LARGE, 8_000)):
            backlog.fill(owners, count, among=among)
            found |= {f"{figure}, {name} waiting": cost for figure, cost in _polled().items()}
        return found


def _polled() -> dict[str, float]:
    from django.test import Client  # noqa: PLC0415 - after django.setup

    from jobs import outlooks  # noqa: PLC0415
    from jobs.models import Job  # noqa: PLC0415
    from scheduler.publisher import Publisher  # noqa: PLC0415
    from videogen.accounts import keys  # noqa: PLC0415
    from videogen.accounts.models import User  # noqa: PLC0415

    Publisher().publish()
    outlooks.forget()
    waiting, other = Job.objects.order_by("-owner_id")[:2]
    Job.objects.filter(id=other.id).update(
        owner_id=waiting.owner_id,
        state="succeeded",
        finished_at=other.created_at,
        progress=100,
        video_url="https://videos.example/1.mp4",
    )
    key = keys.create(User.objects.get(pk=waiting.owner_id), name=str(time.time()))
    client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {key}"})
    found: dict[str, float] = {}
    for name, job in (("waiting", waiting), ("ended", other)):
        path = f"/v1/videos/video_{job.id.hex}"
        tag = client.get(path).headers["ETag"]
        for manner, headers in (("", {}), (" 304", {"If-None-Match": tag})):
            wall, processor, queries = _cost(client, path, headers)
            found[f"{name}{manner}, ms"] = wall
            found[f"{name}{manner}, Python ms"] = processor
            found[f"{name}{manner}, queries of {_A_SECOND}"] = queries
    return found


def _cost(client: "Client", path: str, headers: dict[str, str]) -> tuple[float, float, float]:
    from django.db import connection  # noqa: PLC0415 - after django.setup
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    took = []
    began = time.process_time()
    for _ in range(_POLLS):
        before = time.perf_counter()
        answer = client.get(path, headers=headers)
        took.append(1_000 * (time.perf_counter() - before))
        if answer.status_code not in {200, 304}:
            raise RuntimeError(f"{path} answered {answer.status_code}")
    worked = 1_000 * (time.process_time() - began) / _POLLS
    with CaptureQueriesContext(connection) as captured:
        for _ in range(_A_SECOND):
            client.get(path, headers=headers)
            time.sleep(1 / _A_SECOND)
    return median(took), worked, len(captured)
