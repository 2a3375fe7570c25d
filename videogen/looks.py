"""What of the clock's table would find something now, asked in one statement: what would not need not be sent.

Each condition is at least as wide as its sweep's own, and an index or a handful of rows answers it.
"""

import logging
from collections.abc import Collection
from typing import Final

from django.db import DatabaseError, InterfaceError, connection

from notifications import prepared
from scheduler import run_times

logger = logging.getLogger(__name__)

# What would find nothing is sent all the same so often, seconds: the ages of its ticks stay small, and a look that is
# wrong costs no more.
SELDOM: Final = 20.0
CONDITIONS: Final = {
    "scheduler.rescue_silent_workers": "select from lease where expires_at < now()",
    "scheduler.question_long_runs": f"""
        select from lease where granted_at < now() - interval '{run_times.SHORTEST_GRACE} seconds'""",
    "scheduler.expire_waiting": """
        select from job where finished_at is null and state = 'queued'
            and start_by <= now() and not exists (select from attempt
                where attempt.job_id = job.id and attempt.started_at is not null)
        union all
        select from job where finished_at is null and state = 'queued' and finish_by <= now()""",
    "scheduler.return_due_retries": """
        select from job where finished_at is null and state = 'queued' and due_at <= now()""",
    # Jobs of the last kind, which no pool makes, may wait for long.
    "scheduler.move_on": """
        select from kind where left_at is not null or name <> '-'
            and not exists (select from offering where offering.kind_id = kind.name)
            and exists (select from line join lane on lane.line_id = line.id and lane.state > 0
                where line.kind = kind.name)""",
    "scheduler.give_back_slots": "select from pool where restore_at <= now()",
    "scheduler.stop_orphans": "select from orphan where due_at <= now()",
    "scheduler.work_operations": """
        select from operation where state in ('counting', 'running')""",
    "videogen.withdraw_jobs_of_suspended": """
        select from account_suspension where lifted_at is null and emptied_at is null""",
    "videogen.make_exports": "select from account_export where finished_at is null",
}
_ASK: Final = f"""
select array_remove(array[{
    ", ".join(f"case when exists ({rows}) then '{name}' end" for name, rows in CONDITIONS.items())
}], null)
"""


def found(names: Collection[str]) -> set[str]:
    """Give those of these tasks that would find something; all of them while nobody can say."""
    if not names:
        return set()
    try:
        [(would_find,)] = prepared.run(_ASK, [])
    except (DatabaseError, InterfaceError) as error:
        logger.info("nobody_looked", extra={"reason": type(error).__name__})
        connection.close()
        return set(names)
    return set(would_find).intersection(names)
