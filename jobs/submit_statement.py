"""The text of the submit statement: claim, limits, door, credits, job, first transition, line and event in one.

For one request, and for several of different owners that arrive together: the same text, where the values of a request
are columns of what was asked.
"""

import re
from enum import Enum, auto
from functools import cache
from typing import Final

from jobs import gates, idempotency, lanes, ledger, places, progress
from jobs.requests import STANDBY
from notifications import outbox


class Way(Enum):
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
# Who has room, each with what is needed of its account, its plan and its line.
_ROOM: Final = """room as materialized (
    select /*carried*/a.owner_id, line_of.tier_id, line_of.id as line_id,
        greatest(a.day, (statement_timestamp() at time zone 'UTC')::date) as today,
        coalesce(make_interval(secs => 60.0 / nullif(plan.submissions_per_minute, 0)), '0') as spacing,
        plan.queued_limit - a.live_count - 1
            + (select count(*) from lease where lease.owner_id = %(owner)s) as places_left
    from /*accounts*/ join tier plan on plan.name = a.tier_id /*by_line*/
    where a.owner_id = %(owner)s and a.balance >= %(credits)s
        and (plan.submissions_per_minute is null or a.submitted_until
            <= statement_timestamp() + make_interval(secs => 60.0 - 60.0 / nullif(plan.submissions_per_minute, 0)))
        and (plan.jobs_per_day is null or plan.jobs_per_day
            > case when a.day >= (statement_timestamp() at time zone 'UTC')::date then a.day_jobs else 0 end)
        and (plan.gpu_seconds_per_day is null or plan.gpu_seconds_per_day >= %(estimate)s
            + case when a.day >= (statement_timestamp() at time zone 'UTC')::date then a.day_gpu_seconds else 0 end)
        and (plan.queued_limit is null or /*own_places*/)
        /*no_ticket*/
    for no key update of a/*patience*/
)"""
# What is written of those who are entered.
_WRITTEN: Final = f""", reserved as ({ledger.RESERVE_BALANCE}
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
    returning id, owner_id, credits_reserved, created_at, start_by, finish_by
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
    from entered/*ordered*/
    on conflict (owner_id, line_id) do update set {lanes.JOINED}
), told as (
    {outbox.INSERT}
    select %(event)s, id, owner_id, %(payload)s::jsonb from created
)
"""
# One row, or none where nobody has room.
_ANSWER: Final = """
select true, exists (select from passed), created.created_at is not null, (select line_id from /*let_in*/),
    room.tier_id, room.places_left, created.created_at, created.start_by, created.finish_by
from room left join created on true
"""
# A row for each who has room.
_ANSWERS: Final = """
select true, exists (select from passed where passed.job = room.job), created.created_at is not null,
    (select by_gate.line_id from by_gate where by_gate.line_id = room.line_id), room.tier_id, room.places_left,
    created.created_at, created.start_by, created.finish_by, room.job
from room left join created on created.id = room.job
"""
# Whoever leads others waits for no account: another statement may hold it for long.
_IMPATIENT: Final = " skip locked"
# What several ask, in one value; the places of one request's values are its columns.
_ASKED: Final = """asked as materialized (
    select job, owner, key, decode(fingerprint, 'hex') as fingerprint, prompt, model, kind, seconds, size, seed,
        estimate, credits, start_within, finish_within, sent_by, null::uuid as retry_of, null::bytea as image,
        null::uuid as remixed_from, null::uuid as variation_of, null::uuid as batch
    from json_to_recordset(%(asked)s::json) as each (
        job uuid, owner uuid, key text, fingerprint text, prompt text, model text, kind text, seconds int, size text,
        seed bigint, estimate float8, credits int, start_within float8, finish_within float8, sent_by text)
)"""
# Each by its key, however few accounts there are; `offset 0` holds the planner to it.
_EACH_ACCOUNT: Final = """asked cross join lateral (
        select * from account where account.owner_id = asked.owner offset 0
    ) a"""
_PLACE: Final = re.compile(r"%\((\w+)\)s")
# The same for all who go together.
_SHARED: Final = frozenset({"event", "payload"})


@cache
def of_one(
    *, has_key: bool, has_content: bool, way: Way, is_standby: bool, is_patient: bool = True
) -> str:
    """Give the statement of one request; one that is not patient finds no room while its account is locked."""
    claims = _filled(idempotency.KEYED if has_key else "")
    claims += idempotency.SAME if has_content else ""
    names = [name for name, has in (("keyed", has_key), ("same", has_content)) if has]
    claimed = " and ".join(f"exists (select 1 from {name})" for name in names)
    by_gate = way is Way.GATES
    running = _RUNNING if way is Way.LOCKED else "0"
    own_places = _OWN_PLACES_ONLY if by_gate else _filled(_OWN_PLACES, running=running)
    room = _filled(
        _ROOM,
        own_places=places.ON_STANDBY if is_standby else own_places,
        accounts="account a",
        by_line=_BY_OWN_LINE if by_gate else _BY_LINE,
        no_ticket=_NO_TICKET if by_gate else "",
        patience="" if is_patient else _IMPATIENT,
    )
    before = "" if by_gate else f"{_LINE_OF}{_SHOWN}, "
    enter = gates.BY_GATE_ONLY if by_gate else gates.ENTER
    entered = f"entered as (select passed.* from passed {f'where {claimed}' if claimed else ''})"
    used = "" if by_gate else _USED
    answer = _filled(_ANSWER, let_in="by_gate" if by_gate else "let_in")
    return f"with {before}{room}, {enter}{claims}, {entered}{used}{_filled(_WRITTEN)}{answer}"


@cache
def of_several() -> str:
    """Give the statement of requests of different owners, each by a gate, with a key or without any claim.

    `asked` is a JSON list of their values. Whose account is locked finds no room; a row tells whose it is at its end.
    """
    room = _filled(
        _ROOM,
        carried="asked.*, ",
        accounts=_EACH_ACCOUNT,
        own_places=_OWN_PLACES_ONLY,
        by_line=_BY_OWN_LINE,
        no_ticket=_NO_TICKET,
        patience=_IMPATIENT,
    )
    keyed = _filled(idempotency.KEYED, with_key=" where passed.key is not null")
    claimed = "passed.key is null or exists (select from keyed where keyed.job_id = passed.job)"
    entered = f"entered as (select passed.* from passed where {claimed})"
    written = _filled(_WRITTEN, ordered=" order by owner_id, line_id")
    return (
        f"with {_ASKED}, {_of_each('asked', room)}, {gates.BY_GATES}{_of_each('passed', keyed)}, {entered}"
        f"{_of_each('entered', written)}{_ANSWERS}"
    )


def _of_each(table: str, text: str) -> str:
    """Let a text name columns of a table where it names values of one request."""
    return _PLACE.sub(
        lambda place: place[0] if place[1] in _SHARED else f"{table}.{place[1]}", text
    )


def _filled(text: str, **parts: str) -> str:
    """Write parts into their places; places without one stay empty."""
    return _HOLE.sub(lambda hole: parts.get(hole[1], ""), text)


_HOLE: Final = re.compile(r"/\*(\w+)\*/")
