"""What an answer of an asynchronous server means for its job, whatever brought the question about."""

import logging
import random
from typing import Final

from django.conf import settings
from django.db import connection

from jobs import (
    breakers,
    late_results,
    leases,
    orders,
    orphans,
    poll_policy,
    reconcile,
    remote,
    remote_ids,
    transitions,
)
from jobs.backends.backend import (
    Cancellation,
    Failed,
    Finished,
    Gone,
    StillRunning,
    StillWaiting,
)
from jobs.errors import AttemptSuperseded, JobMissing, TransitionRefused
from jobs.failures import FailureKind
from jobs.metrics import COMPLETIONS, POLLS
from jobs.models import Cause, Truth
from jobs.questions import Answer, Deferred, Found, Question
from jobs.states import JobState
from notifications import live

logger = logging.getLogger(__name__)

# Between asking to stop and looking whether it did, seconds.
_STOP_CHECK: Final = 1.0
# A server that refused to stop is asked again after so many seconds.
_STOP_AGAIN: Final = 5.0
# An order whose create was not answered is looked for so long before it is tried again, seconds.
_FIND_SECONDS: Final = 15.0

_NOTE_STOP: Final = """
update lease set stop_asked_at = now(), answered_at = now(),
    poll_at = now() + make_interval(secs => %s),
    expires_at = now() + make_interval(secs => %s)
where job_id = %s and attempt = %s
"""


def follow(answer: Answer) -> None:
    """Bring a job to what its server said, or note when to ask again. A late answer changes nothing."""
    question = answer.question
    order = question.order
    if isinstance(answer.said, Deferred):
        leases.hold(order.job_id, attempt=order.attempt, next_in=poll_policy.SHORTEST)
        return
    try:
        _follow(question, answer)
    except (AttemptSuperseded, TransitionRefused, JobMissing) as refusal:
        logger.info(
            "answer_not_needed",
            extra={"job": str(order.job_id), "reason": str(refusal)},
        )


def _follow(question: Question, answer: Answer) -> None:
    order, said = question.order, answer.said
    if answer.counts_request:
        _count_request(order.site.pool, answer)
    match said:
        case None:
            _silent(question)
        case Found():
            _found(question, said)
        case Cancellation():
            _stopping(question, said)
        case StillWaiting() | StillRunning():
            _goes_on(question, said)
        case Finished() | Failed():
            _ended(question, said)
        case Gone():
            _gone(question)


def _found(question: Question, found: Found) -> None:
    free = remote_ids.free(question.order, found.candidates)
    if free:
        remote.adopt(question.order, free[0])
    else:
        _never_answered(question)


def _goes_on(question: Question, said: StillWaiting | StillRunning) -> None:
    order = question.order
    if question.is_unwanted and question.is_stop_asked and question.ran_for > question.expected:
        # The server was told and goes on for longer than is usual: its owner waits no longer for that.
        _confirm_stop(question)
        orphans.record(order, reason="It went on after it was asked to stop.")
        return
    percent = None
    if isinstance(said, StillRunning):
        _start(question)
        percent = said.percent
    next_in = poll_policy.next_question(ran_for=question.ran_for, expected=question.expected)
    if not leases.answered(order.job_id, attempt=order.attempt, percent=percent, next_in=next_in):
        orphans.record(order, reason="Its attempt had ended while the server worked on it.")
    elif percent is not None:
        live.progress(order.owner_id, job_id=order.job_id, attempt=order.attempt, percent=percent)


def _ended(question: Question, said: Finished | Failed) -> None:
    order = question.order
    if isinstance(said, Failed) and question.is_unwanted and question.is_stop_asked:
        # Servers without a word for it call what was stopped a failure.
        _confirm_stop(question)
        return
    if isinstance(said, Finished):
        _finish(question, said)
    else:
        logger.warning(
            "backend_failed",
            extra={
                "job": str(order.job_id),
                "pool": order.site.pool,
                "kind": said.kind.value,
                "detail": said.detail or said.message,
            },
        )
        transitions.end_attempt(
            order.job_id,
            attempt=order.attempt,
            failure=said.kind,
            message=said.message,
            jitter=random.random(),  # noqa: S311 - spreads retries
            learned_by=question.learned_by,
        )
    COMPLETIONS.labels(pool=order.site.pool, learned_by=question.learned_by.value).inc()


def _start(question: Question) -> None:
    """Note that generation began, unless another answer did since this question was asked."""
    if question.state != JobState.DISPATCHED:
        return
    try:
        transitions.start(question.order.job_id, attempt=question.order.attempt)
    except TransitionRefused as refusal:
        if not refusal.already_there:
            raise


def _finish(question: Question, said: Finished) -> None:
    order, video = question.order, orders.published(question.order, said.video)
    try:
        _start(question)
        transitions.succeed(
            order.job_id, attempt=order.attempt, video=video, learned_by=question.learned_by
        )
    except (AttemptSuperseded, TransitionRefused):
        late_results.keep(order.job_id, attempt=order.attempt, video=video)
        raise


def _gone(question: Question) -> None:
    order = question.order
    if question.is_unwanted and question.is_stop_asked:
        _after_record_is_gone(question)
    else:
        reconcile.bring(
            order,
            Gone(),
            cause=Cause.FORGOTTEN,
            truth=Truth.GONE,
            jitter=random.random(),  # noqa: S311 - spreads retries
            learned_by=question.learned_by,
        )


def _never_answered(question: Question) -> None:
    """A create that was not answered, and is not there: tried again where that is certain, or after a while."""
    order = question.order
    if question.ran_for < _FIND_SECONDS:
        leases.hold(order.job_id, attempt=order.attempt, next_in=2.0)
        return
    # It may still arrive: whoever looks for orphans goes on looking for a while.
    orphans.record(order, reason="Its create was not answered.")
    _give_up(question, "The GPU server did not answer.")


def _count_request(pool: str, answer: Answer) -> None:
    is_silent = answer.said is None
    POLLS.labels(pool=pool, outcome="silent" if is_silent else "answered").inc()
    if not is_silent:
        breakers.answered(pool)
    elif breakers.unanswered(pool, answer.reason):
        logger.warning("breaker_opened", extra={"pool": pool, "reason": answer.reason})


def _silent(question: Question) -> None:
    order = question.order
    next_in = _STOP_AGAIN if question.must_stop else poll_policy.SHORTEST
    if leases.hold(order.job_id, attempt=order.attempt, next_in=next_in):
        return
    orphans.record(order, reason="Its server gave no answer for too long.")
    _give_up(question, "The GPU server did not answer for too long.")


def _give_up(question: Question, message: str) -> None:
    order = question.order
    transitions.end_attempt(
        order.job_id,
        attempt=order.attempt,
        failure=FailureKind.BACKEND_UNAVAILABLE,
        message=message,
        jitter=random.random(),  # noqa: S311 - spreads retries
        learned_by=question.learned_by,
    )


def _stopping(question: Question, said: Cancellation) -> None:
    """The server was asked to stop: its slot is free only when its GPU is."""
    order = question.order
    match said:
        case Cancellation.STOPPED | Cancellation.UNKNOWN:
            _confirm_stop(question)
        case Cancellation.GOES_ON:
            rest = max(question.expected - question.ran_for, 0.0)
            _note_stop(question, next_in=rest + _STOP_CHECK)
        case Cancellation.ENDED:
            _note_stop(question, next_in=_STOP_CHECK)
    logger.info("stop_asked", extra={"job": str(order.job_id), "outcome": said.value})


def _after_record_is_gone(question: Question) -> None:
    if question.ran_for >= question.expected:
        _confirm_stop(question)
    else:
        _note_stop(question, next_in=question.expected - question.ran_for)


def _confirm_stop(question: Question) -> None:
    transitions.confirm_stop(question.order.job_id, attempt=question.order.attempt)


def _note_stop(question: Question, *, next_in: float) -> None:
    order = question.order
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE_STOP,
            [next_in, next_in + settings.LEASE_SECONDS, order.job_id, order.attempt],
        )
