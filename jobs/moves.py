"""The statements of moves; `jobs/transitions.py` alone runs them, under the locks that they need."""

from typing import Final

from jobs import lanes, ledger
from notifications import outbox

APPLY: Final = f"""
with moved as (
    update job set state = %(to)s, version = version + 1,
        due_at = case when %(delay)s::float8 is null then null
            else now() + make_interval(secs => %(delay)s) end,
        started_at = case when %(to)s = 'running' then now()
            when %(to)s = 'queued' then null else started_at end,
        finished_at = case when %(ends)s then now() end,
        failed_count = %(failed_count)s,
        progress = case when %(to)s = 'succeeded' then 100 when %(to)s = 'queued' then 0
            else coalesce((select percent from lease where lease.job_id = job.id), progress) end,
        credits_charged = %(charged)s,
        video_url = %(video_url)s, thumbnail_url = %(thumbnail_url)s,
        video_expires_at = %(video_expires_at)s,
        error_code = %(error_code)s, error_message = %(error_message)s
    where id = %(job)s and version = %(version)s
    returning id, owner_id, version, attempt, credits_reserved, credits_charged, created_at,
        estimate
), freed as (
    delete from lease using moved where lease.job_id = moved.id and %(releases)s
    returning lease.owner_id, lease.line_id, lease.pool_id, lease.estimate,
        extract(epoch from now() - lease.granted_at)::float8 as held
), tried as (
    update attempt set
        started_at = case when %(to)s = 'running' then now() else started_at end,
        ended_at = case when %(releases)s then now() end,
        outcome = case when %(releases)s then %(outcome)s else '' end,
        learned_by = case when %(releases)s then %(learned_by)s else '' end,
        detail = %(error_message)s
    from moved
    where attempt.job_id = moved.id and attempt.number = moved.attempt and attempt.ended_at is null
), noted as (
    insert into job_transition (job_id, version, from_state, to_state, attempt, cause)
    select id, version, %(from)s, %(to)s, attempt, %(cause)s from moved
), settled as ({ledger.SETTLE_ENTRY}
), paid as ({ledger.SETTLE_BALANCE}
{lanes.FREED}), told as (
    {outbox.INSERT}
    select %(event)s, id, owner_id, %(payload)s::jsonb || jsonb_build_object('version', version)
    from moved
)
select version from moved
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
