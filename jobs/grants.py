"""The statement that moves a batch of waiting jobs to `dispatched`; `scheduler/dispatch.py` runs it.

It is a move like those of `transitions.py`, for many jobs at once: state, attempt, lease, transition and
event together. A job that is no longer queued takes no slot.
"""

from typing import Final

from jobs import events
from jobs.states import JobState
from notifications import outbox

GRANT: Final = f"""
with wanted as (
    select * from unnest(%(jobs)s::uuid[], %(pools)s::text[], %(slots)s::int[])
        as wanted (job_id, pool_id, slot)
), taken as (
    delete from backlog using wanted where backlog.job_id = wanted.job_id
    returning backlog.job_id, backlog.owner_id, backlog.line_id, backlog.cost,
        wanted.pool_id, wanted.slot
), moved as (
    update job set state = '{JobState.DISPATCHED}', attempt = attempt + 1, version = version + 1,
        pool_id = taken.pool_id, dispatched_at = now(), due_at = null
    from taken where job.id = taken.job_id and job.state = '{JobState.QUEUED}'
    returning job.id, job.owner_id, job.tier_id, job.attempt, job.version,
        taken.pool_id, taken.slot, taken.line_id, taken.cost
), leased as (
    insert into lease
        (job_id, attempt, pool_id, slot, owner_id, line_id, estimate, granted_at, expires_at, worker)
    select id, attempt, pool_id, slot, owner_id, line_id, cost, now(),
        now() + make_interval(secs => %(lease)s), ''
    from moved
), tried as (
    insert into attempt (job_id, number, pool, slot, worker, node, backend_job_id, outcome, detail)
    select id, attempt, pool_id, slot, '', '', '', '', '' from moved
), noted as (
    insert into job_transition (job_id, version, from_state, to_state, attempt, cause)
    select id, version, '{JobState.QUEUED}', '{JobState.DISPATCHED}', attempt, 'grant' from moved
), told as (
    {outbox.INSERT}
    select '{events.DISPATCHED}', id, owner_id,
        jsonb_build_object('state', '{JobState.DISPATCHED}', 'attempt', attempt, 'version', version)
    from moved
)
select id, attempt, pool_id, tier_id from moved
"""
