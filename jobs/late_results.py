"""Videos that came after their attempt no longer owned the job."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from jobs import events
from jobs.backends.backend import Video
from jobs.ids import JobId
from jobs.models import LateResult
from jobs.states import TERMINAL, JobState
from notifications import outbox, wakeup

# A video that nobody waits for: recorded once per attempt, and shown without a notice.
_KEEP: Final = f"""
with kept as (
    insert into late_result (job_id, attempt, video_url, thumbnail_url)
    select id, %(attempt)s, %(video_url)s, %(thumbnail_url)s from job
    where id = %(job)s
        and (attempt <> %(attempt)s or state not in ('succeeded', 'dispatched', 'running'))
    on conflict do nothing
    returning job_id
), seen as (
    update job set version = version + 1 from kept where job.id = kept.job_id
    returning id, owner_id, version, state
), told as (
    {outbox.INSERT}
    select '{events.LATE_RESULT}', id, owner_id,
        jsonb_build_object('state', state, 'attempt', %(attempt)s::int, 'version', version)
    from seen
)
select 1 from seen
"""


def keep(job_id: JobId, *, attempt: int, video: Video) -> bool:
    """Keep a video whose attempt no longer owns its job; say whether it was new. Changes no state.

    Does nothing for the video of the attempt that succeeded.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _KEEP,
            {
                "job": job_id,
                "attempt": attempt,
                "video_url": video.url,
                "thumbnail_url": video.thumbnail_url,
            },
        )
        is_new = cursor.fetchone() is not None
        if is_new:
            wakeup.wake_on_commit(wakeup.RELAY)
    return is_new


def of(row: Mapping[str, Any]) -> Video | None:
    """Give the first late video of a job that ended without one; `row` has its id and state."""
    return of_each([row]).get(row["id"])


def of_each(rows: Iterable[Mapping[str, Any]]) -> dict[UUID, Video]:
    """Give late videos by job; asks the database only when a job ended without a video."""
    ended = [row["id"] for row in rows if _ended_without_video(row)]
    if not ended:
        return {}
    newest_first = LateResult.objects.filter(job_id__in=ended).order_by("-id")
    return {
        found.job_id: Video(url=found.video_url, thumbnail_url=found.thumbnail_url)
        for found in newest_first
    }


def arrived_at(job_id: UUID) -> datetime | None:
    """Say when the first late video of a job came."""
    came = LateResult.objects.filter(job_id=job_id).order_by("id")
    return came.values_list("arrived_at", flat=True).first()


def _ended_without_video(row: Mapping[str, Any]) -> bool:
    state = JobState(row["state"])
    return state in TERMINAL and state is not JobState.SUCCEEDED
