"""The times that an owner gave: to start by and to finish by, on the database's clock."""

from typing import Final

from django.db import connection

from jobs.models import Job

_HAVE_PASSED: Final = """
select (start_by <= now()) is true and not exists (select 1 from attempt
        where attempt.job_id = job.id and attempt.started_at is not null)
    or (finish_by <= now()) is true
from job where id = %s
"""


def have_passed(job: Job) -> bool:
    """Say whether a job's time to finish is over, or its time to start while it never had a slot."""
    if job.start_by is None and job.finish_by is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_HAVE_PASSED, [job.id])
        (found,) = cursor.fetchone()
    return bool(found)
