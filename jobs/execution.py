"""One attempt in a GPU worker: run it under a renewed lease and end it, or hand it to an asynchronous server."""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Final, Self

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from structlog.contextvars import bound_contextvars

from jobs import breakers, late_results, leases, materials, remote, transitions
from jobs.backends import registry
from jobs.backends.backend import (
    AsynchronousBackend,
    BackendError,
    Order,
    Stopped,
    StopReason,
    Video,
    is_asynchronous,
)
from jobs.errors import AttemptSuperseded, TransitionRefused
from jobs.failures import FailureKind
from jobs.ids import JobId
from notifications import live, traces

logger = logging.getLogger(__name__)

# Progress is written and pushed at most so often, seconds.
_PROGRESS_EVERY: Final = 0.4
# Between two tries to write an attempt's end while the database is away, seconds.
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 2.0
# A worker that could not renew for this share of its lease stops by itself.
_TRUSTED_SHARE: Final = 2 / 3

shutting_down = threading.Event()


def run(job_id: JobId, *, attempt: int, worker: str) -> None:
    """Run one granted attempt. A second delivery, or one that came too late, does nothing."""
    order = leases.pick_up(job_id, attempt=attempt, worker=worker)
    if order is None:
        logger.info("attempt_skipped", extra={"job": str(job_id), "attempt": attempt})
        return
    with bound_contextvars(job=str(job_id), attempt=attempt, pool=order.site.pool, worker=worker):
        about = {"attempt": attempt, "pool": order.site.pool, "worker": worker}
        with traces.span("attempt", job_id, **about):
            outcome = _run(order)
        logger.info("attempt_ended", extra={"outcome": outcome})


def _run(order: Order) -> str:
    backend = registry.backend(order.site.driver)
    if is_asynchronous(backend):
        return _hand_over(order, backend)
    with _Keeper(order) as keeper:
        return _generate(order, keeper)


def _generate(order: Order, keeper: "_Keeper") -> str:
    try:
        driver = registry.synchronous(order.site.driver)
        video = driver.generate(materials.complete(order), keeper)
    except Stopped as stopped:
        return _stopped(order, stopped.reason)
    except BackendError as error:
        _log(order, error)
        return _failed(order, error.kind, error.message)
    except (AttemptSuperseded, TransitionRefused) as refusal:
        return _refused(order, refusal)
    except Exception:  # a bug of ours or of a driver: the job must be tried again, not hang
        logger.exception(
            "attempt_broke", extra={"job": str(order.job_id), "attempt": order.attempt}
        )
        return _failed(order, FailureKind.INTERNAL, FailureKind.INTERNAL.sentence)
    return _finished(order, video)


def _hand_over(order: Order, backend: AsynchronousBackend) -> str:
    try:
        if remote.hand_over(materials.complete(order), backend):
            return "submitted"
    except BackendError as error:
        if error.kind is FailureKind.BACKEND_UNAVAILABLE:
            breakers.unanswered(order.site.pool, str(error))
        _log(order, error)
        return _failed(order, error.kind, error.message)
    except Exception:  # a bug of ours or of a driver: the job must be tried again, not hang
        logger.exception(
            "attempt_broke", extra={"job": str(order.job_id), "attempt": order.attempt}
        )
        return _failed(order, FailureKind.INTERNAL, FailureKind.INTERNAL.sentence)
    # Nothing was sent: nobody waits for it any more, or a newer attempt owns the job.
    return _stopped(order, StopReason.CANCELED)


def _finished(order: Order, video: Video) -> str:
    try:
        _insist(lambda: transitions.succeed(order.job_id, attempt=order.attempt, video=video))
    except (AttemptSuperseded, TransitionRefused) as refusal:
        # The commit may have been ours, its answer lost; then nothing is late, and nothing is kept.
        late_results.keep(order.job_id, attempt=order.attempt, video=video)
        return _refused(order, refusal)
    return "succeeded"


def _stopped(order: Order, reason: StopReason) -> str:
    if reason in {StopReason.CANCELED, StopReason.DEADLINE}:
        try:
            _insist(lambda: transitions.confirm_stop(order.job_id, attempt=order.attempt))
        except (AttemptSuperseded, TransitionRefused) as refusal:
            return _refused(order, refusal)
        return reason.value
    if reason is StopReason.SHUTDOWN:
        return _failed(
            order, FailureKind.WORKER_STOPPED, "The GPU was taken out of service. It starts again."
        )
    return "lease_lost"


def _failed(order: Order, kind: FailureKind, message: str) -> str:
    jitter = random.random()  # noqa: S311 - spreads retries, protects nothing
    try:
        _insist(
            lambda: transitions.end_attempt(
                order.job_id, attempt=order.attempt, failure=kind, message=message, jitter=jitter
            )
        )
    except (AttemptSuperseded, TransitionRefused) as refusal:
        return _refused(order, refusal)
    return kind.value


def _log(order: Order, error: BackendError) -> None:
    # What a person or a content policy is the cause of is an answer; the rest is somebody's fault.
    logger.log(
        logging.ERROR if error.kind.is_retryable else logging.WARNING,
        "backend_failed",
        extra={
            "job": str(order.job_id),
            "pool": order.site.pool,
            "kind": error.kind.value,
            "detail": error.detail or error.message,
        },
    )


def _refused(order: Order, refusal: Exception) -> str:
    logger.warning("attempt_refused", extra={"job": str(order.job_id), "reason": str(refusal)})
    return "refused"


def _insist(move: Callable[[], None]) -> None:
    """Make a move again while the database is away, for as long as the lease may live.

    A commit whose answer was lost may have been made: the move is then refused, as it must be.
    """
    give_up_at = time.monotonic() + settings.LEASE_SECONDS
    pause = _FIRST_PAUSE
    while True:
        try:
            return move()
        except (OperationalError, InterfaceError):
            if time.monotonic() + pause > give_up_at:
                raise
            logger.warning("database_away", exc_info=True)
            connection.close()
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


class _Keeper:
    """Renews the lease while the backend works, and carries its words to the job and back.

    A thread renews by the clock, so that a silent backend keeps its slot; the backend's own
    thread reports progress. When no renewal succeeded for two thirds of the lease, or the lease
    is gone, the backend is told to stop: a newer attempt may own the job.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._reason: StopReason | None = None
        self._renewed_at = time.monotonic()
        self._reported_at = 0.0
        self._percent: int | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew_by_the_clock, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()

    def began(self) -> None:
        """Move the job to running. Raises when the attempt is over."""
        _insist(lambda: transitions.start(self._order.job_id, attempt=self._order.attempt))

    def progressed(self, percent: int) -> None:
        """Write and push the percentage, at a bounded rate."""
        self._percent = percent
        if time.monotonic() - self._reported_at < _PROGRESS_EVERY:
            return
        self._reported_at = time.monotonic()
        self._try_to_renew()
        live.progress(
            self._order.owner_id,
            job_id=self._order.job_id,
            attempt=self._order.attempt,
            percent=percent,
        )

    def stop_reason(self) -> StopReason | None:
        """Say whether the backend must stop now, and why."""
        if self._reason is None and shutting_down.is_set():
            self._reason = StopReason.SHUTDOWN
        if time.monotonic() - self._renewed_at > settings.LEASE_SECONDS * _TRUSTED_SHARE:
            self._reason = StopReason.LEASE_LOST
        return self._reason

    def _renew(self) -> None:
        asked_at = time.monotonic()
        renewal = leases.renew(
            self._order.job_id, attempt=self._order.attempt, percent=self._percent
        )
        if not renewal.is_held:
            self._reason = StopReason.LEASE_LOST
        elif renewal.is_cancel_requested:
            self._reason = StopReason.CANCELED
        elif renewal.is_past_deadline:
            self._reason = StopReason.DEADLINE
        self._renewed_at = asked_at

    def _renew_by_the_clock(self) -> None:
        # A cancel must be seen within a second or two, so the wait is short beside the heartbeat.
        interval = min(settings.HEARTBEAT_SECONDS, 2.0)
        while not self._done.wait(interval):
            self._try_to_renew()
        # The thread's own connection ends with it.
        connection.close()

    def _try_to_renew(self) -> None:
        try:
            self._renew()
        except (
            OperationalError,
            InterfaceError,
        ):  # the backend goes on; two thirds of a lease decide
            logger.warning(
                "lease_not_renewed", extra={"job": str(self._order.job_id)}, exc_info=True
            )
            connection.close()
