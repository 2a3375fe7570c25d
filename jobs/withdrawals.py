"""Taking back what waits, for an owner whose account was closed."""

import logging
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connection

from jobs import transitions
from jobs.errors import JobMissing, TransitionRefused

logger = logging.getLogger(__name__)

# Waiting ones first: those that run are only counted.
_OPEN: Final = """
select id, state from job where owner_id = %s and finished_at is null
order by state <> 'queued', created_at limit %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How many jobs were withdrawn, and whether the owner has nothing open any more."""

    withdrawn: int
    is_empty: bool


def withdraw_waiting(owner_id: UUID, *, why: str, limit: int) -> Batch:
    """Cancel up to `limit` waiting jobs of an owner, each in a transaction of its own, at no charge."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [owner_id, limit])
        rows = cursor.fetchall()
    withdrawn = 0
    for job_id, state in rows:
        if state != "queued":
            continue
        try:
            transitions.withdraw(job_id, why=why)
        except (TransitionRefused, JobMissing) as refusal:
            logger.info("withdrawal_not_needed", extra={"job": str(job_id), "why": str(refusal)})
        else:
            withdrawn += 1
    return Batch(withdrawn=withdrawn, is_empty=not rows)
