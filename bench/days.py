"""A day of 10,000 jobs as its tables keep it: money, moves, notices, deliveries, and what operators did."""

from typing import Final
from uuid import UUID

JOBS: Final = 10_000

# Each job with its reservation, its last move and its notice; every second twenty of them are one batch.
FILL: Final = """
with numbered as (
    select n, case when n %% 20 = 0 then 'failed' else 'succeeded' end as state, n / 20 as block,
        greatest(date_trunc('day', now()), now() - n * interval '1 s') as at
    from generate_series(1, %(jobs)s) n
), whole as (
    insert into batch (id, owner_id, fingerprint, size, closed_at, created_at)
    select gen_random_uuid(), %(owner)s, sha256(block::text::bytea), 20, max(at), min(at) from numbered
    where block %% 2 = 0 group by block returning *
), given as (
    select numbered.*, whole.id as batch_id from numbered
    left join whole on whole.fingerprint = sha256(numbered.block::text::bytea)
), made as (
    insert into job (id, owner_id, tier_id, state, attempt, failed_count, version, prompt, model, seconds,
        size, estimate, credits_reserved, credits_charged, created_at, dispatched_at, started_at, finished_at,
        pool_id, progress, video_url, thumbnail_url, error_code, error_message, batch_id)
    select gen_random_uuid(), %(owner)s, 'internal', state, 1, 0, 4,
        repeat('A lighthouse at blue hour, the beam sweeping over a flat sea. ', 3) || n, 'preview', 4, '854x480',
        4, 4, case when state = 'succeeded' then 4 else 0 end,
        at, at + interval '1 s', at + interval '2 s', at + interval '50 s', 'preview', 100,
        case when state = 'succeeded' then '/previews/of' || n || '.mp4' else '' end, '', '',
        case when state = 'failed' then 'The model ran out of memory.' else '' end, batch_id
    from given returning *
), money as (
    insert into ledger_entry (account_id, job_id, kind, balance_delta, held_delta, house_delta, reason, reference)
    select owner_id, id, 'reserve', -4, 4, 0, 'submission', '' from made
), moved as (
    insert into job_transition (job_id, version, from_state, to_state, attempt, cause, at)
    select id, 1, '', 'queued', 0, 'owner', created_at from made union all
    select id, 4, 'running', state, 1, 'backend', finished_at from made
), told as (
    insert into notification (event_id, owner_id, name, subject_id, payload)
    select row_number() over (order by created_at, id), owner_id, 'job.' || state, id, '{}' from made
    returning *
), sent as (
    insert into delivery (id, event_id, owner_id, name, subject_id, channel, target, message_id, content,
        payload, state, reason, due_at, is_daily, attempt, try_count, replay_count, created_at, ended_at)
    select gen_random_uuid(), event_id, owner_id, name, subject_id, channel, target, 'm' || event_id,
        '{"type": "video.completed", "data": {}}', '{}', state, '', null, false, 1, 1, 0, now(), now()
    from told, (values ('email', %(owner)s::text, 'delivered'), ('webhook', %(endpoint)s::text, 'delivered'),
        ('webhook', 'somebody', 'abandoned')) as ways (channel, target, state)
)
select count(*) from made
"""
_ACTS: Final = """
insert into operator_act (at, actor, verb, subject, reason, outcome)
select now() - n * interval '1 s', 'ops@bench.example', 'pool.capacity', 'preview', 'Maintenance of node ' || n,
    'Slots are set.' from generate_series(1, %s) n
"""


def fill(owner: UUID, *, endpoint: UUID) -> None:
    """Write the day down for an owner whose deliveries went to an endpoint; then take a reading of it."""
    from django.db import connection  # noqa: PLC0415 - after django.setup

    from scheduler import readings  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(FILL, {"owner": owner, "endpoint": endpoint, "jobs": JOBS})
        cursor.execute(_ACTS, [JOBS])
        cursor.execute("vacuum analyze")
    readings.take()
