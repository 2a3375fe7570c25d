"""What a worker does with its lease: take the attempt once, renew it, learn that it must stop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from jobs import orders
from jobs.backends.backend import Order
from jobs.ids import JobId
from notifications import prepared

# A second delivery of the same message finds `picked_up_at` set and takes nothing.
_PICK_UP: Final = f"""
with taken as (
    update lease set picked_up_at = now(), worker = %(worker)s,
        expires_at = now() + make_interval(secs => %(lease)s)
    where job_id = %(job)s and attempt = %(attempt)s and picked_up_at is null
    returning job_id, attempt, pool_id
), noted as (
    update attempt set worker = %(worker)s, node = %(node)s from taken
    where attempt.job_id = taken.job_id and attempt.number = taken.attempt
)
select {orders.COLUMNS}
from taken join job j on j.id = taken.job_id join pool p on p.name = taken.pool_id
join attempt a on a.job_id = taken.job_id and a.number = taken.attempt
"""
_HELD: Final = f"""
select {orders.COLUMNS}
from lease join job j on j.id = lease.job_id join pool p on p.name = lease.pool_id
join attempt a on a.job_id = lease.job_id and a.number = lease.attempt
where lease.job_id = %(job)s and lease.attempt = %(attempt)s
"""
_RENEW: Final = """
update lease set expires_at = now() + make_interval(secs => %(lease)s),
    percent = coalesce(%(percent)s, percent)
from job
where lease.job_id = %(job)s and lease.attempt = %(attempt)s and job.id = lease.job_id
returning job.cancel_requested_at is not null, (job.finish_by <= now()) is true
"""


# Locked by ascending id, as several writers may share them.
_HELD_NOW: Final = """
with told as (
    select * from unnest(%(jobs)s::uuid[], %(attempts)s::int[], %(percents)s::int[], %(next)s::float8[])
        as t(job_id, attempt, percent, next)
), held as (
    select l.job_id from lease l join told t on t.job_id = l.job_id and t.attempt = l.attempt
    order by l.job_id for update of l
)
"""
# The lease outlives the next question, so that only a poller that is gone lets it run out.
_ANSWERED: Final = f"""{_HELD_NOW}
update lease set answered_at = now(), is_hinted = false,
    percent = greatest(lease.percent, t.percent),
    poll_at = case when poll_at is not null then now() + make_interval(secs => t.next) end,
    expires_at = now() + make_interval(secs => t.next + %(lease)s)
from told t join held using (job_id) where lease.job_id = t.job_id and lease.attempt = t.attempt
returning lease.job_id
"""
_HOLD: Final = f"""{_HELD_NOW}
update lease set is_hinted = false,
    poll_at = case when poll_at is not null then now() + make_interval(secs => t.next) end,
    expires_at = now() + make_interval(secs => t.next + %(lease)s)
from told t join held using (job_id) where lease.job_id = t.job_id and lease.attempt = t.attempt
    and coalesce(answered_at, granted_at) > now() - make_interval(secs => %(away)s)
returning lease.job_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a server said of an attempt that goes on, and in how many seconds it is asked again."""

    job_id: JobId
    attempt: int
    percent: int | None = None
    next_in: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """Whether the attempt still owns its slot, and whether it is still wanted."""

    is_held: bool
    is_cancel_requested: bool
    is_past_deadline: bool


def pick_up(job_id: JobId, *, attempt: int, worker: str) -> Order | None:
    """Take a granted attempt for this worker; None when it is over or somebody has it.

    `worker` is written as name@node, like a Celery worker's host name.
    """
    values = {
        "job": job_id,
        "attempt": attempt,
        "worker": worker,
        "node": worker.rpartition("@")[2],
        "lease": settings.LEASE_SECONDS,
    }
    rows = prepared.run(_PICK_UP, values)
    return orders.of_row(rows[0]) if rows else None


def held(job_id: JobId, *, attempt: int) -> Order | None:
    """Give the order of an attempt that holds a slot; None when it is over."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD, {"job": job_id, "attempt": attempt})
        row = cursor.fetchone()
    return orders.of_row(row) if row else None


def renew(job_id: JobId, *, attempt: int, percent: int | None = None) -> Renewal:
    """Extend the lease by its full length on the database's clock, and note the progress."""
    with connection.cursor() as cursor:
        cursor.execute(
            _RENEW,
            {
                "job": job_id,
                "attempt": attempt,
                "percent": percent,
                "lease": settings.LEASE_SECONDS,
            },
        )
        row = cursor.fetchone()
    return Renewal(
        is_held=row is not None,
        is_cancel_requested=bool(row and row[0]),
        is_past_deadline=bool(row and row[1]),
    )


def answered(job_id: JobId, *, attempt: int, percent: int | None, next_in: float = 0.0) -> bool:
    """Note that an attempt's server works on it; say whether the attempt still owns its slot."""
    told = Told(job_id=job_id, attempt=attempt, percent=percent, next_in=next_in)
    return bool(answered_all([told]))


def answered_all(told: Sequence[Told]) -> set[UUID]:
    """Note that servers work on these attempts, and when each is asked next. Progress never falls.

    Gives the jobs whose attempts still own their slots.
    """
    return _written(_ANSWERED, told)


def hold(job_id: JobId, *, attempt: int, next_in: float = 0.0) -> bool:
    """Keep the slot of an attempt whose server gives no answer; false when it was away for too long."""
    return bool(hold_all([Told(job_id=job_id, attempt=attempt, next_in=next_in)]))


def hold_all(told: Sequence[Told]) -> set[UUID]:
    """Keep the slots of attempts whose servers give no answer; give the jobs that were not away for too long."""
    return _written(_HOLD, told)


def _written(statement: str, told: Sequence[Told]) -> set[UUID]:
    if not told:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "jobs": [one.job_id for one in told],
                "attempts": [one.attempt for one in told],
                "percents": [one.percent for one in told],
                "next": [one.next_in for one in told],
                "lease": settings.LEASE_SECONDS,
                "away": settings.BACKEND_AWAY_SECONDS,
            },
        )
        return {job_id for (job_id,) in cursor.fetchall()}


def note_question(job_id: JobId, *, attempt: int) -> None:
    """Note that the backend was asked about an attempt, so that it is not asked again at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update lease set questioned_at = now() where job_id = %s and attempt = %s",
            [job_id, attempt],
        )
