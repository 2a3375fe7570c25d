"""Finding a job by any id, its whole story, and what an operator can do with it."""

from collections.abc import Callable, Mapping
from random import random
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from jobs import reconcile
from jobs.errors import InvalidField
from jobs.ids import JobId, read_job_id, shown_to_openai
from jobs.models import Attempt, Job, JobTransition, LedgerEntry, Recovery
from jobs.states import HOLDING, JobState
from jobs.web import lanes
from scheduler import acts, lookup, operations
from scheduler.console import gate, words
from scheduler.models import Operation

# Words and icons of the states, as everywhere else.
_LOOKS: Final = {
    JobState.QUEUED: ("waiting", "Waiting"),
    JobState.DISPATCHED: ("starting", "Starting"),
    JobState.RUNNING: ("running", "Running"),
    JobState.SUCCEEDED: ("ready", "Ready"),
    JobState.FAILED: ("failed", "Failed"),
    JobState.CANCELED: ("cancelled", "Cancelled"),
    JobState.EXPIRED: ("expired", "Expired"),
}
_OPERATIONS: Final = 20


@gate.looks
def search(request: HttpRequest) -> HttpResponse:
    """Find jobs by one id; one job alone is opened."""
    term = request.GET.get("q", "").strip()
    found = lookup.find(term) if term else None
    exact = read_job_id(term)
    if found and exact and len(found.rows) == 1 and found.rows[0].id == exact:
        return redirect("console_job", exact)
    context = {
        "term": term,
        "found": found,
        "rows": [
            (row, *look(row.state, is_canceling=row.is_cancel_requested)) for row in found.rows
        ]
        if found
        else [],
        "most": lookup.MOST,
        "operations": _latest(),
        "may_act": gate.may_act(request),
    }
    return render(request, "console/jobs.html", context)


@gate.looks
def page(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show one job as support sees it: everything that happened, with whom and when."""
    return _page(request, job_id)


def _page(
    request: HttpRequest, job_id: UUID, *, fault: InvalidField | None = None, status: int = 200
) -> HttpResponse:
    job = Job.objects.filter(id=job_id).first()
    if job is None:
        raise Http404
    moves = list(JobTransition.objects.filter(job_id=job_id).order_by("version"))
    attempts = list(Attempt.objects.filter(job_id=job_id).order_by("number"))
    icon, word = look(job.state, is_canceling=job.is_cancel_requested and not job.is_ended)
    context = {
        "job": job,
        "icon": icon,
        "word": word,
        "public_id": shown_to_openai(job.id),
        "owner": lookup.emails({job.owner_id}).get(job.owner_id, ""),
        "drawing": lanes.draw(moves, attempts, now=timezone.now()),
        "moves": [
            (move, words.clock((later.at - move.at).total_seconds()) if later else "")
            for move, later in zip(moves, [*moves[1:], None], strict=True)
        ],
        "attempts": attempts,
        "entries": LedgerEntry.objects.filter(job_id=job_id).order_by("id"),
        "recoveries": Recovery.objects.filter(job_id=job_id).order_by("attempt"),
        "acts_url": f"job {job_id}",
        "waits": job.state == JobState.QUEUED,
        "holds": JobState(job.state) in HOLDING,
        "may_act": gate.may_act(request),
        "fault": fault,
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "console/job.html", context, status=status)


@gate.only_acts
def act(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Do one thing with one job, with a reason; say what came of it."""
    job = Job.objects.filter(id=job_id).only("id", "attempt", "state").first()
    do = _DEEDS.get(request.POST.get("do", ""))
    if job is None or do is None:
        raise Http404
    try:
        reason = acts.reason_of(request.POST.get("reason", ""))
    except InvalidField as fault:
        return _page(request, job_id, fault=fault, status=422)
    is_done, said = do(job, reason)
    acts.record(
        gate.actor(request),
        f"job.{request.POST['do']}",
        f"job {job_id}",
        reason=reason,
        outcome=said,
    )
    (messages.success if is_done else messages.warning)(request, said)
    return redirect("console_job", job_id)


def _cancel(job: Job, reason: str) -> tuple[bool, str]:
    if operations.withdraw(JobId(job.id), why=reason):
        return True, "Cancelled at no charge; its owner is told why."
    return False, "It does not wait any more, so nothing was done."


def _put_back(job: Job, reason: str) -> tuple[bool, str]:
    if reconcile.put_back(JobId(job.id), attempt=job.attempt, why=reason, jitter=random()):  # noqa: S311
        return (
            True,
            f"Attempt {job.attempt} was ended and the job goes to another slot. No try is used up.",
        )
    return False, "It holds no slot any more, so nothing was done."


def _ask(job: Job, reason: str) -> tuple[bool, str]:
    if reconcile.question(JobId(job.id), attempt=job.attempt, is_hopeless=False, jitter=random()):  # noqa: S311
        return (
            True,
            "The backend had ended it, or knows nothing of it: the job was brought to that.",
        )
    return False, "The backend still works on it, or gave no answer. It is left as it is."


_DEEDS: Final[Mapping[str, Callable[[Job, str], tuple[bool, str]]]] = {
    "cancel": _cancel,
    "put-back": _put_back,
    "ask": _ask,
}


def look(state: str, *, is_canceling: bool = False) -> tuple[str, str]:
    """Give the icon and the word of a state."""
    found = JobState(state)
    return ("cancelling", "Cancelling") if is_canceling and found in HOLDING else _LOOKS[found]


def _latest() -> QuerySet[Operation]:
    return Operation.objects.order_by("-id")[:_OPERATIONS]
