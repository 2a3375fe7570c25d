"""Which of a server's ids are still free: an order that is looked for is never one of another attempt."""

from collections.abc import Sequence
from typing import Final

from django.db import connection

from jobs.backends.backend import Order, Submitted

# Some servers count their ids anew at a restart, so that only what was sent at about that time says something.
_TAKEN: Final = """
select backend_job_id from attempt
where pool = %s and backend_job_id = any(%s) and (job_id, number) <> (%s, %s)
    and submitted_at >= %s - interval '1 minute'
"""


def free(order: Order, candidates: Sequence[Submitted]) -> list[Submitted]:
    """Leave out what other attempts have, in the given order."""
    if not candidates:
        return []
    ids = [one.backend_job_id for one in candidates]
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKEN, [order.site.pool, ids, order.job_id, order.attempt, order.submitted_at]
        )
        taken = {row[0] for row in cursor.fetchall()}
    return [one for one in candidates if one.backend_job_id not in taken]
