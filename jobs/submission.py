"""Accepting a request: key, limits, credits, job, first transition, line and event in one statement."""

import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from jobs import events
from jobs.errors import KeyReused, QuotaExceeded
from jobs.ids import JobId, new_job_id
from jobs.metrics import SUBMISSIONS
from jobs.models import Account, IdempotencyKey
from jobs.requests import VideoRequest
from notifications import outbox

# `room` locks the account, so that submissions of one owner take turns and limits are exact: PostgreSQL
# checks its conditions again on the row as the transaction before left it. No row from `room`: refused,
# nothing written. A row from `room` and none from `entered`: the key is known already.
_SUBMIT: Final = f"""
with room as materialized (
    select a.owner_id, a.tier_id, line.id as line_id
    from account a
    join tier t on t.name = a.tier_id
    join line on line.tier_id = a.tier_id and line.kind = %(model)s
    where a.owner_id = %(owner)s and a.balance >= %(credits)s
        and (t.queued_limit is null or a.live_count < t.queued_limit
            + (select count(*) from lease where lease.owner_id = %(owner)s))
    for no key update of a
), keyed as (
    insert into idempotency_key (owner_id, key, fingerprint, job_id)
    select owner_id, %(key)s, %(fingerprint)s, %(job)s from room where %(key)s is not null
    on conflict do nothing
    returning job_id
), entered as (
    select room.* from room where %(key)s is null or exists (select 1 from keyed)
), reserved as (
    update account a set balance = a.balance - %(credits)s, held = a.held + %(credits)s,
        live_count = a.live_count + 1
    from entered where a.owner_id = entered.owner_id
), created as (
    insert into job (id, owner_id, tier_id, state, attempt, failed_count, version, prompt, model,
        seconds, size, seed, estimate, idempotency_key, retry_of, credits_reserved,
        credits_charged, progress, video_url, thumbnail_url, error_code, error_message)
    select %(job)s, owner_id, tier_id, 'queued', 0, 0, 1, %(prompt)s, %(model)s,
        %(seconds)s, %(size)s, %(seed)s, %(estimate)s, %(key)s, %(retry_of)s, %(credits)s,
        0, 0, '', '', '', ''
    from entered
    returning id, owner_id
), noted as (
    insert into job_transition (job_id, version, from_state, to_state, attempt, cause)
    select id, 1, '', 'queued', 0, 'owner' from created
), held as (
    insert into ledger_entry (account_id, job_id, kind, balance_delta, held_delta, reason)
    select owner_id, id, 'reserve', -%(credits)s, %(credits)s, 'submission' from created
), waiting as (
    insert into backlog (job_id, owner_id, line_id, cost)
    select %(job)s, owner_id, line_id, %(estimate)s from entered
), opened as (
    insert into lane as l (owner_id, line_id, state, tag)
    select entered.owner_id, line.id, 1, line.virtual_time
    from entered join line on line.id = entered.line_id
    on conflict (owner_id, line_id) do update set
        state = greatest(l.state, 1),
        tag = case when l.state = 0 then greatest(l.tag, excluded.tag) else l.tag end
), told as (
    {outbox.INSERT}
    select %(event)s, id, owner_id, %(payload)s::jsonb from created
)
select (select count(*) from room), (select count(*) from entered), (select tier_id from room)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The job of a request, and whether an earlier request of the same key had made it."""

    job_id: JobId
    is_replay: bool


def submit(
    request: VideoRequest,
    *,
    owner_id: UUID,
    key: str | None = None,
    retry_of: UUID | None = None,
) -> Accepted:
    """Accept a request, or refuse it and write nothing.

    The same key and request give back the same job. Raises QuotaExceeded, KeyReused.
    """
    job_id = new_job_id()
    with connection.cursor() as cursor:
        cursor.execute(
            _SUBMIT,
            {
                "owner": owner_id,
                "job": job_id,
                "key": key,
                "fingerprint": request.fingerprint(),
                "prompt": request.prompt,
                "model": request.model,
                "seconds": request.seconds,
                "size": request.size,
                "seed": request.seed,
                "estimate": request.estimate,
                "credits": request.credits,
                "retry_of": retry_of,
                "event": events.SUBMITTED,
                "payload": json.dumps({"state": "queued", "version": 1}),
            },
        )
        has_room, is_entered, tier = _one(cursor)
    if is_entered:
        SUBMISSIONS.labels(tier=tier, outcome="accepted").inc()
        return Accepted(job_id=job_id, is_replay=False)
    if key is not None and (replay := _replay(key, request=request, owner_id=owner_id)):
        return replay
    if has_room:
        raise AssertionError("A submission found room and was neither entered nor a replay.")
    raise _refusal(request, owner_id=owner_id)


def _replay(key: str, *, request: VideoRequest, owner_id: UUID) -> Accepted | None:
    found = IdempotencyKey.objects.filter(owner_id=owner_id, key=key).first()
    if found is None:
        return None
    if bytes(found.fingerprint) != request.fingerprint():
        raise KeyReused(key)
    return Accepted(job_id=JobId(found.job_id), is_replay=True)


def _refusal(request: VideoRequest, *, owner_id: UUID) -> QuotaExceeded:
    """Find out which limit refused; the row may have moved on since, so the last one is the default."""
    account = Account.objects.select_related("tier").get(owner_id=owner_id)
    if account.balance < request.credits:
        SUBMISSIONS.labels(tier=account.tier_id, outcome="no_credits").inc()
        return QuotaExceeded(
            limit="credits",
            value=account.balance,
            message=f"This video costs {request.credits:,} credits and {account.balance:,} are left.",
        )
    SUBMISSIONS.labels(tier=account.tier_id, outcome="queue_full").inc()
    limit = account.tier.queued_limit or 0
    return QuotaExceeded(
        limit="queued",
        value=limit,
        message=f"Your {limit:,} places in line are taken. One frees when a video of yours starts.",
        retry_after_seconds=10,
    )


def _one(cursor: Any) -> tuple[int, int, str]:
    found: tuple[int, int, str] = cursor.fetchone()
    return found
