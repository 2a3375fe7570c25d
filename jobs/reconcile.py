"""Asking the backend for the truth about a stuck attempt, and bringing the job to it.

Sweeps, polls and webhooks all end here: whoever learns what became of an attempt calls `bring`.
"""

import logging
from dataclasses import replace
from typing import Final

from django.conf import settings

from jobs import budgets, late_results, leases, orders, orphans, remote, remote_ids, transitions
from jobs.backends import registry
from jobs.backends.backend import (
    BackendError,
    Failed,
    Finished,
    Gone,
    Order,
    OverBudget,
    Sighting,
    StillRunning,
    StillWaiting,
    is_asynchronous,
)
from jobs.errors import AttemptSuperseded, JobMissing, TransitionRefused
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.metrics import RECOVERIES
from jobs.models import Cause, LearnedBy, Truth
from jobs.recoveries import Repair

logger = logging.getLogger(__name__)

_FAILURES: Final = {
    Cause.SILENT_WORKER: FailureKind.WORKER_LOST,
    Cause.NEVER_PICKED_UP: FailureKind.NOT_PICKED_UP,
    Cause.OVERDUE: FailureKind.OVERDUE,
    Cause.FORGOTTEN: FailureKind.BACKEND_FORGOT,
}
_GOES_ON: Final = "It goes to another one; you are not charged twice."


def recover(
    job_id: JobId, *, attempt: int, is_taken: bool, jitter: float, away: set[str] | None = None
) -> bool:
    """End an attempt whose lease ran out, by what its backend says; say whether it was ended here.

    `away` names pools whose server does not answer: they are not asked, and one that is found silent joins.

    An attempt that no worker took has no backend to ask. One that its backend still works on, without
    anybody here, keeps its slot: the lease is renewed. So does one whose asynchronous server is away, until
    it was away for too long.
    """
    order = leases.held(job_id, attempt=attempt)
    if order is None:
        return False
    if not is_taken:
        return bring(order, None, cause=Cause.NEVER_PICKED_UP, truth=Truth.NOT_ASKED, jitter=jitter)
    if away is not None and order.site.pool in away and _is_remote(order):
        sighting, truth = None, Truth.UNREACHABLE
    else:
        order, sighting, truth = ask(order)
    if truth is Truth.UNREACHABLE and away is not None:
        away.add(order.site.pool)
    if isinstance(sighting, StillWaiting | StillRunning):
        percent = sighting.percent if isinstance(sighting, StillRunning) else None
        leases.answered(job_id, attempt=attempt, percent=percent)
        return False
    if sighting is None and _may_come_back(order) and leases.hold(job_id, attempt=attempt):
        return False
    was_forgotten = isinstance(sighting, Gone) and order.submitted_at is not None
    cause = Cause.FORGOTTEN if was_forgotten else Cause.SILENT_WORKER
    return bring(order, sighting, cause=cause, truth=truth, jitter=jitter)


def question(job_id: JobId, *, attempt: int, is_hopeless: bool, jitter: float) -> bool:
    """Ask after an attempt that takes far longer than is normal; say whether it was ended here.

    A backend that has ended it is believed at once, and one that still works on it until the attempt
    is hopeless.
    """
    order = leases.held(job_id, attempt=attempt)
    if order is None:
        return False
    order, sighting, truth = ask(order)
    if isinstance(sighting, Gone) and _is_remote(order):
        return bring(order, sighting, cause=Cause.FORGOTTEN, truth=truth, jitter=jitter)
    if is_hopeless or isinstance(sighting, Finished | Failed):
        return bring(order, sighting, cause=Cause.OVERDUE, truth=truth, jitter=jitter)
    leases.note_question(job_id, attempt=attempt)
    return False


def ask(order: Order) -> tuple[Order, Sighting | None, Truth]:
    """Ask a backend what became of an order; None and UNREACHABLE when it gives no answer.

    An order that was sent and has no id yet is looked for first; the order comes back with what was found.
    """
    try:
        with budgets.asking(order.site.pool):
            return _asked(order)
    except (BackendError, OverBudget) as error:
        logger.warning(
            "backend_gave_no_answer",
            extra={"job": str(order.job_id), "pool": order.site.pool, "reason": str(error)},
        )
        return order, None, Truth.UNREACHABLE
    except Exception:  # a driver that breaks is as silent as a server that does
        logger.exception("driver_broke", extra={"job": str(order.job_id), "pool": order.site.pool})
        return order, None, Truth.UNREACHABLE


def _asked(order: Order) -> tuple[Order, Sighting | None, Truth]:
    backend = registry.backend(order.site.driver)
    if is_asynchronous(backend) and not order.backend_job_id:
        if order.submitted_at is None:
            return order, Gone(), Truth.GONE
        found = next(iter(remote_ids.free(order, backend.candidates(order))), None)
        if found is None:
            is_sure = backend.capabilities.can_find
            return (order, Gone(), Truth.GONE) if is_sure else (order, None, Truth.UNREACHABLE)
        remote.adopt(order, found)
        order = replace(order, backend_job_id=found.backend_job_id, handle=found.handle)
    sighting = backend.look(order)
    return order, sighting, _TRUTHS[type(sighting)]


def bring(
    order: Order,
    sighting: Sighting | None,
    *,
    cause: Cause,
    truth: Truth,
    jitter: float,
    learned_by: LearnedBy = LearnedBy.SWEEP,
) -> bool:
    """End a stuck attempt as its backend says, or by its cause; say whether it was ended here.

    What may go on without us on an asynchronous server is written down as an orphan.
    """
    job_id, attempt = order.job_id, order.attempt
    repair = Repair(cause=cause, truth=truth, lease_seconds=settings.LEASE_SECONDS)
    try:
        match sighting:
            case Finished(video=video):
                transitions.succeed(
                    job_id,
                    attempt=attempt,
                    video=orders.published(order, video),
                    repair=repair,
                    learned_by=learned_by,
                )
            case Failed(kind=kind, message=message):
                transitions.end_attempt(
                    job_id,
                    attempt=attempt,
                    failure=kind,
                    message=message,
                    jitter=jitter,
                    repair=repair,
                    learned_by=learned_by,
                )
            case StillWaiting() | StillRunning() | Gone() | None:
                failure = _FAILURES[cause]
                transitions.end_attempt(
                    job_id,
                    attempt=attempt,
                    failure=failure,
                    message=f"{failure.sentence} {_GOES_ON}",
                    jitter=jitter,
                    repair=repair,
                    learned_by=learned_by,
                )
    except (AttemptSuperseded, TransitionRefused, JobMissing) as refusal:
        logger.info("recovery_not_needed", extra={"job": str(job_id), "reason": str(refusal)})
        if isinstance(sighting, Finished) and not isinstance(refusal, JobMissing):
            video = orders.published(order, sighting.video)
            late_results.keep(job_id, attempt=attempt, video=video)
        return False
    may_go_on = sighting is None or isinstance(sighting, StillWaiting | StillRunning)
    if may_go_on and _is_remote(order) and order.submitted_at is not None:
        orphans.record(order, reason=f"Its attempt was ended: {cause.label.lower()}.")
    RECOVERIES.labels(pool=order.site.pool, cause=cause.value, truth=truth.value).inc()
    logger.warning(
        "attempt_recovered",
        extra={
            "job": str(job_id),
            "attempt": attempt,
            "pool": order.site.pool,
            "cause": cause.value,
            "truth": truth.value,
        },
    )
    return True


def put_back(job_id: JobId, *, attempt: int, why: str, jitter: float) -> bool:
    """End an attempt because an operator asked, and let the job go to another slot; say whether it was ended here.

    It uses up no try and is not charged. What may go on on an asynchronous server is written down as an orphan.
    """
    order = leases.held(job_id, attempt=attempt)
    if order is None:
        return False
    try:
        transitions.end_attempt(
            job_id,
            attempt=attempt,
            failure=FailureKind.WORKER_STOPPED,
            message=f"{FailureKind.WORKER_STOPPED.sentence} {_GOES_ON}",
            jitter=jitter,
            learned_by=LearnedBy.SWEEP,
        )
    except (AttemptSuperseded, TransitionRefused, JobMissing) as refusal:
        logger.info("put_back_not_needed", extra={"job": str(job_id), "reason": str(refusal)})
        return False
    if _is_remote(order) and order.submitted_at is not None:
        orphans.record(order, reason=f"An operator put its job back in line: {why}")
    return True


def _is_remote(order: Order) -> bool:
    return is_asynchronous(registry.backend(order.site.driver))


def _may_come_back(order: Order) -> bool:
    return _is_remote(order) and order.submitted_at is not None


_TRUTHS: Final = {
    Finished: Truth.FINISHED,
    Failed: Truth.FAILED,
    StillWaiting: Truth.RUNNING,
    StillRunning: Truth.RUNNING,
    Gone: Truth.GONE,
}
