"""An owner's past: pages by filter and position, and sums of days. Every question reads a bounded number of rows."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from jobs import days
from jobs.models import Job
from jobs.states import LIVE, JobState

PAGE: Final = 50
# A filter that matches hardly anything reads so many jobs at once, then says how far it came.
LOOKED_AT: Final = 10_000
# A day of the calendar is counted up to here; beyond, its mark says no more.
MOST_OF_A_DAY: Final = 1_000
MOST_SUMMED: Final = 20_000

# What the pages call the states.
STATES: Final = {
    "live": tuple(sorted(LIVE)),
    "ready": (JobState.SUCCEEDED.value,),
    "failed": (JobState.FAILED.value,),
    "cancelled": (JobState.CANCELED.value,),
    "expired": (JobState.EXPIRED.value,),
}

# The index of an owner's jobs gives them in order; the reading stops at a full page or at the limit.
_PAGE: Final = """
select id from (
    select id, created_at, state, model, prompt from job
    where owner_id = %(owner)s and hidden_at is null
        and created_at >= %(start)s and created_at < %(end)s
        and (created_at, id) < (%(before_at)s, %(before_id)s)
    order by created_at desc, id desc limit %(looked_at)s
) looked
where (%(states)s::text[] is null or state = any(%(states)s))
    and (%(model)s = '' or model = %(model)s)
    and (%(text)s = '' or prompt ilike %(text)s)
order by created_at desc, id desc limit %(page)s
"""
_REACHED: Final = """
select id from job
where owner_id = %(owner)s and hidden_at is null
    and created_at >= %(start)s and created_at < %(end)s
    and (created_at, id) < (%(before_at)s, %(before_id)s)
order by created_at desc, id desc offset %(looked_at)s - 1 limit 1
"""
_COUNTS: Final = """
select given.day, (
    select count(*) from (
        select 1 from job where owner_id = %(owner)s
            and created_at >= given.first and created_at < given.next limit %(most)s
    ) counted
) from unnest(%(days)s::date[], %(firsts)s::timestamptz[], %(nexts)s::timestamptz[])
    as given (day, first, next)
"""
_SUMS: Final = """
select given.day, sums.* from unnest(
    %(days)s::date[], %(firsts)s::timestamptz[], %(nexts)s::timestamptz[]
) as given (day, first, next),
lateral (
    select count(*), count(*) filter (where state = 'succeeded'),
        count(*) filter (where state = 'failed'), coalesce(sum(credits_charged), 0)
    from (
        select state, credits_charged from job where owner_id = %(owner)s
            and created_at >= given.first and created_at < given.next limit %(most)s
    ) counted
) sums
"""
_BY_STATE: Final = """
select state, count(*) from (
    select state from job
    where owner_id = %(owner)s and hidden_at is null
        and created_at >= %(start)s and created_at < %(end)s
    order by created_at desc, id desc limit %(most)s
) counted group by state
"""

_LAST_ID: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which jobs of an owner: from `start` before `end`; empty parts mean any."""

    start: datetime
    end: datetime
    states: tuple[str, ...] = ()
    model: str = ""
    text: str = ""

    @property
    def is_narrow(self) -> bool:
        """Say whether anything but the time is filtered."""
        return bool(self.states or self.model or self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of jobs, newest first. `older_than` continues it; `is_cut` when it gave up looking first."""

    ids: list[UUID]
    older_than: UUID | None
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What became of the jobs of one day, and the credits that they were charged."""

    count: int
    ready: int
    failed: int
    credits: int


def page(owner_id: UUID, wanted: Filter, *, before: Job | None) -> Found:
    """Find the next page after `before`, reading at most LOOKED_AT jobs."""
    looked_at = LOOKED_AT if wanted.is_narrow else PAGE + 1
    values: dict[str, Any] = {
        "owner": owner_id,
        "start": wanted.start,
        "end": wanted.end,
        "before_at": before.created_at if before else wanted.end,
        "before_id": before.id if before else _LAST_ID,
        "looked_at": looked_at,
        "states": [state for name in wanted.states for state in STATES[name]] or None,
        "model": wanted.model,
        "text": _like(wanted.text),
        "page": PAGE + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PAGE, values)
        ids = [row[0] for row in cursor.fetchall()]
        if len(ids) > PAGE:
            return Found(ids=ids[:PAGE], older_than=ids[PAGE - 1], is_cut=False)
        if not wanted.is_narrow:
            return Found(ids=ids, older_than=None, is_cut=False)
        cursor.execute(_REACHED, values)
        reached = cursor.fetchone()
    return Found(ids=ids, older_than=reached and reached[0], is_cut=bool(reached))


def counts(owner_id: UUID, wanted: list[date], *, zone: ZoneInfo) -> dict[date, int]:
    """Count each day's jobs, up to MOST_OF_A_DAY."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, _of_days(owner_id, wanted, zone) | {"most": MOST_OF_A_DAY})
        return dict(cursor.fetchall())


def sums(owner_id: UUID, wanted: list[date], *, zone: ZoneInfo) -> dict[date, Sum]:
    """Sum each day's jobs up, at most MOST_SUMMED of a day."""
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, _of_days(owner_id, wanted, zone) | {"most": MOST_SUMMED})
        return {
            day: Sum(count=count, ready=ready, failed=failed, credits=int(charged))
            for day, count, ready, failed, charged in cursor.fetchall()
        }


def by_state(owner_id: UUID, *, start: datetime, end: datetime) -> dict[str, int]:
    """Count jobs by what the pages call their state, at most the newest MOST_SUMMED."""
    values: dict[str, Any] = {"owner": owner_id, "start": start, "end": end, "most": MOST_SUMMED}
    with connection.cursor() as cursor:
        cursor.execute(_BY_STATE, values)
        found = dict(cursor.fetchall())
    return {name: sum(found.get(state, 0) for state in states) for name, states in STATES.items()}


def _of_days(owner_id: UUID, wanted: list[date], zone: ZoneInfo) -> dict[str, Any]:
    bounds = [days.bounds(day, zone=zone) for day in wanted]
    return {
        "owner": owner_id,
        "days": wanted,
        "firsts": [first for first, _ in bounds],
        "nexts": [after for _, after in bounds],
    }


def _like(text: str) -> str:
    if not text:
        return ""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
