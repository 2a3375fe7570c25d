"""The statement of a submission: claim, limits, door, credits, job, first transition, line and event in one."""

import json
import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import cache, partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from jobs import events, gates, idempotency, images, lanes, ledger, places, progress
from jobs.idempotency import Claim
from jobs.ids import JobId
from jobs.requests import STANDBY, InvalidFields, VideoRequest
from notifications import outbox, prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a request came from: an ended job, a job to vary, a call with several requests; and who or what sent it."""

    retry_of: UUID | None = None
    variation_of: UUID | None = None
    batch_id: UUID | None = None
    sent_by: str = ""


class _Way(Enum):
    """How a request is let in, the cheapest first: parts of the statement that decide nothing are left out."""

    # By a gate, or where there is no bound, without a ticket: nearly every request.
    GATES = auto()
    DOOR = auto()
    # With the running jobs counted, under the account's lock.
    LOCKED = auto()


# `room` locks the account, so that submissions of one owner take turns and limits are exact: PostgreSQL
# checks its conditions again on the row as the transaction before left it. No row from `room`: refused,
# nothing written. A row from `room` and none from `entered`: an equal request was there first. The claims
# decide by their unique index, which sees what was committed after this statement began.
# Counted only while the account was locked by an earlier statement: then no job of the owner can end between
# this count and the limit's check, which would be made with a newer row than the count.
_RUNNING: Final = places.NOT_IN_LINE
_LOCK_ACCOUNT: Final = "select 1 from account where owner_id = %s for no key update"
# Standby has places of its own, and is counted as exactly.
_OWN_PLACES: Final = "a.live_count < plan.queued_limit + /*running*/ + (select count(*) from shown)"
_OWN_PLACES_ONLY: Final = "a.live_count < plan.queued_limit"
# Ticket, account, gate or door: whoever waits for one of them decides on what the one before left. Whoever is
# refused adds nothing there; a line without a door of its own, or without a bound, is open. A day never goes back:
# who began before midnight and waited for one who began after it counts for the new day.
_SHOWN: Final = """, shown as materialized (
    select ticket.id from ticket, line_of
    where ticket.owner_id = %(owner)s and ticket.line_id = line_of.id and ticket.job_id is null
        and ticket.valid_until >= statement_timestamp() and ticket.valid_from <= statement_timestamp()
    order by ticket.fingerprint <> %(fingerprint)s, ticket.valid_from limit 1
    for no key update of ticket
)"""
_NO_TICKET: Final = """and not exists (
    select from ticket where ticket.owner_id = %(owner)s and ticket.job_id is null
        and ticket.valid_until >= statement_timestamp())"""
_USED: Final = """, used as (
    update ticket set job_id = %(job)s from entered where ticket.id = (select id from shown)
)"""
# The line before the account is locked: whoever shows a ticket locks that first.
_LINE_OF: Final = f"""line_of as materialized (
    select line.id, line.tier_id from account a join line on line.kind = %(kind)s
        and line.tier_id = case when %(standby)s then '{STANDBY}' else a.tier_id end
    where a.owner_id = %(owner)s
)"""
_BY_LINE: Final = "cross join line_of"
_BY_OWN_LINE: Final = "join line line_of on line_of.kind = %(kind)s and line_of.tier_id = a.tier_id"
# One row, or none where nobody has room.
_SUBMIT: Final = f"""
with /*line_of*//*shown*/room as materialized (
    select a.owner_id, line_of.tier_id, line_of.id as line_id,
        greatest(a.day, (statement_timestamp() at time zone 'UTC')::date) as today,
        coalesce(make_interval(secs => 60.0 / nullif(plan.submissions_per_minute, 0)), '0') as spacing,
        plan.queued_limit - a.live_count - 1
            + (select count(*) from lease where lease.owner_id = %(owner)s) as places_left
    from account a join tier plan on plan.name = a.tier_id /*by_line*/
    where a.owner_id = %(owner)s and a.balance >= %(credits)s
        and (plan.submissions_per_minute is null or a.submitted_until
            <= statement_timestamp() + make_interval(secs => 60.0 - 60.0 / nullif(plan.submissions_per_minute, 0)))
        and (plan.jobs_per_day is null or plan.jobs_per_day
            > case when a.day >= (statement_timestamp() at time zone 'UTC')::date then a.day_jobs else 0 end)
        and (plan.gpu_seconds_per_day is null or plan.gpu_seconds_per_day >= %(estimate)s
            + case when a.day >= (statement_timestamp() at time zone 'UTC')::date then a.day_gpu_seconds else 0 end)
        and (plan.queued_limit is null or /*own_places*/)
        /*no_ticket*/
    for no key update of a
), /*enter*//*claims*/, entered as (
    select passed.* from passed /*claimed*/
)/*used*/, reserved as ({ledger.RESERVE_BALANCE}
), created as (
    insert into job (id, owner_id, tier_id, state, attempt, failed_count, version, prompt, model,
        seconds, size, seed, estimate, idempotency_key, retry_of, start_by, finish_by,
        credits_reserved, credits_charged, progress, video_url, thumbnail_url, error_code,
        error_message, image_digest, remixed_from, variation_of, batch_id, sent_by)
    select %(job)s, owner_id, tier_id, 'queued', 0, 0, 1, %(prompt)s, %(model)s,
        %(seconds)s, %(size)s, %(seed)s, %(estimate)s, %(key)s, %(retry_of)s,
        now() + make_interval(secs => %(start_within)s),
        now() + make_interval(secs => %(finish_within)s),
        %(credits)s, 0, 0, '', '', '', '', %(image)s, %(remixed_from)s, %(variation_of)s, %(batch)s, %(sent_by)s
    from entered
    returning id, owner_id, created_at, start_by, finish_by
), noted as (
    insert into job_transition (job_id, version, from_state, to_state, attempt, cause)
    select id, 1, '', 'queued', 0, 'owner' from created
), held as ({ledger.RESERVE_ENTRY}
), waiting as (
    insert into backlog (job_id, owner_id, line_id, cost, since)
    select %(job)s, owner_id, line_id, %(estimate)s, now() from entered
), opened as (
    insert into lane as l
        (owner_id, line_id, state, tag, work, jobs, head_id, head_cost, head_since)
    select entered.owner_id, entered.line_id, 1, {progress.VIRTUAL_TIME.format(line="entered.line_id")},
        %(estimate)s, 1, %(job)s, %(estimate)s, now()
    from entered
    on conflict (owner_id, line_id) do update set {lanes.JOINED}
), told as (
    {outbox.INSERT}
    select %(event)s, id, owner_id, %(payload)s::jsonb from created
)
select true, exists (select from passed), created.created_at is not null, (select line_id from /*let_in*/),
    room.tier_id, room.places_left, created.created_at, created.start_by, created.finish_by
from room left join created on true
"""
# After the door itself decided, requests of that kind go straight to it for so long, seconds.
_AT_THE_DOOR: Final = 1.0
_door_until: dict[str, float] = {}
# A repeat that came through the door is taken back.
_GIVE_BACK: Final = "update door set added = added - %s where line_id = %s"
# What the event of a submission says.
_NEW: Final = {"state": "queued", "version": 1}
_TOLD: Final = json.dumps(_NEW)
# Standby that named no time to start by waits so long, seconds.
_STANDBY_LASTS: Final = 86_400


class Outcome(NamedTuple):
    """What the statement found, the line whose door counted the job, and the line's tier.

    `places_left` of the plan's line are None where the plan has no such limit; moments are those of the new job.
    """

    has_room: bool = False
    has_passed: bool = False
    is_entered: bool = False
    counted_in: int | None = None
    tier: str = ""
    places_left: int | None = None
    created_at: datetime | None = None
    start_by: datetime | None = None
    finish_by: datetime | None = None


def enter(request: VideoRequest, *, owner_id: UUID, **options: Any) -> Outcome:
    """Enter a request, and keep its image in the same transaction, after the account's lock.

    `options` are the job's id, its claim and its origin. Raises InvalidFields when an earlier image is not
    kept any more.
    """
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
    origin: Origin,
) -> Outcome:
    execute = partial(
        _execute, request, job_id=job_id, owner_id=owner_id, claim=claim, origin=origin
    )
    try:
        found = _by_turns(
            request, execute, has_two=claim.key is not None and claim.content is not None
        )
        return found or _locked(execute, owner_id=owner_id)
    except IntegrityError as error:
        # The claim is gone after its days, and the job still knows its key.
        if "job_one_per_key" not in str(error):
            raise
        return Outcome(has_room=True, has_passed=True)


def _by_turns(
    request: VideoRequest, execute: Callable[..., Outcome], *, has_two: bool
) -> Outcome | None:
    """Enter by the first way that decides; None where only a count of what runs can.

    Two claims must both hold or neither. In a caller's transaction, a broken constraint must not spoil what follows.
    """
    has_savepoint = has_two or connection.in_atomic_block
    for way in _ways(request):
        with transaction.atomic() if has_savepoint else nullcontext():
            found = execute(way=way)
            if has_two and not found.is_entered:
                transaction.set_rollback(True)
        if found.counted_in and not found.is_entered and not has_two:
            with connection.cursor() as cursor:
                cursor.execute(_GIVE_BACK, [_adds(request), found.counted_in])
        if found.has_passed or (found.has_room and way is _Way.DOOR):
            return found
        if found.has_room:
            _door_until[request.kind] = time.monotonic() + _AT_THE_DOOR
    return None


def _locked(execute: Callable[..., Outcome], *, owner_id: UUID) -> Outcome:
    """Enter with the account locked: jobs that run leave their places in line, and are counted now.

    Only an account near its limit, and standby, pay for that.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_LOCK_ACCOUNT, [owner_id])
        found = execute(way=_Way.LOCKED)
        if not found.is_entered:
            transaction.set_rollback(True)
    return found


def _ways(request: VideoRequest) -> tuple[_Way, ...]:
    """Give what to try without the account's lock; standby counts, and so needs it."""
    if request.standby:
        return ()
    if _door_until.get(request.kind, 0.0) > time.monotonic():
        return (_Way.DOOR,)
    return (_Way.GATES, _Way.DOOR)


def _adds(request: VideoRequest) -> float:
    # What waits on standby is bounded by number.
    return 1.0 if request.standby else request.estimate


def _execute(
    request: VideoRequest,
    *,
    job_id: JobId,
    owner_id: UUID,
    claim: Claim,
    origin: Origin,
    way: _Way,
) -> Outcome:
    start_within = request.start_within or (_STANDBY_LASTS if request.standby else None)
    found = prepared.run(
        _statement(
            has_key=claim.key is not None,
            has_content=claim.content is not None,
            way=way,
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
            "gate": random.randrange(gates.COUNT),  # noqa: S311 - spreads callers, guards nothing
            "start_within": start_within,
            "finish_within": request.finish_within,
            "estimate": request.estimate,
            "credits": request.credits,
            "retry_of": origin.retry_of,
            "variation_of": origin.variation_of,
            "batch": origin.batch_id,
            "sent_by": origin.sent_by,
            "image": request.input_reference.digest if request.input_reference else None,
            "remixed_from": request.remixed_from,
            "event": events.SUBMITTED,
            "payload": _told(origin),
        },
    )
    return Outcome(*found[0]) if found else Outcome()


def _told(origin: Origin) -> str:
    if origin.batch_id is None:
        return _TOLD
    return json.dumps({**_NEW, "batch_id": str(origin.batch_id)})


@cache
def _statement(*, has_key: bool, has_content: bool, way: _Way, is_standby: bool) -> str:
    claims = (idempotency.KEYED if has_key else "") + (idempotency.SAME if has_content else "")
    names = [name for name, has in (("keyed", has_key), ("same", has_content)) if has]
    claimed = " and ".join(f"exists (select 1 from {name})" for name in names)
    by_gate = way is _Way.GATES
    own_places = _OWN_PLACES_ONLY if by_gate else _OWN_PLACES
    parts = {
        "own_places": places.ON_STANDBY if is_standby else own_places,
        "running": _RUNNING if way is _Way.LOCKED else "0",
        "line_of": "" if by_gate else _LINE_OF,
        "shown": "" if by_gate else f"{_SHOWN}, ",
        "by_line": _BY_OWN_LINE if by_gate else _BY_LINE,
        "no_ticket": _NO_TICKET if by_gate else "",
        "let_in": "by_gate" if by_gate else "let_in",
        "enter": gates.BY_GATE_ONLY if by_gate else gates.ENTER,
        "used": "" if by_gate else _USED,
        "claims": claims,
        "claimed": f"where {claimed}" if claimed else "",
    }
    statement = _SUBMIT
    for name, part in parts.items():
        statement = statement.replace(f"/*{name}*/", part)
    return statement
