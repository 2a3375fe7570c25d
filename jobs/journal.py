"""One line in the log for each move of a job: ids and words of ours, nothing that somebody wrote."""

import logging
from typing import Final
from uuid import UUID

from notifications import traces

logger: Final = logging.getLogger(__name__)


def moved(
    job_id: UUID, *, attempt: int, to: str, cause: str, before: str = "", pool: str = ""
) -> None:
    """Write down a move that was committed, in the log and in the job's trace."""
    traces.note(f"job {to}", job_id, attempt=attempt, cause=cause, pool=pool)
    if logger.isEnabledFor(logging.INFO):
        told = {"job": str(job_id), "attempt": attempt, "before": before, "to": to, "cause": cause}
        logger.info("job_moved", extra={**told, "pool": pool} if pool else told)
