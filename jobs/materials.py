"""What an order is made with beside its row: the image that it begins from, the video that it changes.

Read once, by the worker that makes or sends it: questions about an order never carry megabytes.
"""

from dataclasses import replace
from typing import Final
from uuid import UUID

from django.db import connection

from jobs import images
from jobs.backends.backend import BackendError, Order, Picture, Source
from jobs.failures import FailureKind

# A chain of changes longer than this is taken as beginning here.
_SOURCE: Final = """
with recursive chain as (
    select id, prompt, seed, remixed_from, 1 as length from job where id = %(job)s
    union all
    select job.id, job.prompt, job.seed, job.remixed_from, chain.length + 1
    from chain join job on job.id = chain.remixed_from where chain.length < 50
)
select attempt.pool, attempt.backend_job_id, first.prompt, first.seed
from attempt, (select prompt, seed from chain order by length desc limit 1) first
where attempt.job_id = %(job)s and attempt.outcome = 'succeeded'
"""


def complete(order: Order) -> Order:
    """Add what the order needs. Raises BackendError when it is not there any more."""
    needs = order.needs
    if needs is None:
        return order
    return replace(
        order,
        image=_picture(order, needs.image_digest) if needs.image_digest else None,
        source=_source(needs.remixed_from) if needs.remixed_from else None,
    )


def _picture(order: Order, digest: bytes) -> Picture:
    found = images.load(digest, owner_id=order.owner_id)
    if found is None:
        raise _lost("The image that it begins from is not kept any more.")
    return Picture(content=found.content, mime=found.mime)


def _source(job_id: UUID) -> Source:
    with connection.cursor() as cursor:
        cursor.execute(_SOURCE, {"job": job_id})
        row = cursor.fetchone()
    if row is None:
        raise _lost("The video that it changes is not kept any more.")
    return Source(pool=row[0], backend_job_id=row[1], prompt=row[2], seed=row[3])


def _lost(message: str) -> BackendError:
    return BackendError(FailureKind.INVALID_REQUEST, message)
