"""Celery's entry points into jobs. Messages carry ids only; the database knows the rest."""

import logging
from uuid import UUID

from celery import Task, shared_task

from jobs import execution
from jobs.ids import JobId

logger = logging.getLogger(__name__)


@shared_task(name="jobs.run_attempt", bind=True, ignore_result=True)
def run_attempt(self: "Task[[str, int], None]", job_id: str, attempt: int) -> None:
    """Run one attempt. A second delivery is refused by its lease."""
    worker = str(self.request.hostname or "unknown")
    execution.run(JobId(UUID(job_id)), attempt=attempt, worker=worker)
