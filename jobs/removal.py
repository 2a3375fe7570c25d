"""Deleting as owners mean it: what lives is cancelled, what ended is out of sight. Nothing of it is lost."""

from typing import Final
from uuid import UUID

from django.db import connection

from jobs import transitions
from jobs.errors import TransitionRefused
from jobs.ids import JobId

_HIDE: Final = """
update job set hidden_at = coalesce(hidden_at, now())
where id = %s and owner_id = %s and finished_at is not null
"""


def remove(job_id: JobId, *, owner_id: UUID) -> None:
    """Cancel a job that lives, at the fee of the moment, or hide one that ended. Raises JobMissing."""
    if _hide(job_id, owner_id=owner_id):
        return
    try:
        transitions.cancel(job_id, owner_id=owner_id)
    except TransitionRefused:
        # It ended between the two.
        _hide(job_id, owner_id=owner_id)


def _hide(job_id: JobId, *, owner_id: UUID) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_HIDE, [job_id, owner_id])
        return bool(cursor.rowcount)
