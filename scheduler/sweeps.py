"""Repairs by state, on the database's clock. Running one twice, or never for a while, loses nothing."""

import logging
from collections.abc import Callable
from typing import Final

from django.db import connection, transaction

from jobs import transitions
from jobs.errors import AttemptSuperseded, JobMissing, TransitionRefused
from jobs.failures import FailureKind
from jobs.ids import JobId
from scheduler.metrics import REPAIRS

logger = logging.getLogger(__name__)

# Rows repaired in one go; the loop goes on until a batch is not full.
_BATCH: Final = 200
# Batches in one tick, so that a tick ends and the next one goes on.
_BATCHES: Final = 20

_SILENT: Final = """
select expires_at::text, job_id, attempt from lease
where expires_at < now() and (expires_at, job_id) > (%s, %s)
order by expires_at, job_id limit %s
"""
_DUE: Final = """
select job.id, job.owner_id, line.id, job.estimate
from job join line on line.tier_id = job.tier_id and line.kind = job.model
where job.state = 'queued' and job.due_at <= now()
order by job.due_at limit %s
"""
_OPEN_LANE: Final = """
insert into lane as l (owner_id, line_id, state, tag)
select %(owner)s, line.id, 1, line.virtual_time from line where line.id = %(line)s
on conflict (owner_id, line_id) do update set state = greatest(l.state, 1)
"""
# A job that was canceled meanwhile gets no backlog row: its state is checked under its lock.
_RETURN: Final = """
with due as (
    update job set due_at = null where id = %(job)s and state = 'queued' and due_at <= now()
    returning id
)
insert into backlog (job_id, owner_id, line_id, cost)
select id, %(owner)s, %(line)s, %(cost)s from due on conflict do nothing
"""
# Lanes that say "nothing waits" or "at the limit" although it is not so.
_REOPEN: Final = """
update lane set state = 1 from line, tier
where line.id = lane.line_id and tier.name = line.tier_id and lane.state <> 1
    and exists (select 1 from backlog b
        where b.owner_id = lane.owner_id and b.line_id = lane.line_id)
    and (tier.running_limit is null or tier.running_limit >
        (select count(*) from lease where lease.owner_id = lane.owner_id))
"""
_FIRST: Final = ("-infinity", "00000000-0000-0000-0000-000000000000")


def rescue_silent_workers(jitter: Callable[[], float]) -> int:
    """End attempts whose lease ran out: their worker died, hangs, or lost its connection."""
    rescued, after = 0, _FIRST
    for _ in range(_BATCHES):
        with connection.cursor() as cursor:
            cursor.execute(_SILENT, [*after, _BATCH])
            rows = cursor.fetchall()
        for expires_at, job_id, attempt in rows:
            after = (expires_at, str(job_id))
            rescued += _rescue(job_id, attempt=attempt, jitter=jitter())
        if len(rows) < _BATCH:
            break
    return rescued


def _rescue(job_id: JobId, *, attempt: int, jitter: float) -> int:
    try:
        transitions.end_attempt(
            job_id,
            attempt=attempt,
            failure=FailureKind.WORKER_LOST,
            message="The GPU stopped answering. It goes to another one; you are not charged twice.",
            jitter=jitter,
        )
    except (AttemptSuperseded, TransitionRefused, JobMissing) as refusal:
        logger.info("rescue_not_needed", extra={"job": str(job_id), "reason": str(refusal)})
        return 0
    REPAIRS.labels(sweep="rescue_silent_workers").inc()
    logger.warning("silent_worker_rescued", extra={"job": str(job_id), "attempt": attempt})
    return 1


def return_due_retries() -> int:
    """Put jobs whose next attempt is due back into their line, at their old place."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [_BATCH])
        rows = cursor.fetchall()
    for job_id, owner_id, line_id, estimate in rows:
        values = {"job": job_id, "owner": owner_id, "line": line_id, "cost": estimate}
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(_OPEN_LANE, values)
            cursor.execute(_RETURN, values)
    return len(rows)


def reopen_lanes() -> int:
    """Open lanes that were left closed although a job of theirs could run."""
    with connection.cursor() as cursor:
        cursor.execute(_REOPEN)
        repaired = int(cursor.rowcount)
    if repaired:
        REPAIRS.labels(sweep="reopen_lanes").inc(repaired)
        logger.warning("lanes_reopened", extra={"count": repaired})
    return repaired
