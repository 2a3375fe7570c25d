"""Writing down why a stuck attempt was ended, in the transaction that ends it."""

from dataclasses import dataclass
from typing import Final

from django.db import connection

from jobs.ids import JobId
from jobs.models import Cause, Truth
from jobs.states import JobState

# The lease is still there: it says when the attempt was last well, and where it ran. It is read again under
# its lock: since the sweep read it, a worker may have taken the attempt or renewed the lease.
_RECORD: Final = """
with held as (
    select * from lease where job_id = %(job)s and attempt = %(attempt)s
        and (%(cause)s not in ('silent_worker', 'never_picked_up') or expires_at < now())
        and (%(cause)s <> 'never_picked_up' or picked_up_at is null)
    for update
)
insert into recovery (job_id, attempt, cause, truth, pool, worker, node, stuck_since, led_to)
select a.job_id, a.number, %(cause)s, %(truth)s, a.pool, a.worker, a.node,
    case when %(cause)s = 'silent_worker'
        then held.expires_at - make_interval(secs => %(lease)s)
        else coalesce(a.started_at, a.granted_at) end,
    %(led_to)s
from attempt a join held on held.job_id = a.job_id
where a.job_id = %(job)s and a.number = %(attempt)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Why a sweep ends an attempt, and what the backend said when it was asked."""

    cause: Cause
    truth: Truth
    # Length of the lease that ran out, seconds: the worker was last heard so long before its end.
    lease_seconds: float


def record(repair: Repair, *, job_id: JobId, attempt: int, led_to: JobState) -> bool:
    """Write the repair of an attempt that still holds its lease; false when its cause is no more."""
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD,
            {
                "job": job_id,
                "attempt": attempt,
                "cause": repair.cause.value,
                "truth": repair.truth.value,
                "lease": repair.lease_seconds,
                "led_to": led_to.value,
            },
        )
        return bool(cursor.rowcount == 1)
