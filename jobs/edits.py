"""Other words for a job that waits for its first try: it keeps its place, its price and its key."""

from typing import Final
from uuid import UUID

from django.db import connection, transaction

from jobs import events, idempotency, locks, moderation, requests
from jobs.errors import EditRefused, JobMissing
from jobs.ids import JobId
from jobs.states import JobState
from notifications import outbox, wakeup

# Under the job's lock: whoever grants it comes before, and then it waits no more, or after, and reads the new words.
_EDIT: Final = f"""
with edited as (
    update job set prompt = %(prompt)s, seed = %(seed)s, edited_at = now(), version = version + 1
    where id = %(job)s returning id, owner_id, version
)
{outbox.INSERT}
select '{events.EDITED}', id, owner_id, jsonb_build_object('state', '{JobState.QUEUED}', 'version', version)
from edited
"""


def edit(job_id: JobId, *, owner_id: UUID, prompt: object, seed: object) -> None:
    """Give a job that waits for its first try another prompt and seed; the same ones change nothing.

    Model, length and size stay: they decide its line, its price and its cost. Raises InvalidFields,
    PromptRefused, ModerationAway, JobMissing, and EditRefused once a GPU was found for it.
    """
    words, number = requests.words_of(prompt=prompt, seed=seed)
    moderation.check(words, owner_id=owner_id)
    with transaction.atomic():
        job = locks.job(job_id)
        if job.owner_id != owner_id:
            raise JobMissing(job_id)
        if JobState(job.state) is not JobState.QUEUED or job.attempt:
            raise EditRefused(job_id=job_id, current=job.state)
        if (job.prompt, job.seed) == (words, number):
            return
        # The words that it had are another video from now on.
        idempotency.let_go(requests.of_job(job), owner_id=owner_id, job_id=job_id)
        with connection.cursor() as cursor:
            cursor.execute(_EDIT, {"job": job_id, "prompt": words, "seed": number})
        wakeup.wake_on_commit(wakeup.RELAY)
