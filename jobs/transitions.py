"""Every legal move of a job, one function each. Nothing else writes a job's state.

Note [One move]: lock, legal-move check, fence check, then one statement (jobs/moves.py) that writes state,
attempt, transition, settlement, slot and lane release and the event together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from jobs import (
    credit_policy,
    deadlines,
    events,
    journal,
    locks,
    moves,
    recoveries,
    retry_budget,
    retry_policy,
)
from jobs.backends.backend import Video
from jobs.errors import AttemptSuperseded, CancelFeeChanged, JobMissing, TransitionRefused
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job, LearnedBy
from jobs.move import Move
from jobs.recoveries import Repair
from jobs.states import HOLDING, MOVES, TERMINAL, JobState
from notifications import outbox, prepared, wakeup

# What a job's error says when its owner cancelled it; whoever else ends it gives a reason.
BY_OWNER: Final = "You cancelled it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """A finished video of an attempt."""

    job_id: JobId
    attempt: int
    video: Video
    learned_by: LearnedBy


def start(job_id: JobId, *, attempt: int) -> None:
    """Record that the backend began to generate."""
    with _moving(job_id, to=JobState.RUNNING, cause="backend", attempt=attempt):
        pass


def succeed(
    job_id: JobId,
    *,
    attempt: int,
    video: Video,
    repair: Repair | None = None,
    learned_by: LearnedBy = LearnedBy.WORKER,
) -> None:
    """Record the finished video, also one after the time to finish, and charge it once. Fenced."""
    with _moving(
        job_id, to=JobState.SUCCEEDED, cause="backend", attempt=attempt, repair=repair
    ) as move:
        move.outcome = "succeeded"
        move.learned_by = learned_by
        move.video_url = video.url
        move.thumbnail_url = video.thumbnail_url
        move.video_expires_at = video.expires_at


def succeed_together(finished: Sequence[Success]) -> set[JobId]:
    """Record finished videos of several jobs in one transaction, with the start of those that nobody saw start.

    Gives the jobs that were moved. Of the others each has a reason of its own, which `succeed` raises.
    """
    by_id = {one.job_id: one for one in finished}
    with transaction.atomic():
        locks.owners(list(by_id))
        held = [
            job
            for job in locks.jobs(list(by_id))
            if job.attempt == by_id[JobId(job.id)].attempt and JobState(job.state) in HOLDING
        ]
        unseen = [job for job in held if JobState(job.state) is JobState.DISPATCHED]
        if unseen:
            _apply(
                *(_checked(Move(job=job, to=JobState.RUNNING, cause="backend")) for job in unseen)
            )
        for job in unseen:
            job.state, job.version = JobState.RUNNING, job.version + 1
        if held:
            _apply(*(_checked(_success(job, by_id[JobId(job.id)])) for job in held))
    return {JobId(job.id) for job in held}


def _success(job: Job, found: Success) -> Move:
    return Move(
        job=job,
        to=JobState.SUCCEEDED,
        cause="backend",
        outcome="succeeded",
        learned_by=found.learned_by,
        video_url=found.video.url,
        thumbnail_url=found.video.thumbnail_url,
        video_expires_at=found.video.expires_at,
    )


def end_attempt(
    job_id: JobId,
    *,
    attempt: int,
    failure: FailureKind,
    message: str,
    jitter: float,
    repair: Repair | None = None,
    learned_by: LearnedBy = LearnedBy.WORKER,
) -> None:
    """Record that an attempt ended without a video: another try, or the job's end.

    A job that nobody waits for any more (cancel asked, time to finish passed) ends instead of being tried
    again, at no charge: the fault was not its owner's. `message` is shown to the owner.
    """
    with _moving(job_id, to=None, cause=failure.value, attempt=attempt, repair=repair) as move:
        job = move.job
        job.failed_count += failure.counts
        move.outcome = failure.value
        move.learned_by = learned_by
        move.owner_pays_time = False
        move.error_code, move.error_message = failure.value, message
        if job.is_cancel_requested:
            _end_as_canceled(move, fee=0)
            return
        if deadlines.have_passed(job):
            _end_as_expired(move)
            return
        decision = retry_policy.after(
            failure,
            attempt=job.attempt,
            failed_count=job.failed_count,
            max_attempts=settings.MAX_ATTEMPTS,
            jitter=jitter,
        )
        if isinstance(decision, retry_policy.GiveUp):
            move.to = JobState.FAILED
            if failure.is_retryable:
                move.error_message += f" It was tried {job.failed_count} times."
        else:
            move.to = JobState.QUEUED
            move.delay = decision.seconds
            if failure.counts:
                move.delay = max(move.delay, retry_budget.spend(str(job.pool_id)))


def confirm_stop(job_id: JobId, *, attempt: int) -> None:
    """Record that the backend stopped because the owner asked, or because the time to finish passed."""
    with _moving(job_id, to=None, cause="owner", attempt=attempt) as move:
        if move.job.is_cancel_requested:
            move.outcome = "canceled"
            _end_as_canceled(move, fee=move.job.cancel_fee or 0)
        elif deadlines.have_passed(move.job):
            move.outcome = move.cause = "expired"
            _end_as_expired(move)
        else:
            raise TransitionRefused(job_id=job_id, current=move.job.state, wanted=JobState.CANCELED)


def cancel(job_id: JobId, *, owner_id: UUID, agreed_fee: int | None = None) -> None:
    """End a waiting job at once; ask a running one to stop. Refused when it has ended otherwise.

    Raises CancelFeeChanged when it would cost more credits than the owner agreed to (None: any fee).
    """
    with transaction.atomic():
        job = locks.waiting(job_id)
        if job.owner_id != owner_id:
            raise JobMissing(job_id)
        state = JobState(job.state)
        if state in HOLDING:
            _request_cancel(job, agreed_fee=agreed_fee)
        elif state is not JobState.CANCELED:
            move = Move(job=job, to=JobState.CANCELED, cause="owner")
            _end_as_canceled(move, fee=0)
            _apply(_checked(move))


def expire(job_id: JobId) -> None:
    """End a waiting job whose time to start or to finish passed. Refused while there is time, or it runs."""
    with _expiring(job_id, cause="deadline", when=deadlines.have_passed):
        pass


def give_up(job_id: JobId, *, message: str) -> None:
    """End a job that waits for capacity that is not there; `message` tells its owner. Refused once it runs."""
    with _expiring(job_id, cause="capacity", when=lambda _: True) as move:
        move.error_message = message


@contextmanager
def _expiring(job_id: JobId, *, cause: str, when: Callable[[Job], bool]) -> Iterator[Move]:
    with transaction.atomic():
        job = locks.waiting(job_id)
        if JobState(job.state) is not JobState.QUEUED or not when(job):
            raise TransitionRefused(job_id=job_id, current=job.state, wanted=JobState.EXPIRED)
        move = Move(job=job, to=JobState.EXPIRED, cause=cause)
        _end_as_expired(move)
        yield move
        _apply(_checked(move))


def withdraw(job_id: JobId, *, why: str) -> None:
    """End a waiting job at no charge, for a reason that is not its owner's. Refused when it does not wait."""
    with transaction.atomic():
        move = Move(job=locks.waiting(job_id), to=JobState.CANCELED, cause="operator")
        if JobState(move.job.state) is not JobState.QUEUED:
            raise TransitionRefused(job_id=job_id, current=move.job.state, wanted=move.to)
        _end_as_canceled(move, fee=0, why=why)
        _apply(_checked(move))


def _end_as_canceled(move: Move, *, fee: int, why: str = BY_OWNER) -> None:
    move.to = JobState.CANCELED
    move.job.cancel_fee = fee
    move.error_code, move.error_message = "canceled", why


def _end_as_expired(move: Move) -> None:
    move.to = JobState.EXPIRED
    what = "start" if move.job.attempt == 0 else "finish"
    move.error_code, move.error_message = "expired", f"It did not {what} in time."


def _request_cancel(job: Job, *, agreed_fee: int | None) -> None:
    if job.is_cancel_requested:
        return
    fee = credit_policy.cancel_fee(JobState(job.state), reserved=job.credits_reserved)
    if agreed_fee is not None and fee > agreed_fee:
        raise CancelFeeChanged(job_id=job.id, fee=fee)
    with connection.cursor() as cursor:
        cursor.execute(moves.REQUEST_CANCEL, [fee, job.id])
        (version,) = cursor.fetchone()
    wakeup.wake_on_commit(wakeup.POLLER)
    payload = {"state": job.state, "version": version}
    outbox.record(
        events.CANCEL_REQUESTED, subject_id=job.id, owner_id=job.owner_id, payload=payload
    )


@contextmanager
def _moving(
    job_id: JobId,
    *,
    to: JobState | None,
    cause: str,
    attempt: int,
    repair: Repair | None = None,
) -> Iterator[Move]:
    """Lock in order, refuse an illegal or outdated move, then write what the caller set.

    `to` may be None when only the caller can know it, under the lock.
    """
    with transaction.atomic():
        if to is None or to in TERMINAL:
            locks.owner(job_id)
        job = locks.job(job_id)
        if attempt != job.attempt:
            raise AttemptSuperseded(job_id=job_id, attempt=attempt, current=job.attempt)
        if JobState(job.state) not in HOLDING:
            raise TransitionRefused(job_id=job_id, current=job.state, wanted=to or cause)
        move = Move(job=job, to=to or JobState(job.state), cause=cause)
        if to is not None:
            _checked(move)
        yield move
        if repair is not None and not recoveries.record(
            repair, job_id=job_id, attempt=attempt, led_to=move.to
        ):
            raise TransitionRefused(job_id=job_id, current=job.state, wanted=move.to)
        _apply(_checked(move))


def _checked(move: Move) -> Move:
    if move.to not in MOVES[JobState(move.job.state)]:
        raise TransitionRefused(job_id=move.job.id, current=move.job.state, wanted=move.to)
    return move


def _apply(*moved: Move) -> None:
    rows = [move.row() for move in moved]
    ids = [move.job.id for move in moved]
    written = prepared.run(moves.APPLY, {"jobs": ids, "moves": json.dumps(rows)})
    if len(written) != len(moved):
        raise AssertionError(f"One of the jobs {ids} changed under its own lock.")
    wakeup.wake_on_commit(wakeup.RELAY)
    if any(move.releases for move in moved):
        wakeup.wake_on_commit(wakeup.DISPATCHER)
    for move in moved:
        transaction.on_commit(
            partial(
                journal.moved,
                move.job.id,
                attempt=move.job.attempt,
                before=move.job.state,
                to=move.to.value,
                cause=move.outcome or move.cause,
            )
        )
