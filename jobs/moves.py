"""The statements of moves; `jobs/transitions.py` alone runs them, under the locks that they need."""

from typing import Final

from jobs import lanes, ledger
from notifications import outbox

# Moves of one or many jobs, of which the caller holds the locks: a row of JSON for each. What differs by job is in
# that row; an owner, a lane and a pool are written once, with what all of the jobs did to them. The ids are given
# beside it so that the planner knows how few there are.
APPLY: Final = f"""
with given as (
    select * from json_to_recordset(%(moves)s::json) as given (
        job_id uuid, version int, before text, after text, cause text, ends boolean, releases boolean,
        delay float8, outcome text, failed_count int, charged int, video_url text, thumbnail_url text,
        video_expires_at timestamptz, learned_by text, error_code text, error_message text,
        owner_pays_time boolean, event text, payload jsonb)
), moved as (
    update job set state = given.after, version = job.version + 1,
        due_at = now() + make_interval(secs => given.delay),
        started_at = case given.after when 'running' then now()
            when 'queued' then null else started_at end,
        finished_at = case when given.ends then now() end,
        failed_count = given.failed_count,
        progress = case given.after when 'succeeded' then 100 when 'queued' then 0
            else coalesce((select percent from lease where lease.job_id = job.id), progress) end,
        credits_charged = given.charged,
        video_url = given.video_url, thumbnail_url = given.thumbnail_url,
        video_expires_at = given.video_expires_at,
        error_code = given.error_code, error_message = given.error_message
    from given
    where job.id = any(%(jobs)s::uuid[]) and job.id = given.job_id and job.version = given.version
    returning job.id, job.owner_id, job.version, job.attempt, job.credits_reserved,
        job.credits_charged, job.created_at, job.estimate, job.error_message, given.before,
        given.after, given.cause, given.ends, given.releases, given.outcome, given.learned_by,
        given.owner_pays_time, given.event, given.payload
), freed as (
    delete from lease using moved where lease.job_id = moved.id and moved.releases
    returning lease.owner_id, lease.line_id, lease.pool_id, lease.estimate, moved.owner_pays_time,
        extract(epoch from now() - lease.granted_at)::float8 as held
), tried as (
    update attempt set
        started_at = case when moved.after = 'running' then now() else started_at end,
        ended_at = case when moved.releases then now() end,
        outcome = case when moved.releases then moved.outcome else '' end,
        learned_by = case when moved.releases then moved.learned_by else '' end,
        detail = moved.error_message
    from moved
    where attempt.job_id = moved.id and attempt.number = moved.attempt and attempt.ended_at is null
), noted as (
    insert into job_transition (job_id, version, from_state, to_state, attempt, cause)
    select id, version, before, after, attempt, cause from moved
), settled as ({ledger.SETTLE_ENTRY}
), paid as ({ledger.SETTLE_BALANCE}
{lanes.FREED}), told as (
    {outbox.INSERT}
    select event, id, owner_id, payload || jsonb_build_object('version', version)
        || case when ends then jsonb_build_object(
            'took', round(extract(epoch from now() - created_at))::int) else '{{}}' end
    from moved order by id
)
select id from moved
"""
# An asynchronous attempt is asked after at once, so that its server is told.
REQUEST_CANCEL: Final = """
with asked as (
    update job set cancel_requested_at = now(), cancel_fee = %s, version = version + 1
    where id = %s returning id, version
), sooner as (
    update lease set poll_at = now() from asked
    where lease.job_id = asked.id and lease.poll_at is not null
)
select version from asked
"""
