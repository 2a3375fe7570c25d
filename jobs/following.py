"""What an answer of an asynchronous server means for its job, whatever brought the question about."""

import logging
import random
from collections.abc import Sequence
from typing import Final

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

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
    KEY_REFUSED,
    Cancellation,
    Failed,
    Finished,
    Gone,
    StillRunning,
    StillWaiting,
)
from jobs.errors import AttemptSuperseded, JobMissing, TransitionRefused
from jobs.failures import FailureKind
from jobs.leases import Told
from jobs.metrics import POLLS
from jobs.models import Cause, Truth
from jobs.questions import Answer, Deferred, Found, NotListed, Question, Said
from jobs.states import JobState
from jobs.transitions import Success
from notifications import live

logger = logging.getLogger(__name__)

# Finished videos that are recorded in one transaction: more would hold their owners' locks for longer.
_TOGETHER: Final = 25
# Between asking to stop and looking whether it did, seconds.
_STOP_CHECK: Final = 1.0
# Between two questions to a server that gives no answers, seconds: the breaker makes them fewer.
_SILENT: Final = poll_policy.SHORTEST
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


def follow_all(answers: Sequence[Answer]) -> None:
    """Bring jobs to what their servers said, or note when to ask again. A late answer changes nothing.

    What goes on as it was and what is finished is written together; each other answer by itself, and one that cannot
    be followed keeps no other from it.
    """
    _count_requests(answers)
    put_off = [one for one in answers if isinstance(one.said, Deferred)]
    silent = [one for one in answers if one.said is None]
    steady = [one for one in answers if _is_steady(one)]
    leases.hold_all([_next(one, _put_off_for(one)) for one in put_off])
    held = leases.hold_all(
        [_next(one, _STOP_AGAIN if one.question.must_stop else _SILENT) for one in silent]
    )
    _note_steady(steady)
    finished = [one for one in answers if isinstance(one.said, Finished)]
    written = {id(one) for one in (*put_off, *steady, *_finish_together(finished))}
    written |= {id(one) for one in silent if one.question.order.job_id in held}
    for answer in answers:
        if id(answer) not in written:
            _guarded(answer)


def _guarded(answer: Answer) -> None:
    job = str(answer.question.order.job_id)
    try:
        _follow(answer.question, answer.said)
    except (AttemptSuperseded, TransitionRefused, JobMissing) as refusal:
        logger.info("answer_not_needed", extra={"job": job, "reason": str(refusal)})
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # it is asked again when its claim is over
        logger.exception("answer_broke", extra={"job": job})


def _follow(question: Question, said: Said) -> None:
    match said:
        case None:
            _away_too_long(question)
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


def _is_steady(answer: Answer) -> bool:
    """Tell whether nothing but progress has changed."""
    question = answer.question
    match answer.said:
        case StillRunning():
            return question.state != JobState.DISPATCHED and not _is_past_stopping(question)
        case StillWaiting():
            return not _is_past_stopping(question)
        case _:
            return False


def _is_past_stopping(question: Question) -> bool:
    is_told = question.is_unwanted and question.is_stop_asked
    return is_told and question.ran_for > question.expected


def _put_off_for(answer: Answer) -> float:
    # What a list does not name may be forgotten, which is worth the next question.
    return 0.0 if isinstance(answer.said, NotListed) else poll_policy.SHORTEST


def _next(answer: Answer, next_in: float, percent: int | None = None) -> Told:
    order = answer.question.order
    return Told(job_id=order.job_id, attempt=order.attempt, percent=percent, next_in=next_in)


def _note_steady(answers: Sequence[Answer]) -> None:
    told = [_next(one, _rest(one.question), _percent(one.said)) for one in answers]
    held = leases.answered_all(told)
    for answer, one in zip(answers, told, strict=True):
        order = answer.question.order
        if order.job_id not in held:
            orphans.record(order, reason="Its attempt had ended while the server worked on it.")
        elif one.percent is not None:
            live.progress(
                order.owner_id, job_id=order.job_id, attempt=order.attempt, percent=one.percent
            )


def _rest(question: Question) -> float:
    return poll_policy.next_question(ran_for=question.ran_for, expected=question.expected)


def _percent(said: Said) -> int | None:
    return said.percent if isinstance(said, StillRunning) else None


def _found(question: Question, found: Found) -> None:
    free = remote_ids.free(question.order, found.candidates)
    if free:
        remote.adopt(question.order, free[0])
    else:
        _never_answered(question)


def _goes_on(question: Question, said: StillWaiting | StillRunning) -> None:
    if _is_past_stopping(question):
        # The server was told and goes on for longer than is usual: its owner waits no longer for that.
        _confirm_stop(question)
        orphans.record(question.order, reason="It went on after it was asked to stop.")
        return
    _start(question)
    _note_steady([Answer(question=question, said=said)])


def _ended(question: Question, said: Finished | Failed) -> None:
    order = question.order
    if isinstance(said, Failed) and question.is_unwanted and question.is_stop_asked:
        # Servers without a word for it call what was stopped a failure.
        _confirm_stop(question)
        return
    if isinstance(said, Finished):
        _finish(question, said)
    else:
        logger.log(
            logging.ERROR if said.kind.is_retryable else logging.WARNING,
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


def _finish_together(answers: Sequence[Answer]) -> list[Answer]:
    """Record finished videos, some in each transaction; give the answers that need no more."""
    done = []
    for first in range(0, len(answers), _TOGETHER):
        some = answers[first : first + _TOGETHER]
        successes = [
            Success(
                job_id=one.question.order.job_id,
                attempt=one.question.order.attempt,
                video=orders.published(one.question.order, one.said.video),
                learned_by=one.question.learned_by,
            )
            for one in some
            if isinstance(one.said, Finished)
        ]
        try:
            moved = transitions.succeed_together(successes)
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # one of them is at fault; each is tried alone
            jobs = [str(one.job_id) for one in successes]
            logger.exception("answers_broke_together", extra={"jobs": jobs})
            continue
        done += [one for one in some if one.question.order.job_id in moved]
    return done


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


def _count_requests(answers: Sequence[Answer]) -> None:
    counted = [one for one in answers if one.counts_request]
    for one in counted:
        is_silent = one.said is None
        pool = one.question.order.site.pool
        is_refused = is_silent and one.reason.startswith(KEY_REFUSED)
        outcome = "refused" if is_refused else "silent" if is_silent else "answered"
        POLLS.labels(pool=pool, outcome=outcome).inc()
        if is_silent and breakers.unanswered(pool, one.reason):
            logger.warning("breaker_opened", extra={"pool": pool, "reason": one.reason})
    # One answer is enough to close a breaker, whatever other questions met.
    for pool in {one.question.order.site.pool for one in counted if one.said is not None}:
        breakers.answered(pool)


def _away_too_long(question: Question) -> None:
    orphans.record(question.order, reason="Its server gave no answer for too long.")
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
