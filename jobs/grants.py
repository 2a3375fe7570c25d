"""The statement that moves a batch of waiting jobs to `dispatched`; `scheduler/dispatch.py` runs it.

It is a move like those of `transitions.py`, for many jobs at once: state, attempt, lease, transition and
event together, with the lanes that they leave and how far lines and tiers have come. A job that is no longer
in its line takes no slot and moves no lane. The caller holds the locks of the lanes.
"""

from typing import Any, Final
from uuid import UUID

from django.conf import settings

from jobs import events, lanes, progress
from jobs.states import JobState
from notifications import outbox, prepared, wakeup

# The statement sees the backlog and the leases as they were before it: what it takes is left out, what it
# grants is counted. What the new row of progress contains of slot_use goes with it.
GRANT: Final = f"""
with wanted as (
    select * from unnest(%(jobs)s::uuid[], %(pools)s::text[], %(slots)s::int[], %(steps)s::float8[])
        as wanted (job_id, pool_id, slot, step)
), taken as (
    delete from backlog using wanted where backlog.job_id = wanted.job_id
    returning backlog.job_id, backlog.owner_id, backlog.line_id, backlog.cost,
        wanted.pool_id, wanted.slot, wanted.step
), moved as (
    update job set state = '{JobState.DISPATCHED}', attempt = attempt + 1, version = version + 1,
        pool_id = taken.pool_id, dispatched_at = now(), due_at = null
    from taken where job.id = taken.job_id and job.state = '{JobState.QUEUED}'
    returning job.id, job.owner_id, job.attempt, job.version,
        taken.pool_id, taken.slot, taken.line_id, taken.cost
), leased as (
    insert into lease
        (job_id, attempt, pool_id, slot, owner_id, line_id, estimate, granted_at, expires_at, worker)
    select id, attempt, pool_id, slot, owner_id, line_id, cost, now(),
        now() + make_interval(secs => %(lease)s::int), ''
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
), settled as (
    update lane set tag = lane.tag + coalesce(gone.step, 0),
        state = case
            when head.job_id is null then 0
            when tier.running_limit <= (
                (select count(*) from lease where lease.owner_id = lane.owner_id)
                + (select count(*) from moved where moved.owner_id = lane.owner_id)) then 2
            else 1 end,
        {lanes.LEFT.format(work="coalesce(gone.cost, 0)", jobs="coalesce(gone.jobs, 0)")}
    from unnest(%(lane_owners)s::uuid[], %(lane_lines)s::smallint[]) as seen (owner_id, line_id)
    join account on account.owner_id = seen.owner_id join tier on tier.name = account.tier_id
    left join (
        select owner_id, line_id, sum(step) as step, sum(cost) as cost, count(*) as jobs
        from taken group by owner_id, line_id
    ) gone on gone.owner_id = seen.owner_id and gone.line_id = seen.line_id
    left join lateral (
        select job_id, cost, since from backlog b
        where b.owner_id = seen.owner_id and b.line_id = seen.line_id
            and b.job_id <> all (%(jobs)s::uuid[])
        order by b.job_id limit 1
    ) head on true
    where lane.owner_id = seen.owner_id and lane.line_id = seen.line_id
), used as (
    delete from slot_use where id = any (%(used)s::bigint[])
), {progress.STEP}
select moved.id, moved.attempt, moved.pool_id, moved.slot, line.tier_id
from moved join line on line.id = moved.line_id
"""


def write(**columns: Any) -> list[tuple[UUID, int, str, int, str]]:
    """Run the statement; give job, attempt, pool, slot and tier of each.

    Raises IntegrityError if another dispatcher wrote since `progress` was read, or gave one of the slots.
    """
    found: list[Any] = prepared.run(GRANT, {"lease": settings.LEASE_SECONDS, **columns})
    if found:
        wakeup.wake_on_commit(wakeup.RELAY)
    return found
