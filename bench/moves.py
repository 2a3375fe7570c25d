"""What the moves of one job cost: submit, grant, start, finish, each alone, against PostgreSQL on this machine.

`bin/bench moves` prints medians and 95th percentiles in milliseconds of wall time.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from bench import private

_JOBS = 600
Found = TypeVar("Found")
# The first ones fill caches and connections.
_WARM_UP = 100


def measure() -> dict[str, float]:
    """Move jobs through their life one after another; give every figure by name, with its unit."""
    with private.application():
        return _measure()


def _measure() -> dict[str, float]:
    from jobs import requests, submission, transitions  # noqa: PLC0415 - after django.setup
    from jobs.backends.backend import Video  # noqa: PLC0415
    from scheduler import dispatch  # noqa: PLC0415

    owner_id = private.add_owner("ann", slots=4)
    video = Video(url="https://videos.example/1.mp4", thumbnail_url="")
    took: dict[str, list[float]] = {"submit": [], "grant": [], "start": [], "finish": []}
    for number in range(_JOBS):
        request = requests.read({"prompt": f"A whale, take {number}", "seconds": 4})
        submit = partial(submission.submit, request, owner_id=owner_id)
        job_id = _timed(took["submit"], submit).job_id
        _timed(took["grant"], dispatch.grant_free_slots)
        _timed(took["start"], partial(transitions.start, job_id, attempt=1))
        _timed(took["finish"], partial(transitions.succeed, job_id, attempt=1, video=video))
    measured = {name: times[_WARM_UP:] for name, times in took.items()}
    measured["start_and_finish"] = [
        sum(pair) for pair in zip(measured["start"], measured["finish"], strict=True)
    ]
    found = {}
    for name, times in measured.items():
        found[f"{name}_median_ms"] = statistics.median(times) * 1000
        found[f"{name}_p95_ms"] = statistics.quantiles(times, n=20)[-1] * 1000
    return found


def _timed(times: list[float], act: Callable[[], Found]) -> Found:
    began = time.perf_counter()
    found = act()
    times.append(time.perf_counter() - began)
    return found
