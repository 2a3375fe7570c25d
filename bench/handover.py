"""From a grant to the worker that takes it, on an idle machine: a real dispatcher loop, broker and worker.

`bin/bench handover` submits one job after another to the preview backend, and reads from the rows how long
each waited for its grant, and how long the grant waited for its worker.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from bench import private

_JOBS = 60
_WARM_UP = 3
_PATIENCE = 60.0
_ROOT = Path(__file__).resolve().parent.parent
_TAKEN = """
select extract(epoch from lease.granted_at - job.created_at)::float8 * 1000,
    extract(epoch from lease.picked_up_at - lease.granted_at)::float8 * 1000
from lease join job on job.id = lease.job_id where job.id = %s and picked_up_at is not null
"""


def measure() -> dict[str, float]:
    """Give milliseconds by name."""
    with private.application():
        # A worker asks for its pools when it starts.
        owner_id = private.add_owner("ann", slots=2)
        with _process("run", "dispatcher"), _process("gpu_worker"):
            return _measure(owner_id)


def _measure(owner_id: UUID) -> dict[str, float]:
    from jobs import requests, submission, transitions  # noqa: PLC0415 - after django.setup

    granted, taken = [], []
    for number in range(_JOBS):
        request = requests.read({"prompt": f"A whale, take {number}", "seconds": 2})
        job_id = submission.submit(request, owner_id=owner_id).job_id
        to_grant, to_worker = _wait_for(job_id)
        transitions.cancel(job_id, owner_id=owner_id)
        _wait_until_free()
        # So that the dispatcher is idle again, and its pause as long as it gets.
        time.sleep(0.4)
        if number >= _WARM_UP:
            granted.append(to_grant)
            taken.append(to_worker)
    found = {}
    for name, times in (("submit_to_grant", granted), ("grant_to_worker", taken)):
        found[f"{name}_median_ms"] = statistics.median(times)
        found[f"{name}_p99_ms"] = statistics.quantiles(times, n=100, method="inclusive")[-1]
    return found


def _wait_for(job_id: Any) -> tuple[float, float]:
    from django.db import connection  # noqa: PLC0415 - after django.setup

    ends_at = time.monotonic() + _PATIENCE
    while time.monotonic() < ends_at:
        with connection.cursor() as cursor:
            cursor.execute(_TAKEN, [job_id])
            if row := cursor.fetchone():
                return float(row[0]), float(row[1])
        time.sleep(0.002)
    raise SystemExit("No worker took the job in time.")


def _wait_until_free() -> None:
    from jobs.models import Lease  # noqa: PLC0415 - after django.setup

    ends_at = time.monotonic() + _PATIENCE
    while Lease.objects.exists():
        if time.monotonic() > ends_at:
            raise SystemExit("A canceled job kept its slot.")
        time.sleep(0.02)


@contextmanager
def _process(*arguments: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=_ROOT,
        env=os.environ.copy(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
