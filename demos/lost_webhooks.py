"""Webhooks that are lost, or come five times, early, late, out of order and forged.

Reference GPU servers, each in a process of its own, play a hosted backend that signs its webhooks. They work
through the running stack; what they say that they did is read from their journals and compared.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demos import stage
from jobs import pools
from jobs.models import Attempt, Job, LedgerEntry, WebhookMessage
from jobs.states import TERMINAL
from notifications.models import Notification
from scheduler import invariants

_JOBS = 12
_SLOTS = 4
_SECONDS = 4
_PATIENCE = 180.0
_LATE_SECONDS = 8
_ROOT = Path(__file__).resolve().parent.parent
# What the poller adds to its own interval at most, seconds.
_ALLOWED = 5.0
_LONGEST_POLL = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    """A reference server with its pool."""

    pool: str
    journal: Path

    def facts(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.journal.read_text().splitlines()]


def show() -> int:
    """Run three servers; exit status 1 when a job is missed, charged twice or noticed twice."""
    checks = stage.Checks()
    with _server("well", ()) as server:
        stage.title("Before: every webhook comes, once")
        _report(checks, server, _run(server))
    with _server("lost", ("webhook_lost",)) as server:
        stage.title("Every webhook is lost")
        lags = _report(checks, server, _run(server))
        limit = _LONGEST_POLL + _ALLOWED
        checks.that(f"ends learned within {limit:g} s", found=max(lags) < limit, expected=True)
    faults = (
        "webhook_duplicated",
        "webhook_early=0.3",
        "webhook_late=0.3",
        "webhook_reordered=0.3",
    )
    with _server("noisy", faults) as server:
        stage.title(
            "Every webhook comes five times at once; some before the create is answered, some late"
        )
        ids = _run(server)
        stage.say(f"waiting {_LATE_SECONDS + 1} s for what is late ...")
        time.sleep(_LATE_SECONDS + 1)
        _report(checks, server, ids)
        came = sum(WebhookMessage.objects.filter(pool=server.pool).values_list("count", flat=True))
        stage.say(
            f"{came} deliveries of {WebhookMessage.objects.filter(pool=server.pool).count()} messages"
        )
    with _server("forged", ("webhook_forged",)) as server:
        stage.title("Every webhook is forged")
        _report(checks, server, _run(server))
        stored = WebhookMessage.objects.filter(pool=server.pool).count()
        checks.that("forged messages that were stored", found=stored, expected=0)
        refused = Counter(f["status"] for f in server.facts() if f["fact"] == "webhook_sent")
        checks.that("answers to them", found=sorted(refused), expected=[401])
    broken = [violation.name for violation in invariants.violations()]
    checks.that("broken invariants", found=broken, expected=[])
    return checks.end()


def _run(server: _Server) -> list[str]:
    ids = []
    for number in range(_JOBS):
        body = {
            "prompt": f"A tram in the rain, view {number}",
            "model": _model(server),
            "seconds": _SECONDS,
        }
        answer = stage.api("internal", "jobs", body)
        if answer.status != 202:
            raise SystemExit(f"A submit was refused: {answer.body.decode()}")
        ids.append(answer.json["id"])
    stage.say(f"{_JOBS} jobs submitted, {_SLOTS} run at once")
    deadline = time.monotonic() + _PATIENCE
    while (ended := _ended(ids)) < _JOBS:
        if time.monotonic() > deadline:
            raise SystemExit(f"Only {ended} of {_JOBS} jobs ended in {_PATIENCE:g} s.")
        time.sleep(0.2)
    stage.say("all have ended")
    return ids


def _report(checks: stage.Checks, server: _Server, ids: Sequence[str]) -> list[float]:
    mine = Job.objects.filter(id__in=ids)
    attempts = Attempt.objects.filter(job_id__in=ids, outcome="succeeded")
    finished = {f["id"]: f["at"] for f in server.facts() if f["fact"] == "finished"}
    lags = [
        attempt.ended_at.timestamp() - finished[attempt.backend_job_id]
        for attempt in attempts
        if attempt.ended_at and attempt.backend_job_id in finished
    ]
    learned = Counter(attempts.values_list("learned_by", flat=True))
    how = ", ".join(f"{count} by {name}" for name, count in sorted(learned.items()))
    stage.say(
        f"learned {how}; {statistics.median(lags):.1f} s after the server was done, at most {max(lags):.1f} s"
    )
    captures = LedgerEntry.objects.filter(kind="capture", job_id__in=ids).count()
    notices = Counter(
        Notification.objects.filter(subject_id__in=ids).values_list("subject_id", flat=True)
    )
    checks.that(
        "jobs with their video", found=mine.filter(state="succeeded").count(), expected=_JOBS
    )
    checks.that("charges", found=captures, expected=_JOBS)
    checks.that("notices for each job", found=sorted(set(notices.values())), expected=[1])
    checks.that("generations that the server billed", found=_billed(server), expected=_JOBS)
    return lags


def _billed(server: _Server) -> int:
    return sum(fact["fact"] == "billed" for fact in server.facts())


def _ended(ids: Sequence[str]) -> int:
    return Job.objects.filter(id__in=ids, state__in=sorted(TERMINAL)).count()


def _model(server: _Server) -> str:
    return f"demo/{server.pool}"


@contextmanager
def _server(name: str, faults: Sequence[str]) -> Iterator[_Server]:
    with tempfile.TemporaryDirectory(prefix="videogen-demo-") as folder:
        journal, ready = Path(folder) / "journal.jsonl", Path(folder) / "ready"
        command = [
            *(sys.executable, "-m", "videogen.fake_gpu", "--dialect", "replicate"),
            *("--slots", str(_SLOTS), "--speed", "0.4", "--late-seconds", str(_LATE_SECONDS)),
            *("--journal", str(journal), "--ready-file", str(ready)),
            *(f"--fault={fault}" for fault in faults),
        ]
        process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL)
        server = _Server(pool=f"demo-{name}", journal=journal)
        try:
            deadline = time.monotonic() + _PATIENCE
            while not ready.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            _add_pool(server, ready.read_text().strip())
            yield server
        finally:
            _remove_pool(server)
            process.terminate()
            process.wait(10)


def _add_pool(server: _Server, url: str) -> None:
    settings = {
        "driver": "replicate",
        "url": url,
        "key": "demo",
        "slots": _SLOTS,
        "model_names": [_model(server)],
        "seconds": [_SECONDS],
        "sizes": ["1280x720"],
        "polls_per_second": 10.0,
        "state": "active",
    }
    pools.put(server.pool, settings, actor="demo lost-webhooks")
    # Workers and web processes learn of a new pool within a few seconds.
    time.sleep(4.5)


def _remove_pool(server: _Server) -> None:
    for job in Job.objects.filter(model=_model(server)).live():
        stage.api("internal", f"jobs/{job.id}/cancellation", {})
    deadline = time.monotonic() + 30
    while pools.remove(server.pool, actor="demo lost-webhooks") and time.monotonic() < deadline:
        time.sleep(0.5)
