"""Deleting as owners mean it: what lives is cancelled, what ended is out of sight. Nothing of it is lost."""

from typing import Final
from uuid import UUID

from django.db import connection

from jobs import events, transitions
from jobs.errors import TransitionRefused
from jobs.ids import JobId
from notifications import outbox, wakeup

_HIDE: Final = f"""
with hidden as (
    update job set hidden_at = now(), version = version + 1
    where id = %s and owner_id = %s and finished_at is not null and hidden_at is null
    returning id, owner_id, state, attempt, version
), told as (
    {outbox.INSERT}
    select '{events.REMOVED}', id, owner_id,
        jsonb_build_object('state', state, 'attempt', attempt, 'version', version)
    from hidden
)
select 1 from hidden
"""


def remove(job_id: JobId, *, owner_id: UUID) -> None:
    """Cancel a job that lives, at the fee of the moment, or hide one that ended; followers are told of both.

    Raises JobMissing.
    """
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
        is_hidden = cursor.fetchone() is not None
    if is_hidden:
        wakeup.wake_on_commit(wakeup.RELAY)
    return is_hidden
