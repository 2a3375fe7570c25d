"""A thousand jobs stuck in running: how long until they are found, attributed and recovered.

`bin/bench stuck` gives 1,000 running jobs to three machines, of which gpu-7 has most, lets every lease run
out at once, and runs the sweep as its worker does. Then the jobs run again to their end, and money, notices
and invariants are checked; it exits with a sentence when one is wrong.
"""

import time
from collections import Counter
from uuid import UUID

from bench import private

_JOBS = 1_000
_NODES = ("gpu-7", "gpu-7", "gpu-7", "gpu-1", "gpu-2")


def measure() -> dict[str, float]:
    """Give the seconds and counts by name."""
    with private.application():
        return _measure()


def _measure() -> dict[str, float]:
    from jobs.models import Job, LedgerEntry, Recovery  # noqa: PLC0415 - after django.setup
    from notifications.models import Notification  # noqa: PLC0415
    from notifications.relay import Relay  # noqa: PLC0415
    from scheduler import incidents, invariants, sweeps  # noqa: PLC0415

    owner_id = private.add_owner("ann", slots=_JOBS)
    _submit(owner_id)
    _run_all()
    began = time.perf_counter()
    _let_leases_run_out()
    while Recovery.objects.count() < _JOBS:
        sweeps.rescue_silent_workers(lambda: 0.5)
    recovered = time.perf_counter() - began
    worst = incidents.recent(window_seconds=600)[0]
    read_off = time.perf_counter() - began

    Job.objects.filter(state="queued").update(due_at="2020-01-01T00:00:00Z")
    while Job.objects.filter(state="queued", due_at__isnull=False).exists():
        sweeps.return_due_retries()
    _run_all(finish=True)
    relay = Relay()
    relay.acquire_shards()
    while relay.step():
        pass
    notices = Counter(Notification.objects.values_list("subject_id", flat=True))
    charges = LedgerEntry.objects.filter(kind="capture").count()
    broken = [violation.name for violation in invariants.violations()]
    wrong = {
        "jobs without their video": Job.objects.exclude(state="succeeded").count(),
        "charges beside one for each job": charges - _JOBS,
        "jobs without one notice": _JOBS - sum(count == 1 for count in notices.values()),
        "broken invariants": len(broken),
    }
    if any(wrong.values()):
        raise SystemExit(f"Not as promised: {wrong} {broken}")
    return {
        "stuck_jobs": _JOBS,
        "recovered_s": recovered,
        "recovery_each_ms": recovered / _JOBS * 1000,
        "attributed_to_worst_node": worst.on_node,
        "attributed_s": read_off,
        "charges": charges,
        "notices": sum(notices.values()),
    }


def _submit(owner_id: UUID) -> None:
    from jobs import requests, submission  # noqa: PLC0415 - after django.setup

    for number in range(_JOBS):
        request = requests.read({"prompt": f"A whale, take {number}", "seconds": 4})
        submission.submit(request, owner_id=owner_id)


def _run_all(*, finish: bool = False) -> None:
    from jobs import leases, transitions  # noqa: PLC0415 - after django.setup
    from jobs.backends.backend import Video  # noqa: PLC0415
    from jobs.ids import JobId  # noqa: PLC0415
    from jobs.models import Lease  # noqa: PLC0415
    from scheduler import dispatch  # noqa: PLC0415

    while dispatch.grant_free_slots():
        pass
    granted = list(Lease.objects.order_by("job_id").values_list("job_id", "attempt"))
    for number, (id_, attempt) in enumerate(granted):
        job_id = JobId(id_)
        node = _NODES[number % len(_NODES)]
        leases.pick_up(job_id, attempt=attempt, worker=f"gpu.preview@{node}")
        transitions.start(job_id, attempt=attempt)
        if finish:
            video = Video(url=f"https://videos.example/{job_id}.mp4", thumbnail_url="")
            transitions.succeed(job_id, attempt=attempt, video=video)


def _let_leases_run_out() -> None:
    from django.db import connection  # noqa: PLC0415 - after django.setup

    with connection.cursor() as cursor:
        cursor.execute("update lease set expires_at = now() - interval '1 second'")
