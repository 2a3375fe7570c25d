"""The locks of a move, taken in one order everywhere.

Note [Lock order]: account, lane, backlog row, job, retry budget, outbox; several of a kind by ascending id.
The grant takes no account; a submission takes its line's gate or door between account and lane. Whoever knows
only the job reads its owner first (an owner never changes), locks in this order, and checks the state again under
the job's lock.
"""

from collections.abc import Sequence
from typing import Final

from jobs import lanes
from jobs.errors import JobMissing
from jobs.ids import JobId
from jobs.models import Job
from notifications import prepared

# Account and lanes of a job's owner, in the order of the note.
_LOCK_OWNER: Final = """
with owner as materialized (
    select owner_id from account where owner_id = (select owner_id from job where id = %(job)s)
    for no key update
), lanes as materialized (
    select 1 from lane where owner_id = (select owner_id from owner)
    order by line_id for no key update
)
select (select owner_id from owner), (select count(*) from lanes)
"""
# The same of several jobs' owners.
_LOCK_OWNERS: Final = """
with owners as materialized (
    select owner_id from account
    where owner_id = any(array(select owner_id from job where id = any(%(jobs)s::uuid[])))
    order by owner_id for no key update
), lanes as materialized (
    select 1 from lane where owner_id = any(array(select owner_id from owners))
    order by owner_id, line_id for no key update
)
select count(*) from lanes
"""
_LEAVE_LINE: Final = f"""
with gone as (
    delete from backlog where job_id = %(job)s returning job_id, owner_id, line_id, cost
)
update lane set state = case when head.job_id is null then 0 else lane.state end,
    {lanes.LEFT.format(work="gone.cost", jobs="1")}
from gone left join lateral (
    select job_id, cost, since from backlog b
    where b.owner_id = gone.owner_id and b.line_id = gone.line_id and b.job_id <> gone.job_id
    order by b.job_id limit 1
) head on true
where lane.owner_id = gone.owner_id and lane.line_id = gone.line_id
"""


def owner(job_id: JobId) -> None:
    """Lock the account and the lanes of a job's owner. Raises JobMissing."""
    [(owner_id, _)] = prepared.run(_LOCK_OWNER, {"job": job_id})
    if owner_id is None:
        raise JobMissing(job_id)


def owners(job_ids: Sequence[JobId]) -> None:
    """Lock the accounts and the lanes of several jobs' owners."""
    prepared.run(_LOCK_OWNERS, {"jobs": list(job_ids)})


def waiting(job_id: JobId) -> Job:
    """Lock everything about a job that may stand in its line, and take it out of there."""
    owner(job_id)
    prepared.run(_LEAVE_LINE, {"job": job_id})
    return job(job_id)


def job(job_id: JobId) -> Job:
    """Lock a job and read it. Raises JobMissing."""
    found = Job.objects.select_for_update(of=("self",), no_key=True).filter(id=job_id).first()
    if found is None:
        raise JobMissing(job_id)
    return found


def jobs(job_ids: Sequence[JobId]) -> list[Job]:
    """Lock several jobs and read them; those that are missing are left out."""
    locked = Job.objects.select_for_update(of=("self",), no_key=True)
    return list(locked.filter(id__in=job_ids).order_by("id"))
