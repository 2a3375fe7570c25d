"""Webhooks that are lost, or come five times, early, late, out of order and forged.

Reference GPU servers, each in a process of its own, play a hosted backend that signs its webhooks. They work
through the running stack; what they say that they did is read from their journals and compared.
"""

import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from demos import servers, stage
from demos.servers import Server
from jobs.models import Attempt, Job, LedgerEntry, WebhookMessage
from jobs.states import TERMINAL
from notifications.models import Notification
from scheduler import invariants

_JOBS = 12
_SLOTS = 4
_SECONDS = 4
_PATIENCE = 180.0
_LATE_SECONDS = 8
# What the poller adds to its own interval at most, seconds.
_ALLOWED = 5.0
_LONGEST_POLL = 15.0


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


def _run(server: Server) -> list[str]:
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


def _report(checks: stage.Checks, server: Server, ids: Sequence[str]) -> list[float]:
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


def _billed(server: Server) -> int:
    return sum(fact["fact"] == "billed" for fact in server.facts())


def _ended(ids: Sequence[str]) -> int:
    return Job.objects.filter(id__in=ids, state__in=sorted(TERMINAL)).count()


def _model(server: Server) -> str:
    return f"demo/{server.pool}"


@contextmanager
def _server(name: str, faults: Sequence[str]) -> Iterator[Server]:
    options = ["--speed=0.4", f"--late-seconds={_LATE_SECONDS}", *(f"--fault={f}" for f in faults)]
    with servers.running(
        f"demo-{name}", dialect="replicate", slots=_SLOTS, options=options
    ) as server:
        settings = {
            "driver": "replicate",
            "key": "demo",
            "slots": _SLOTS,
            "model_names": [_model(server)],
            "seconds": [_SECONDS],
            "sizes": ["1280x720"],
            "polls_per_second": 10.0,
        }
        servers.add_pool(server, settings, actor="demo lost-webhooks")
        yield server
