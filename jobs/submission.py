"""Accepting a request: claim, limits, credits, job, first transition, line and event in one statement."""

import json
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import Final
from uuid import UUID

import psycopg.errors
from django.db import IntegrityError, OperationalError, connection, transaction

from jobs import events, idempotency, lanes, ledger, requests
from jobs.errors import Busy, JobMissing, QuotaExceeded, RetryRefused, StillInProgress
from jobs.idempotency import Claim
from jobs.ids import JobId, new_job_id
from jobs.metrics import SUBMISSIONS
from jobs.models import Account, Job
from jobs.requests import VideoRequest
from jobs.states import TERMINAL, JobState
from notifications import outbox

_NO_CLAIM: Final = Claim()

# `room` locks the account, so that submissions of one owner take turns and limits are exact: PostgreSQL
# checks its conditions again on the row as the transaction before left it. No row from `room`: refused,
# nothing written. A row from `room` and none from `entered`: an equal request was there first. The claims
# decide by their unique index, which sees what was committed after this statement began.
_KEYED: Final = """, keyed as (
    insert into idempotency_key (owner_id, key, fingerprint, job_id)
    select owner_id, %(key)s, %(fingerprint)s, %(job)s from room
    on conflict do nothing
    returning job_id
)"""
_SAME: Final = """, same as (
    insert into idempotency_key as earlier (owner_id, key, fingerprint, job_id)
    select owner_id, %(content)s, %(content_mark)s, %(job)s from room
    on conflict (owner_id, key) do update set job_id = excluded.job_id,
        created_at = excluded.created_at, fingerprint = excluded.fingerprint
        where case when %(window)s > 0
                then earlier.created_at <= now() - make_interval(secs => %(window)s)
                else not %(is_first_try)s or earlier.fingerprint <> %(retry_mark)s
                    or earlier.created_at <= now() - make_interval(secs => %(resent)s) end
            or (%(only_hopeful)s and exists (select 1 from job where job.id = earlier.job_id
                and job.state in ('failed', 'canceled', 'expired')))
    returning job_id
)"""
# Counted only while the account was locked by an earlier statement: then no job of the owner can end between
# this count and the limit's check, which would be made with a newer row than the count.
_RUNNING: Final = "(select count(*) from lease where lease.owner_id = %(owner)s)"
_LOCK_ACCOUNT: Final = "select 1 from account where owner_id = %s for no key update"
_SUBMIT: Final = f"""
with room as materialized (
    select a.owner_id, a.tier_id, line.id as line_id
    from account a
    join tier t on t.name = a.tier_id
    join line on line.tier_id = a.tier_id and line.kind = %(kind)s
    where a.owner_id = %(owner)s and a.balance >= %(credits)s
        and (t.queued_limit is null or a.live_count < t.queued_limit + /*running*/)
    for no key update of a
)/*claims*/, entered as (
    select room.* from room /*claimed*/
), reserved as ({ledger.RESERVE_BALANCE}
), created as (
    insert into job (id, owner_id, tier_id, state, attempt, failed_count, version, prompt, model,
        seconds, size, seed, estimate, idempotency_key, retry_of, start_by, finish_by,
        credits_reserved, credits_charged, progress, video_url, thumbnail_url, error_code,
        error_message)
    select %(job)s, owner_id, tier_id, 'queued', 0, 0, 1, %(prompt)s, %(model)s,
        %(seconds)s, %(size)s, %(seed)s, %(estimate)s, %(key)s, %(retry_of)s,
        now() + make_interval(secs => %(start_within)s),
        now() + make_interval(secs => %(finish_within)s),
        %(credits)s, 0, 0, '', '', '', ''
    from entered
    returning id, owner_id
), noted as (
    insert into job_transition (job_id, version, from_state, to_state, attempt, cause)
    select id, 1, '', 'queued', 0, 'owner' from created
), held as ({ledger.RESERVE_ENTRY}
), waiting as (
    insert into backlog (job_id, owner_id, line_id, cost, since)
    select %(job)s, owner_id, line_id, %(estimate)s, now() from entered
), opened as (
    insert into lane as l
        (owner_id, line_id, state, tag, work, head_id, head_cost, head_since)
    select entered.owner_id, line.id, 1, line.virtual_time,
        %(estimate)s, %(job)s, %(estimate)s, now()
    from entered join line on line.id = entered.line_id
    on conflict (owner_id, line_id) do update set {lanes.JOINED}
), told as (
    {outbox.INSERT}
    select %(event)s, id, owner_id, %(payload)s::jsonb from created
)
select (select count(*) from room), (select count(*) from entered), (select tier_id from room)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The job of a request, and whether an equal request had made it so many seconds ago."""

    job_id: JobId
    is_replay: bool
    seconds_ago: float = 0.0


def submit(
    request: VideoRequest,
    *,
    owner_id: UUID,
    claim: Claim = _NO_CLAIM,
    retry_of: UUID | None = None,
) -> Accepted:
    """Accept a request, or refuse it and write nothing.

    A request that its claim knows gives back the earlier job. Raises QuotaExceeded, KeyReused, and when
    another submission of the account does not end in time StillInProgress or Busy.
    """
    job_id = new_job_id()
    try:
        has_room, is_entered, tier = _enter(
            request, job_id=job_id, owner_id=owner_id, claim=claim, retry_of=retry_of
        )
    except OperationalError as error:
        if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            raise
        raise (Busy() if claim.key is None else StillInProgress(claim.key)) from error
    if is_entered:
        SUBMISSIONS.labels(tier=tier, outcome="accepted").inc()
        return Accepted(job_id=job_id, is_replay=False)
    if earlier := idempotency.find(claim, request=request, owner_id=owner_id):
        if claim.is_first_try:
            idempotency.overtaken(claim, owner_id=owner_id)
        return Accepted(job_id=earlier.job_id, is_replay=True, seconds_ago=earlier.seconds_ago)
    if has_room:
        raise AssertionError("A submission found room and was neither entered nor a replay.")
    if ledger.grant_months([owner_id], limit=1):
        return submit(request, owner_id=owner_id, claim=claim, retry_of=retry_of)
    raise _refusal(request, owner_id=owner_id)


def retry(job_id: UUID, *, owner_id: UUID) -> Accepted:
    """Submit an ended job's request again: a new job with a reservation of its own, one per ended job.

    Raises JobMissing, InvalidFields when no pool can make it any more, RetryRefused when it has not
    ended or has a video, and what `submit` raises.
    """
    job = Job.objects.filter(id=job_id, owner_id=owner_id).first()
    if job is None:
        raise JobMissing(job_id)
    state = JobState(job.state)
    if state not in TERMINAL or state is JobState.SUCCEEDED:
        raise RetryRefused(job_id=job_id, current=state)
    return submit(
        requests.read(requests.of_job(job).fields()),
        owner_id=owner_id,
        claim=Claim.by_retried_job(job_id),
        retry_of=job_id,
    )


def _enter(
    request: VideoRequest,
    *,
    job_id: JobId,
    owner_id: UUID,
    claim: Claim,
    retry_of: UUID | None,
) -> tuple[int, int, str]:
    execute = partial(
        _execute, request, job_id=job_id, owner_id=owner_id, claim=claim, retry_of=retry_of
    )
    # Two claims must both hold or neither: only then is there something to take back.
    has_two = claim.key is not None and claim.content is not None
    try:
        with transaction.atomic() if has_two else nullcontext():
            found = execute(counts_running=False)
            if has_two and not found[1]:
                transaction.set_rollback(True)
        if found[0]:
            return found
        # Jobs that run leave their places in line; only an account near its limit pays for counting them.
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(_LOCK_ACCOUNT, [owner_id])
            found = execute(counts_running=True)
            if has_two and not found[1]:
                transaction.set_rollback(True)
    except IntegrityError as error:
        # The claim is gone after its days, and the job still knows its key.
        if "job_one_per_key" not in str(error):
            raise
        return 1, 0, ""
    return found


def _execute(
    request: VideoRequest,
    *,
    job_id: JobId,
    owner_id: UUID,
    claim: Claim,
    retry_of: UUID | None,
    counts_running: bool,
) -> tuple[int, int, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            _statement(
                has_key=claim.key is not None,
                has_content=claim.content is not None,
                counts_running=counts_running,
            ),
            {
                "owner": owner_id,
                "job": job_id,
                "key": claim.key,
                "content": claim.content,
                "window": claim.window,
                "only_hopeful": claim.only_hopeful,
                "is_first_try": claim.is_first_try,
                "content_mark": idempotency.RETRY_MARK if claim.is_retry else b"",
                "retry_mark": idempotency.RETRY_MARK,
                "resent": idempotency.RESENT_SECONDS,
                "fingerprint": request.fingerprint(),
                "prompt": request.prompt,
                "model": request.model,
                "kind": request.kind,
                "seconds": request.seconds,
                "size": request.size,
                "seed": request.seed,
                "start_within": request.start_within,
                "finish_within": request.finish_within,
                "estimate": request.estimate,
                "credits": request.credits,
                "retry_of": retry_of,
                "event": events.SUBMITTED,
                "payload": json.dumps({"state": "queued", "version": 1}),
            },
        )
        found: tuple[int, int, str] = cursor.fetchone()
    return found


@cache
def _statement(*, has_key: bool, has_content: bool, counts_running: bool) -> str:
    claims = (_KEYED if has_key else "") + (_SAME if has_content else "")
    names = [name for name, has in (("keyed", has_key), ("same", has_content)) if has]
    claimed = " and ".join(f"exists (select 1 from {name})" for name in names)
    running = _RUNNING if counts_running else "0"
    return (
        _SUBMIT.replace("/*running*/", running)
        .replace("/*claims*/", claims)
        .replace("/*claimed*/", f"where {claimed}" if claimed else "")
    )


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
    limit = account.tier.queued_limit
    if limit is None:
        return QuotaExceeded(
            limit="moment",
            value=0,
            message="There was no room a moment ago. Send it again.",
            retry_after_seconds=1,
        )
    return QuotaExceeded(
        limit="queued",
        value=limit,
        message=f"Your {limit:,} places in line are taken. One frees when a video of yours starts.",
        retry_after_seconds=10,
    )
