"""Accepting a request: claim, limits, credits, job, first transition, line and event in one statement."""

import json
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg.errors
from django.db import IntegrityError, OperationalError, connection, transaction

from jobs import (
    door,
    events,
    idempotency,
    images,
    lanes,
    ledger,
    places,
    prepared,
    refusals,
    requests,
)
from jobs.errors import Busy, JobMissing, RetryRefused, StillInProgress
from jobs.idempotency import Claim
from jobs.ids import JobId, new_job_id
from jobs.metrics import SUBMISSIONS
from jobs.models import Job
from jobs.requests import STANDBY, InvalidFields, VideoRequest
from jobs.states import TERMINAL, JobState
from notifications import outbox

_NO_CLAIM: Final = Claim()

# `room` locks the account, so that submissions of one owner take turns and limits are exact: PostgreSQL
# checks its conditions again on the row as the transaction before left it. No row from `room`: refused,
# nothing written. A row from `room` and none from `entered`: an equal request was there first. The claims
# decide by their unique index, which sees what was committed after this statement began.
_KEYED: Final = """, keyed as (
    insert into idempotency_key (owner_id, key, fingerprint, job_id)
    select owner_id, %(key)s, %(fingerprint)s, %(job)s from passed
    on conflict do nothing
    returning job_id
)"""
_SAME: Final = """, same as (
    insert into idempotency_key as earlier (owner_id, key, fingerprint, job_id)
    select owner_id, %(content)s, %(content_mark)s, %(job)s from passed
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
_RUNNING: Final = places.NOT_IN_LINE
_LOCK_ACCOUNT: Final = "select 1 from account where owner_id = %s for no key update"
# Standby has places of its own, and is counted as exactly.
_OWN_PLACES: Final = "a.live_count < plan.queued_limit + /*running*/ + (select count(*) from shown)"
# Ticket, account, door: whoever waits for one of them decides on what the one before left. `let_in` finds
# the door open or changes nothing; a line without a row of its own, or without a bound, is open.
_SUBMIT: Final = f"""
with line_of as materialized (
    select line.id, line.tier_id from account a join line on line.kind = %(kind)s
        and line.tier_id = case when %(standby)s then '{STANDBY}' else a.tier_id end
    where a.owner_id = %(owner)s
), shown as materialized (
    select ticket.id from ticket, line_of
    where ticket.owner_id = %(owner)s and ticket.line_id = line_of.id and ticket.job_id is null
        and ticket.valid_until >= statement_timestamp() and ticket.valid_from <= statement_timestamp()
    order by ticket.fingerprint <> %(fingerprint)s, ticket.valid_from limit 1
    for no key update of ticket
), room as materialized (
    select a.owner_id, line_of.tier_id, line_of.id as line_id,
        (statement_timestamp() at time zone 'UTC')::date as today,
        coalesce(make_interval(secs => 60.0 / nullif(plan.submissions_per_minute, 0)), '0') as spacing
    from account a join tier plan on plan.name = a.tier_id cross join line_of
    where a.owner_id = %(owner)s and a.balance >= %(credits)s
        and (plan.submissions_per_minute is null or a.submitted_until
            <= statement_timestamp() + make_interval(secs => 60.0 - 60.0 / nullif(plan.submissions_per_minute, 0)))
        and (plan.jobs_per_day is null or plan.jobs_per_day
            > case when a.day = (statement_timestamp() at time zone 'UTC')::date then a.day_jobs else 0 end)
        and (plan.gpu_seconds_per_day is null or plan.gpu_seconds_per_day >= %(estimate)s
            + case when a.day = (statement_timestamp() at time zone 'UTC')::date then a.day_gpu_seconds else 0 end)
        and (plan.queued_limit is null or /*own_places*/)
    for no key update of a
), let_in as (
    update door d set added = d.added + %(adds)s,
        fullest = case when d.work + d.added > 0
            then greatest(d.fullest, (d.work + d.added + %(adds)s) / d.bound) else d.fullest end
    from room
    where d.line_id = room.line_id and d.bound is not null and d.drain > 0
        and (d.work + d.added + %(adds)s <= d.bound * case
                when exists (select from shown) then {door.WITH_TICKET}
                when d.book > statement_timestamp() then {door.WHILE_BOOKED} else {door.WITHOUT_TICKET} end
            or (d.work + d.added <= 0 and (d.book <= statement_timestamp() or exists (select from shown))))
    returning d.line_id
), passed as (
    select room.* from room where exists (select from let_in) or not exists (
        select from door d where d.line_id = room.line_id and d.bound is not null)
)/*claims*/, entered as (
    select passed.* from passed /*claimed*/
), used as (
    update ticket set job_id = %(job)s from entered where ticket.id = (select id from shown)
), reserved as ({ledger.RESERVE_BALANCE}
), created as (
    insert into job (id, owner_id, tier_id, state, attempt, failed_count, version, prompt, model,
        seconds, size, seed, estimate, idempotency_key, retry_of, start_by, finish_by,
        credits_reserved, credits_charged, progress, video_url, thumbnail_url, error_code,
        error_message, image_digest, remixed_from)
    select %(job)s, owner_id, tier_id, 'queued', 0, 0, 1, %(prompt)s, %(model)s,
        %(seconds)s, %(size)s, %(seed)s, %(estimate)s, %(key)s, %(retry_of)s,
        now() + make_interval(secs => %(start_within)s),
        now() + make_interval(secs => %(finish_within)s),
        %(credits)s, 0, 0, '', '', '', '', %(image)s, %(remixed_from)s
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
select (select count(*) from room), (select count(*) from passed), (select count(*) from entered),
    (select line_id from let_in), (select tier_id from room)
"""
# A repeat that came through the door is taken back.
_GIVE_BACK: Final = "update door set added = added - %s where line_id = %s"
# Standby that named no time to start by waits so long, seconds.
_STANDBY_LASTS: Final = 86_400
# Room may come while a refusal is written; whoever sees that so often is told to come again.
_LOOKS: Final = 3


class _Outcome(NamedTuple):
    """What the statement found: 1 or 0 each, the line whose door counted the job, and the line's tier."""

    has_room: int
    has_passed: int
    is_entered: int
    counted_in: int | None
    tier: str


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
    """Accept a request, or refuse it.

    A refusal at the door writes the caller's next place and its ticket, nothing else. A request that its
    claim knows gives back the earlier job. Raises QuotaExceeded, NoRoom, KeyReused, when another submission
    of the account does not end in time StillInProgress or Busy, and InvalidFields when the image of an
    earlier request is not kept any more.
    """
    for _ in range(_LOOKS):
        try:
            accepted = _take(request, owner_id=owner_id, claim=claim, retry_of=retry_of)
        except OperationalError as error:
            if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                raise
            raise (Busy() if claim.key is None else StillInProgress(claim.key)) from error
        if accepted is not None:
            return accepted
    raise refusals.at_this_moment()


def retry(job_id: UUID, *, owner_id: UUID) -> Accepted:
    """Submit an ended job's request again: a new job with a reservation of its own, one per ended job.

    Raises JobMissing, InvalidFields when no pool can make it any more, RetryRefused when it has not
    ended or has a video, and what `submit` raises.
    """
    job = Job.objects.owned_by(owner_id).filter(id=job_id).first()
    if job is None:
        raise JobMissing(job_id)
    state = JobState(job.state)
    if state not in TERMINAL or state is JobState.SUCCEEDED:
        raise RetryRefused(job_id=job_id, current=state)
    return submit(
        _again(requests.of_job(job)),
        owner_id=owner_id,
        claim=Claim.by_retried_job(job_id),
        retry_of=job_id,
    )


def _take(
    request: VideoRequest, *, owner_id: UUID, claim: Claim, retry_of: UUID | None
) -> Accepted | None:
    """Accept, give back the earlier job, or raise the refusal; None when there is room by now."""
    job_id = new_job_id()
    found = _enter_with_image(
        request, owner_id=owner_id, job_id=job_id, claim=claim, retry_of=retry_of
    )
    if found.is_entered:
        SUBMISSIONS.labels(tier=found.tier, outcome="accepted").inc()
        return Accepted(job_id=job_id, is_replay=False)
    is_refused = not found.has_passed
    if earlier := idempotency.find(
        claim, request=request, owner_id=owner_id, is_refused=is_refused
    ):
        if claim.is_first_try:
            idempotency.overtaken(claim, owner_id=owner_id)
        return Accepted(job_id=earlier.job_id, is_replay=True, seconds_ago=earlier.seconds_ago)
    if found.has_passed:
        raise AssertionError("A submission had a place and was neither entered nor a replay.")
    if ledger.grant_months([owner_id], limit=1):
        return None
    if (refusal := refusals.refuse(request, owner_id=owner_id)) is not None:
        raise refusal
    return None


def _again(earlier: VideoRequest) -> VideoRequest:
    fields = earlier.fields()
    return requests.read(fields, remixed_from=fields.pop("remixed_from", None))


def _enter_with_image(request: VideoRequest, *, owner_id: UUID, **options: Any) -> _Outcome:
    """Enter a request and keep its image in one transaction, after the account's lock."""
    image = request.input_reference
    if image is None:
        return _enter(request, owner_id=owner_id, **options)
    with transaction.atomic():
        found = _enter(request, owner_id=owner_id, **options)
        if found.is_entered and not images.keep(image, owner_id=owner_id):
            raise InvalidFields({images.FIELD: "The image is not kept any more. Send it again."})
    return found


def _enter(
    request: VideoRequest,
    *,
    job_id: JobId,
    owner_id: UUID,
    claim: Claim,
    retry_of: UUID | None,
) -> _Outcome:
    execute = partial(
        _execute, request, job_id=job_id, owner_id=owner_id, claim=claim, retry_of=retry_of
    )
    # Two claims must both hold or neither: only then is there something to take back.
    has_two = claim.key is not None and claim.content is not None
    # Within a transaction of the caller's, a broken constraint must not spoil what comes after.
    has_savepoint = has_two or connection.in_atomic_block
    try:
        if not request.standby:
            with transaction.atomic() if has_savepoint else nullcontext():
                found = execute(counts_running=False)
                if has_two and not found.is_entered:
                    transaction.set_rollback(True)
            if found.counted_in and not found.is_entered and not has_two:
                _give_back(request, line_id=found.counted_in)
            if found.has_room:
                return found
        # Jobs that run leave their places in line; only an account near its limit pays for counting them.
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(_LOCK_ACCOUNT, [owner_id])
            found = execute(counts_running=True)
            if not found.is_entered:
                transaction.set_rollback(True)
    except IntegrityError as error:
        # The claim is gone after its days, and the job still knows its key.
        if "job_one_per_key" not in str(error):
            raise
        return _Outcome(1, 1, 0, None, "")
    return found


def _give_back(request: VideoRequest, *, line_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_BACK, [_adds(request), line_id])


def _adds(request: VideoRequest) -> float:
    # What waits on standby is bounded by number.
    return 1.0 if request.standby else request.estimate


def _execute(
    request: VideoRequest,
    *,
    job_id: JobId,
    owner_id: UUID,
    claim: Claim,
    retry_of: UUID | None,
    counts_running: bool,
) -> _Outcome:
    start_within = request.start_within or (_STANDBY_LASTS if request.standby else None)
    (found,) = prepared.run(
        _statement(
            has_key=claim.key is not None,
            has_content=claim.content is not None,
            counts_running=counts_running,
            is_standby=request.standby,
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
            "standby": request.standby,
            "adds": _adds(request),
            "start_within": start_within,
            "finish_within": request.finish_within,
            "estimate": request.estimate,
            "credits": request.credits,
            "retry_of": retry_of,
            "image": request.input_reference.digest if request.input_reference else None,
            "remixed_from": request.remixed_from,
            "event": events.SUBMITTED,
            "payload": json.dumps({"state": "queued", "version": 1}),
        },
    )
    return _Outcome(*found)


@cache
def _statement(*, has_key: bool, has_content: bool, counts_running: bool, is_standby: bool) -> str:
    claims = (_KEYED if has_key else "") + (_SAME if has_content else "")
    names = [name for name, has in (("keyed", has_key), ("same", has_content)) if has]
    claimed = " and ".join(f"exists (select 1 from {name})" for name in names)
    running = _RUNNING if counts_running else "0"
    own_places = places.ON_STANDBY if is_standby else _OWN_PLACES
    return (
        _SUBMIT.replace("/*own_places*/", own_places)
        .replace("/*running*/", running)
        .replace("/*claims*/", claims)
        .replace("/*claimed*/", f"where {claimed}" if claimed else "")
    )
