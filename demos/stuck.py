"""Many jobs stuck in running: a GPU machine freezes in the middle of its work.

Two workers on a pool of their own play two machines, gpu-6 and gpu-7. gpu-7 is stopped (SIGSTOP) with
its generators: its jobs stay in `running`, and nobody says so. Later it wakes up and believes that it
still owns them.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Sum

from demos import stage
from jobs import pools
from jobs.models import Attempt, Job, Lease, LedgerEntry, Pool, Recovery
from jobs.states import TERMINAL
from notifications.models import Notification
from scheduler import incidents, invariants

_POOL = "demo"
_NODES = ("gpu-6", "gpu-7")
_JOBS = 8
# gpu-7 freezes when it runs so many.
_FROZEN = 3
_SECONDS = 12
_PATIENCE = 240.0
_ROOT = Path(__file__).resolve().parent.parent


def show() -> int:
    """Freeze one of two machines; exit status 1 when a job is lost, charged twice or noticed twice."""
    checks = stage.Checks()
    stage.title(f"Two GPU machines, {_JOBS} jobs")
    with _pool(), _machine(_NODES[0]), _machine(_NODES[1]) as frozen:
        ids = _submit()
        _wait("gpu-7 is at work", lambda: _running_on(_NODES[1]) >= _FROZEN)
        for node in _NODES:
            stage.say(f"{node} runs {_running_on(node)} jobs")

        stage.title("Before: gpu-7 freezes")
        os.killpg(frozen.pid, signal.SIGSTOP)
        frozen_at = time.monotonic()
        stuck = set(_on(_NODES[1]).values_list("job_id", flat=True))
        stage.say(f"gpu-7 says nothing any more. {len(stuck)} jobs are stuck in running.")
        stage.say(f"A lease lasts {settings.LEASE_SECONDS:g} s here, so they are found after that.")
        recovered_after = _follow(stuck, frozen_at)

        stage.title("After: what was found")
        for incident in incidents.recent(window_seconds=_PATIENCE):
            if incident.pool == _POOL:
                stage.say(str(incident))
        _wait("every job has ended", lambda: _ended(ids) == _JOBS)
        stage.say("gpu-7 wakes up, and goes on as if nothing had happened.")
        os.killpg(frozen.pid, signal.SIGCONT)
        time.sleep(min(5.0, settings.LEASE_SECONDS))
        _report(checks, ids, stuck, recovered_after)
    return checks.end()


def _report(checks: stage.Checks, ids: list[str], stuck: set[Any], recovered_after: float) -> None:
    mine = Job.objects.filter(id__in=ids)
    found = Recovery.objects.filter(job_id__in=stuck)
    captures = LedgerEntry.objects.filter(kind="capture", job_id__in=ids)
    notices = Counter(
        Notification.objects.filter(subject_id__in=ids).values_list("subject_id", flat=True)
    )
    print(f"  stuck {len(stuck)}; recovered {recovered_after:.1f} s after the freeze")
    checks.that("stuck jobs that were recovered", found=found.count(), expected=len(stuck))
    checks.that(
        "recoveries that name gpu-7",
        found=found.filter(node=_NODES[1], cause="silent_worker").count(),
        expected=len(stuck),
    )
    checks.that(
        "jobs with their video", found=mine.filter(state="succeeded").count(), expected=_JOBS
    )
    checks.that("charges", found=captures.count(), expected=_JOBS)
    held = mine.aggregate(found=Sum("credits_reserved"))["found"]
    charged = mine.aggregate(found=Sum("credits_charged"))["found"]
    checks.that("credits charged, of what was quoted once", found=charged, expected=held)
    checks.that("notices for each job", found=sorted(set(notices.values())), expected=[1])
    checks.that("jobs that got one", found=len(notices), expected=_JOBS)
    checks.that("recovered within a minute", found=recovered_after < 60, expected=True)
    broken = [violation.name for violation in invariants.violations()]
    checks.that("broken invariants", found=broken, expected=[])


def _follow(stuck: set[Any], frozen_at: float) -> float:
    """Say how the stuck jobs are found; give the seconds until the last one was recovered."""
    said = -1
    while (done := Recovery.objects.filter(job_id__in=stuck).count()) < len(stuck):
        if done != said:
            silent = Lease.objects.filter(job_id__in=stuck).count()
            stage.say(f"{silent} hold their slots and are silent, {done} recovered")
            said = done
        if time.monotonic() - frozen_at > _PATIENCE:
            raise SystemExit("They were not recovered in time. Does bin/dev still run?")
        time.sleep(0.5)
    took = time.monotonic() - frozen_at
    stage.say(f"all {len(stuck)} recovered, {took:.1f} s after the freeze")
    return took


def _submit() -> list[str]:
    found = []
    for number in range(_JOBS):
        body = {
            "prompt": f"A storm over the sea, view {number}",
            "model": _POOL,
            "seconds": _SECONDS,
        }
        answer = stage.api("internal", "jobs", body)
        if answer.status != 202:
            raise SystemExit(f"A submit was refused: {answer.body.decode()}")
        found.append(answer.json["id"])
    stage.say(f"{_JOBS} jobs submitted")
    return found


def _on(node: str) -> Any:
    return Attempt.objects.filter(
        pool=_POOL, node=node, started_at__isnull=False, ended_at__isnull=True
    )


def _running_on(node: str) -> int:
    return int(_on(node).count())


def _ended(ids: list[str]) -> int:
    return Job.objects.filter(id__in=ids, state__in=sorted(TERMINAL)).count()


def _wait(what: str, is_true: Any) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not is_true():
        if time.monotonic() > deadline:
            raise SystemExit(f"This did not happen in {_PATIENCE:g} s: {what}.")
        time.sleep(0.2)
    stage.say(what)


@contextmanager
def _pool() -> Iterator[None]:
    pools.put(
        _POOL,
        {
            "driver": "preview",
            "slots": _JOBS,
            "model_names": [_POOL],
            "seconds": [_SECONDS],
            "sizes": ["854x480"],
            "state": "active",
        },
        actor="demo stuck",
    )
    # Web workers learn of a new model within two seconds.
    time.sleep(2.1)
    try:
        yield
    finally:
        for job in (
            Job.objects.filter(pool_id=_POOL).live() | Job.objects.filter(model=_POOL).live()
        ):
            stage.api("internal", f"jobs/{job.id}/cancellation", {})
        deadline = time.monotonic() + settings.LEASE_SECONDS + 10
        while pools.remove(_POOL, actor="demo stuck") and time.monotonic() < deadline:
            time.sleep(0.5)
        if Pool.objects.filter(name=_POOL).exists():
            print(
                "  The pool 'demo' still runs something; it drains. bin/manage remove_pool --name demo"
            )


@contextmanager
def _machine(node: str) -> Iterator[subprocess.Popen[bytes]]:
    ready = Path(tempfile.gettempdir()) / f"videogen-demo-{os.getpid()}-{node}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "gpu_worker", "--pool", _POOL, "--node", node],
        cwd=_ROOT,
        env={**os.environ, "READY_FILE": str(ready)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"{node} is ready", ready.exists)
        yield process
    finally:
        ready.unlink(missing_ok=True)
        os.killpg(process.pid, signal.SIGCONT)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
