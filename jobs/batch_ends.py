"""The end of a batch: one event, recorded when its call was answered and the last of its jobs has ended.

Whoever ends it, the relay that heard of a job or the call that submitted the last one, locks the batch's row and looks
at its jobs after that: of two at once the second one sees everything. A unique key keeps it one event for ever. A call
that died is closed by a sweep.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from jobs import events
from notifications import outbox, wakeup
from notifications.event import Event

# A call that submits twenty jobs takes a second; one that is open for longer than this, seconds, has died.
_LONGEST_CALL: Final = 120

_LOCK: Final = "select closed_at is not null from batch where id = %s for update"
_CLOSE: Final = "update batch set closed_at = coalesce(closed_at, now()) where id = %s"
# A statement of its own: what it sees is as of after the lock.
_END: Final = f"""
{outbox.INSERT}
select '{events.BATCH_ENDED}', batch.id, batch.owner_id, jsonb_build_object(
    'size', count(*), 'ready', count(*) filter (where job.state = 'succeeded'),
    'failed', count(*) filter (where job.state = 'failed'),
    'expired', count(*) filter (where job.state = 'expired'),
    'canceled', count(*) filter (where job.state = 'canceled'),
    'took', round(extract(epoch from max(job.finished_at) - batch.created_at))::int)
    || case when bool_and(job.state = 'canceled' and not exists (
            select from job_transition t
            where t.job_id = job.id and t.to_state = 'canceled' and t.cause = 'operator'))
        then jsonb_build_object('by', 'owner') else '{{}}' end
from batch join job on job.batch_id = batch.id where batch.id = %s
group by batch.id having bool_and(job.finished_at is not null)
on conflict do nothing
"""
_DEAD: Final = """
select id from batch where closed_at is null and created_at < now() - make_interval(secs => %s)
order by created_at limit %s
"""


def hear(events: Sequence[Event]) -> None:
    """End the batches of which the last job has ended. In the relay's transaction."""
    batches = {str(found) for event in events if (found := event.payload.get("batch_id"))}
    with connection.cursor() as cursor:
        # In one order, as several relays may hear of parts of the same.
        for batch_id in sorted(batches):
            cursor.execute(_LOCK, [batch_id])
            row = cursor.fetchone()
            if row and row[0]:
                cursor.execute(_END, [batch_id])


def close(batch_id: UUID) -> None:
    """Say that everything of a call was submitted; its end may have come already."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, [batch_id])
        cursor.execute(_CLOSE, [batch_id])
        cursor.execute(_END, [batch_id])
        wakeup.wake_on_commit(wakeup.RELAY)


def close_dead(*, limit: int) -> int:
    """Close the batches of calls that died before they were answered; give how many."""
    with connection.cursor() as cursor:
        cursor.execute(_DEAD, [_LONGEST_CALL, limit])
        found = [row[0] for row in cursor.fetchall()]
    for batch_id in found:
        close(batch_id)
    return len(found)
