"""Every legal move of a job, one function each. Nothing else writes a job's state.

Note [One move]: lock, legal-move check, fence check, then one statement (_APPLY) that writes state,
attempt, transition, settlement, slot and lane release and the event together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from jobs import (
    credit_policy,
    deadlines,
    events,
    lanes,
    ledger,
    locks,
    recoveries,
    retry_budget,
    retry_policy,
)
from jobs.backends.backend import Video
from jobs.errors import (
    AttemptSuperseded,
    CancelFeeChanged,
    JobMissing,
    TransitionRefused,
)
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job, LearnedBy
from jobs.recoveries import Repair
from jobs.states import HOLDING, MOVES, TERMINAL, JobState
from notifications import outbox

_APPLY: Final = f"""
with moved as (
    update job set state = %(to)s, version = version + 1,
        due_at = case when %(delay)s::float8 is null then null
            else now() + make_interval(secs => %(delay)s) end,
        started_at = case when %(to)s = 'running' then now()
            when %(to)s = 'queued' then null else started_at end,
        finished_at = case when %(ends)s then now() end,
        failed_count = %(failed_count)s,
        progress = case when %(to)s = 'succeeded' then 100 when %(to)s = 'queued' then 0
            else coalesce((select percent from lease where lease.job_id = job.id), progress) end,
        credits_charged = %(charged)s,
        video_url = %(video_url)s, thumbnail_url = %(thumbnail_url)s,
        video_expires_at = %(video_expires_at)s,
        error_code = %(error_code)s, error_message = %(error_message)s
    where id = %(job)s and version = %(version)s
    returning id, owner_id, version, attempt, credits_reserved, credits_charged
), freed as (
    delete from lease using moved where lease.job_id = moved.id and %(releases)s
    returning lease.owner_id, lease.line_id, lease.pool_id, lease.estimate,
        extract(epoch from now() - lease.granted_at)::float8 as held
), tried as (
    update attempt set
        started_at = case when %(to)s = 'running' then now() else started_at end,
        ended_at = case when %(releases)s then now() end,
        outcome = case when %(releases)s then %(outcome)s else '' end,
        learned_by = case when %(releases)s then %(learned_by)s else '' end,
        detail = %(error_message)s
    from moved
    where attempt.job_id = moved.id and attempt.number = moved.attempt and attempt.ended_at is null
), noted as (
    insert into job_transition (job_id, version, from_state, to_state, attempt, cause)
    select id, version, %(from)s, %(to)s, attempt, %(cause)s from moved
), settled as ({ledger.SETTLE_ENTRY}
), paid as ({ledger.SETTLE_BALANCE}
{lanes.FREED}), told as (
    {outbox.INSERT}
    select %(event)s, id, owner_id, %(payload)s::jsonb || jsonb_build_object('version', version)
    from moved
)
select version from moved
"""
# An asynchronous attempt is asked after at once, so that its server is told.
_REQUEST_CANCEL: Final = """
with asked as (
    update job set cancel_requested_at = now(), cancel_fee = %s, version = version + 1
    where id = %s returning id, version
), sooner as (
    update lease set poll_at = now() from asked
    where lease.job_id = asked.id and lease.poll_at is not null
)
select version from asked
"""


@dataclass(slots=True)
class _Move:
    """What a move writes beside the state; the caller fills in what is its own."""

    job: Job
    to: JobState
    cause: str
    delay: float | None = None
    outcome: str = ""
    video_url: str = ""
    thumbnail_url: str = ""
    video_expires_at: datetime | None = None
    # How the end was first learned.
    learned_by: LearnedBy = LearnedBy.WORKER
    error_code: str = ""
    error_message: str = ""
    # Whether the time that the slot was held counts against the owner's share.
    owner_pays_time: bool = True


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
            move = _Move(job=job, to=JobState.CANCELED, cause="owner")
            _end_as_canceled(move, fee=0)
            _apply(_checked(move))


def expire(job_id: JobId) -> None:
    """End a waiting job whose time to start or to finish passed. Refused while there is time, or it runs."""
    with transaction.atomic():
        job = locks.waiting(job_id)
        if JobState(job.state) is not JobState.QUEUED or not deadlines.have_passed(job):
            raise TransitionRefused(job_id=job_id, current=job.state, wanted=JobState.EXPIRED)
        move = _Move(job=job, to=JobState.EXPIRED, cause="deadline")
        _end_as_expired(move)
        _apply(_checked(move))


def _end_as_canceled(move: _Move, *, fee: int) -> None:
    move.to = JobState.CANCELED
    move.job.cancel_fee = fee
    move.error_code, move.error_message = "canceled", "You cancelled it."


def _end_as_expired(move: _Move) -> None:
    move.to = JobState.EXPIRED
    move.error_code = "expired"
    move.error_message = (
        "It did not start in time." if move.job.attempt == 0 else "It did not finish in time."
    )


def _request_cancel(job: Job, *, agreed_fee: int | None) -> None:
    if job.is_cancel_requested:
        return
    fee = credit_policy.cancel_fee(JobState(job.state), reserved=job.credits_reserved)
    if agreed_fee is not None and fee > agreed_fee:
        raise CancelFeeChanged(job_id=job.id, fee=fee)
    with connection.cursor() as cursor:
        cursor.execute(_REQUEST_CANCEL, [fee, job.id])
        (version,) = cursor.fetchone()
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
) -> Iterator[_Move]:
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
        move = _Move(job=job, to=to or JobState(job.state), cause=cause)
        if to is not None:
            _checked(move)
        yield move
        if repair is not None and not recoveries.record(
            repair, job_id=job_id, attempt=attempt, led_to=move.to
        ):
            raise TransitionRefused(job_id=job_id, current=job.state, wanted=move.to)
        _apply(_checked(move))


def _checked(move: _Move) -> _Move:
    current = JobState(move.job.state)
    if move.to not in MOVES[current]:
        raise TransitionRefused(job_id=move.job.id, current=current, wanted=move.to)
    return move


def _apply(move: _Move) -> None:
    job, ends = move.job, move.to in TERMINAL
    releases = JobState(job.state) in HOLDING and move.to not in HOLDING
    money = {"reserved": job.credits_reserved, "cancel_fee": job.cancel_fee or 0}
    charged = credit_policy.charge(move.to, **money) if ends else 0
    payload: dict[str, Any] = {"state": move.to.value, "attempt": job.attempt}
    if move.error_code:
        payload["error"] = {"code": move.error_code, "message": move.error_message}
    with connection.cursor() as cursor:
        cursor.execute(
            _APPLY,
            {
                "job": job.id,
                "version": job.version,
                "from": job.state,
                "to": move.to.value,
                "cause": move.cause,
                "ends": ends,
                "releases": releases,
                "delay": move.delay,
                "outcome": move.outcome or move.cause,
                "failed_count": job.failed_count,
                "charged": charged,
                "video_url": move.video_url,
                "thumbnail_url": move.thumbnail_url,
                "video_expires_at": move.video_expires_at,
                "learned_by": move.learned_by.value,
                "error_code": move.error_code,
                "error_message": move.error_message,
                "owner_pays_time": move.owner_pays_time,
                "event": events.OF_STATE[move.to],
                "payload": json.dumps(payload),
            },
        )
        if cursor.fetchone() is None:
            raise AssertionError(f"Job {job.id} changed under its own lock.")
