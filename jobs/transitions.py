"""Every legal move of a job, one function each. Nothing else writes a job's state.

Note [Lock order]: account, lane, backlog row, job, outbox; several of a kind by ascending id. The grant
takes no account. Whoever knows only the job reads its owner first (an owner never changes), locks in this
order, and checks the state again under the job's lock.

Note [One move]: lock, legal-move check, fence check, then one statement (_APPLY) that writes state,
attempt, transition, settlement, slot and lane release and the event together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from jobs import credit_policy, events, retry_policy
from jobs.backends.backend import Video
from jobs.errors import AttemptSuperseded, JobMissing, TransitionRefused
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job
from jobs.states import HOLDING, MOVES, TERMINAL, JobState
from notifications import outbox

# A refund moves a lane's tag back by at most so many GPU-seconds.
_LARGEST_REFUND: Final = 600

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
        error_code = %(error_code)s, error_message = %(error_message)s
    where id = %(job)s and version = %(version)s
    returning id, owner_id, version, attempt, credits_reserved, credits_charged
), freed as (
    delete from lease using moved where lease.job_id = moved.id and %(releases)s
    returning lease.owner_id, lease.line_id, lease.estimate, lease.granted_at
), tried as (
    update attempt set
        started_at = case when %(to)s = 'running' then now() else started_at end,
        ended_at = case when %(releases)s then now() end,
        outcome = case when %(releases)s then %(outcome)s else '' end,
        detail = %(error_message)s
    from moved
    where attempt.job_id = moved.id and attempt.number = moved.attempt and attempt.ended_at is null
), noted as (
    insert into job_transition (job_id, version, from_state, to_state, attempt, cause)
    select id, version, %(from)s, %(to)s, attempt, %(cause)s from moved
), settled as (
    insert into ledger_entry (account_id, job_id, kind, balance_delta, held_delta, reason)
    select owner_id, id, case when credits_charged > 0 then 'capture' else 'release' end,
        credits_reserved - credits_charged, -credits_reserved, %(cause)s
    from moved where %(ends)s
), paid as (
    update account set balance = balance + credits_reserved - credits_charged,
        held = held - credits_reserved, live_count = live_count - 1
    from moved where account.owner_id = moved.owner_id and %(ends)s
), reopened as (
    update lane set
        state = case when lane.state = 2 then 1 else lane.state end,
        tag = case when lane.line_id = freed.line_id
            then greatest(
                lane.tag - freed.estimate
                    + case when %(owner_pays_time)s
                        then extract(epoch from now() - freed.granted_at) else 0 end,
                line.virtual_time - {_LARGEST_REFUND})
            else greatest(lane.tag, line.virtual_time) end
    from freed, line
    where lane.owner_id = freed.owner_id and line.id = lane.line_id
        and (lane.line_id = freed.line_id or lane.state = 2)
), told as (
    {outbox.INSERT}
    select %(event)s, id, owner_id, %(payload)s::jsonb || jsonb_build_object('version', version)
    from moved
)
select version from moved
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
    error_code: str = ""
    error_message: str = ""
    # Whether the time that the slot was held counts against the owner's share.
    owner_pays_time: bool = True


def start(job_id: JobId, *, attempt: int) -> None:
    """Record that the backend began to generate."""
    with _moving(job_id, to=JobState.RUNNING, cause="backend", attempt=attempt):
        pass


def succeed(job_id: JobId, *, attempt: int, video: Video) -> None:
    """Record the finished video and charge it once. Refused if a newer attempt owns the job."""
    with _moving(job_id, to=JobState.SUCCEEDED, cause="backend", attempt=attempt) as move:
        move.outcome = "succeeded"
        move.video_url = video.url
        move.thumbnail_url = video.thumbnail_url


def end_attempt(
    job_id: JobId, *, attempt: int, failure: FailureKind, message: str, jitter: float
) -> None:
    """Record that an attempt ended without a video: another try, or the job's end.

    A job whose owner asked to cancel ends as canceled instead of being tried again.
    """
    with _moving(job_id, to=None, cause=failure.value, attempt=attempt) as move:
        job = move.job
        job.failed_count += failure.counts
        decision = retry_policy.after(
            failure,
            failed_count=job.failed_count,
            max_attempts=settings.MAX_ATTEMPTS,
            jitter=jitter,
        )
        move.outcome = failure.value
        move.owner_pays_time = False
        move.error_code, move.error_message = failure.value, message
        if job.is_cancel_requested:
            move.to = JobState.CANCELED
            move.error_code, move.error_message = "canceled", "You cancelled it."
        elif isinstance(decision, retry_policy.RetryAfter):
            move.to = JobState.QUEUED
            move.delay = decision.seconds
        else:
            move.to = JobState.FAILED


def confirm_cancel(job_id: JobId, *, attempt: int) -> None:
    """Record that the backend stopped because the owner asked."""
    with _moving(job_id, to=JobState.CANCELED, cause="owner", attempt=attempt) as move:
        move.outcome = "canceled"
        move.error_code, move.error_message = "canceled", "You cancelled it."


def cancel(job_id: JobId, *, owner_id: UUID) -> None:
    """End a waiting job at once; ask a running one to stop. Refused when it has ended otherwise."""
    with transaction.atomic():
        _lock_owner(owner_id)
        with connection.cursor() as cursor:
            cursor.execute("delete from backlog where job_id = %s", [job_id])
        job = _lock_job(job_id)
        if job.owner_id != owner_id:
            raise JobMissing(job_id)
        state = JobState(job.state)
        if state in HOLDING:
            _request_cancel(job)
        elif state is not JobState.CANCELED:
            _apply(
                _checked(
                    _Move(
                        job=job,
                        to=JobState.CANCELED,
                        cause="owner",
                        error_code="canceled",
                        error_message="You cancelled it.",
                    )
                )
            )


def _request_cancel(job: Job) -> None:
    if job.is_cancel_requested:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "update job set cancel_requested_at = now(), version = version + 1"
            " where id = %s returning version",
            [job.id],
        )
        (version,) = cursor.fetchone()
    outbox.record(
        events.CANCEL_REQUESTED,
        subject_id=job.id,
        owner_id=job.owner_id,
        payload={"state": job.state, "version": version},
    )


@contextmanager
def _moving(job_id: JobId, *, to: JobState | None, cause: str, attempt: int) -> Iterator[_Move]:
    """Lock in order, refuse an illegal or outdated move, then write what the caller set.

    `to` may be None when only the caller can know it, under the lock.
    """
    with transaction.atomic():
        if to is None or to in TERMINAL:
            _lock_owner(_owner_of(job_id))
        job = _lock_job(job_id)
        if attempt != job.attempt:
            raise AttemptSuperseded(job_id=job_id, attempt=attempt, current=job.attempt)
        if JobState(job.state) not in HOLDING:
            raise TransitionRefused(job_id=job_id, current=job.state, wanted=to or cause)
        move = _Move(job=job, to=to or JobState(job.state), cause=cause)
        if to is not None:
            _checked(move)
        yield move
        _apply(_checked(move))


def _checked(move: _Move) -> _Move:
    current = JobState(move.job.state)
    if move.to not in MOVES[current]:
        raise TransitionRefused(job_id=move.job.id, current=current, wanted=move.to)
    return move


def _apply(move: _Move) -> None:
    job, ends = move.job, move.to in TERMINAL
    releases = JobState(job.state) in HOLDING and move.to not in HOLDING
    charged = credit_policy.charge(move.to, reserved=job.credits_reserved) if ends else 0
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
                "error_code": move.error_code,
                "error_message": move.error_message,
                "owner_pays_time": move.owner_pays_time,
                "event": events.OF_STATE[move.to],
                "payload": json.dumps(payload),
            },
        )
        if cursor.fetchone() is None:
            raise AssertionError(f"Job {job.id} changed under its own lock.")


def _owner_of(job_id: JobId) -> UUID:
    owner = Job.objects.filter(id=job_id).values_list("owner_id", flat=True).first()
    if owner is None:
        raise JobMissing(job_id)
    return owner


def _lock_owner(owner_id: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select 1 from account where owner_id = %s for no key update", [owner_id])
        cursor.execute(
            "select 1 from lane where owner_id = %s order by line_id for no key update", [owner_id]
        )


def _lock_job(job_id: JobId) -> Job:
    job = Job.objects.select_for_update(of=("self",), no_key=True).filter(id=job_id).first()
    if job is None:
        raise JobMissing(job_id)
    return job
