"""What a worker does with its lease: take the attempt once, renew it, learn that it must stop."""

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import connection

from jobs import orders
from jobs.backends.backend import Order
from jobs.ids import JobId

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


# The lease outlives the next question, so that only a poller that is gone lets it run out.
_ANSWERED: Final = """
update lease set answered_at = now(), is_hinted = false,
    percent = greatest(percent, %(percent)s),
    poll_at = case when poll_at is not null then now() + make_interval(secs => %(next)s) end,
    expires_at = now() + make_interval(secs => %(next)s + %(lease)s)
where job_id = %(job)s and attempt = %(attempt)s
"""
_HOLD: Final = """
update lease set is_hinted = false,
    poll_at = case when poll_at is not null then now() + make_interval(secs => %(next)s) end,
    expires_at = now() + make_interval(secs => %(next)s + %(lease)s)
where job_id = %(job)s and attempt = %(attempt)s
    and coalesce(answered_at, granted_at) > now() - make_interval(secs => %(away)s)
"""


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
    with connection.cursor() as cursor:
        cursor.execute(
            _PICK_UP,
            {
                "job": job_id,
                "attempt": attempt,
                "worker": worker,
                "node": worker.rpartition("@")[2],
                "lease": settings.LEASE_SECONDS,
            },
        )
        row = cursor.fetchone()
    return orders.of_row(row) if row else None


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
    """Note that the server of an asynchronous attempt works on it, and when it is asked next (seconds).

    Progress never falls. Says whether the attempt still owns its slot.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _ANSWERED,
            {
                "job": job_id,
                "attempt": attempt,
                "percent": percent,
                "next": next_in,
                "lease": settings.LEASE_SECONDS,
            },
        )
        return bool(cursor.rowcount == 1)


def hold(job_id: JobId, *, attempt: int, next_in: float = 0.0) -> bool:
    """Keep the slot of an attempt whose server gives no answer; false when it was away for too long."""
    with connection.cursor() as cursor:
        cursor.execute(
            _HOLD,
            {
                "job": job_id,
                "attempt": attempt,
                "next": next_in,
                "lease": settings.LEASE_SECONDS,
                "away": settings.BACKEND_AWAY_SECONDS,
            },
        )
        return bool(cursor.rowcount == 1)


def note_question(job_id: JobId, *, attempt: int) -> None:
    """Note that the backend was asked about an attempt, so that it is not asked again at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update lease set questioned_at = now() where job_id = %s and attempt = %s",
            [job_id, attempt],
        )
