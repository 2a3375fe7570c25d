"""Asking the backend for the truth about a stuck attempt, and bringing the job to it.

Sweeps, polls and webhooks all end here: whoever learns what became of an attempt calls `bring`.
"""

import logging
from typing import Final

from django.conf import settings

from jobs import leases, transitions
from jobs.backends import registry
from jobs.backends.backend import (
    BackendError,
    Failed,
    Finished,
    Gone,
    Order,
    Sighting,
    StillRunning,
)
from jobs.errors import AttemptSuperseded, JobMissing, TransitionRefused
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.metrics import RECOVERIES
from jobs.models import Cause, Truth
from jobs.recoveries import Repair

logger = logging.getLogger(__name__)

_FAILURES: Final = {
    Cause.SILENT_WORKER: FailureKind.WORKER_LOST,
    Cause.NEVER_PICKED_UP: FailureKind.NOT_PICKED_UP,
    Cause.OVERDUE: FailureKind.OVERDUE,
    Cause.FORGOTTEN: FailureKind.BACKEND_FORGOT,
}
_GOES_ON: Final = "It goes to another one; you are not charged twice."


def recover(job_id: JobId, *, attempt: int, is_taken: bool, jitter: float) -> bool:
    """End an attempt whose lease ran out, by what its backend says; say whether it was ended here.

    An attempt that no worker took has no backend to ask. One that its backend still works on, without
    its worker, keeps its slot: the lease is renewed.
    """
    order = leases.held(job_id, attempt=attempt)
    if order is None:
        return False
    if not is_taken:
        return bring(order, None, cause=Cause.NEVER_PICKED_UP, truth=Truth.NOT_ASKED, jitter=jitter)
    sighting, truth = ask(order)
    if isinstance(sighting, StillRunning):
        leases.renew(job_id, attempt=attempt, percent=sighting.percent)
        return False
    return bring(order, sighting, cause=Cause.SILENT_WORKER, truth=truth, jitter=jitter)


def question(job_id: JobId, *, attempt: int, is_hopeless: bool, jitter: float) -> bool:
    """Ask after an attempt that takes far longer than is normal; say whether it was ended here.

    A backend that has ended it is believed at once, and one that still works on it until the attempt
    is hopeless.
    """
    order = leases.held(job_id, attempt=attempt)
    if order is None:
        return False
    sighting, truth = ask(order)
    if (
        isinstance(sighting, Gone)
        and not registry.backend(order.site.driver).capabilities.runs_in_worker
    ):
        return bring(order, sighting, cause=Cause.FORGOTTEN, truth=truth, jitter=jitter)
    if is_hopeless or isinstance(sighting, Finished | Failed):
        return bring(order, sighting, cause=Cause.OVERDUE, truth=truth, jitter=jitter)
    leases.note_question(job_id, attempt=attempt)
    return False


def ask(order: Order) -> tuple[Sighting | None, Truth]:
    """Ask a backend what became of an order; None and UNREACHABLE when it gives no answer."""
    try:
        sighting = registry.backend(order.site.driver).look(order)
    except BackendError as error:
        logger.warning(
            "backend_gave_no_answer", extra={"pool": order.site.pool, "reason": str(error)}
        )
        return None, Truth.UNREACHABLE
    return sighting, _TRUTHS[type(sighting)]


def bring(
    order: Order, sighting: Sighting | None, *, cause: Cause, truth: Truth, jitter: float
) -> bool:
    """End a stuck attempt as its backend says, or by its cause; say whether it was ended here."""
    job_id, attempt = order.job_id, order.attempt
    repair = Repair(cause=cause, truth=truth, lease_seconds=settings.LEASE_SECONDS)
    try:
        match sighting:
            case Finished(video=video):
                transitions.succeed(job_id, attempt=attempt, video=video, repair=repair)
            case Failed(kind=kind, message=message):
                transitions.end_attempt(
                    job_id,
                    attempt=attempt,
                    failure=kind,
                    message=message,
                    jitter=jitter,
                    repair=repair,
                )
            case StillRunning() | Gone() | None:
                failure = _FAILURES[cause]
                transitions.end_attempt(
                    job_id,
                    attempt=attempt,
                    failure=failure,
                    message=f"{failure.sentence} {_GOES_ON}",
                    jitter=jitter,
                    repair=repair,
                )
    except (AttemptSuperseded, TransitionRefused, JobMissing) as refusal:
        logger.info("recovery_not_needed", extra={"job": str(job_id), "reason": str(refusal)})
        return False
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


_TRUTHS: Final = {
    Finished: Truth.FINISHED,
    Failed: Truth.FAILED,
    StillRunning: Truth.RUNNING,
    Gone: Truth.GONE,
}
