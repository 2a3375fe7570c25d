"""Reading jobs for the API: each question is one statement, put together once and kept."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.http import Http404

from jobs import joint_reads, outlooks
from jobs.api import representation
from jobs.api.filters import Filter, Shape
from jobs.backends.backend import Video
from jobs.ids import JobId
from jobs.joint_reads import JointRead
from jobs.states import HOLDING, TERMINAL, JobState
from notifications import prepared

# A page with a filter looks at so many rows at most; where it ends is where the next page begins.
WINDOW: Final = 1_000

_JOINED: Final = {"lease__percent": "lease.percent"}
_COLUMNS: Final = ", ".join(
    f"{_JOINED.get(name) or f'j.{name}'} as {name}" for name in representation.FIELDS
)
_TERMINAL: Final = frozenset(map(str, TERMINAL))
_HOLDING: Final = ", ".join(f"'{state}'" for state in sorted(HOLDING))
# Ends the stamp of a job that waits; no other stamp has such a letter.
_WAITS: Final = "q"
# Begins what tells a job that ended from what it was; no version has such a letter.
_ENDED: Final = "e"
_LATE: Final = "j.revision, late.video_url as late_url, late.thumbnail_url as late_thumbnail"
_NAMES: Final = (*representation.FIELDS, "revision", "late_url", "late_thumbnail")
_FROM: Final = """
left join lease on lease.job_id = j.id
left join lateral (
    select video_url, thumbnail_url from late_result
    where late_result.job_id = j.id and j.state in ('failed', 'canceled', 'expired')
    order by late_result.id limit 1
) late on true
"""
_STAMP_OF_LIVE: Final = f"""j.id || ':' || j.version || ':'
    || coalesce(case when j.state in ({_HOLDING}) then (select percent from lease where lease.job_id = j.id) end, -1)
    || case when j.state = '{JobState.QUEUED}' then '{_WAITS}' else '' end"""
_STAMP_OF_ENDED: Final = f"j.id || ':{_ENDED}' || j.revision"
_STAMP: Final = f"case when j.finished_at is null then {_STAMP_OF_LIVE} else {_STAMP_OF_ENDED} end"
_IN_STAMP: Final = "id, owner_id, hidden_at, finished_at, version, state, revision"
# What is asked for by id is found by id: an owner's index would be read to its end. `offset 0` holds the planner to it.
_BY_ID: Final = """
select /*wanted*/ from (select /*columns*/ from job where id = %(job)s offset 0) j /*joined*/
where j.owner_id = %(owner)s and (j.hidden_at is null or %(also_hidden)s)
"""
_TYPES_BY_ID: Final = {"job": "uuid", "owner": "uuid", "also_hidden": "bool"}
_STAMP_OF_ONE: Final = JointRead(
    _BY_ID.replace("/*wanted*/", f"{_STAMP} as stamp")
    .replace("/*columns*/", _IN_STAMP)
    .replace("/*joined*/", ""),
    _TYPES_BY_ID,
)
_WHOLE: Final = _BY_ID.replace("/*columns*/", "*").replace("/*joined*/", _FROM)
_ONE: Final = JointRead(_WHOLE.replace("/*wanted*/", f"{_COLUMNS}, {_LATE}"), _TYPES_BY_ID)
# Before it its stamp, and behind it its owner's lanes, which place it if it waits.
_TOLD: Final = JointRead(
    _WHOLE.replace(
        "/*wanted*/", f"{_STAMP} as stamp, {_COLUMNS}, {_LATE}, {outlooks.LANES_OF_JOB} as lanes"
    ),
    _TYPES_BY_ID,
)
_MANY: Final = f"""
select {_COLUMNS}, {_LATE} from (select * from job where id = any(%s) offset 0) j {_FROM} where j.owner_id = %s
"""
# A page as the stamps of its jobs, in one text: what names their JSON where it is kept, and a tag where it is sent.
_PAGE: Final = """
with /*page*/
select string_agg(stamp, ',' order by created_at desc, id desc),
    (array_agg(created_at order by created_at desc, id desc))[%(rows)s::int - 1]
from page
"""
_OF_WINDOW: Final = "id, version, state, created_at, finished_at, revision, model, prompt"
_EDGE: Final = """
select created_at, id from job where /*base*/
order by created_at desc, id desc offset %(window)s - 1 limit 1
"""
_EARLIER: Final = f"""
select {_COLUMNS}, {_LATE} from job j {_FROM}
where j.owner_id = %s and j.finished_at is null and j.created_at < %s
order by j.created_at desc, j.id desc limit %s
"""
# Of the values of a page that go with others.
_TYPES: Final = {
    "owner": "uuid",
    "start": "timestamptz",
    "end": "timestamptz",
    "cursor_at": "timestamptz",
    "cursor_id": "uuid",
    "rows": "int",
}
_NEWEST: Final = "order by created_at desc, id desc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Stamps of jobs, newest first, and where the next page begins, if there may be one."""

    stamps: Sequence[str]
    next: tuple[datetime, UUID] | None
    # What tells this page from any other: the stamps, and that of the job behind them.
    text: str

    @property
    def any_waits(self) -> bool:
        """Tell whether any of its jobs waits, so that what is said of them moves with the clock."""
        return _WAITS in self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One job: its stamp, and a way to its row, which is made only when somebody wants it."""

    stamp: str
    row: Callable[[], dict[str, Any]]


def one(job_id: UUID, *, owner_id: UUID, also_hidden: bool = False) -> dict[str, Any]:
    """Read one job of an owner. Raises Http404 for anybody else's."""
    answer = _of_one(_ONE, job_id, owner_id=owner_id, also_hidden=also_hidden)
    return dict(zip(_NAMES, answer.rows()[0], strict=True))


def find(job_id: UUID, *, owner_id: UUID) -> Found:
    """Find one job of an owner, with its lanes if it waits, and when they were asked for, on the monotonic clock.

    Raises Http404 for anybody else's.
    """
    asked_at = time.monotonic()
    answer = _of_one(_TOLD, job_id, owner_id=owner_id)
    names = (*_NAMES, "lanes")
    return Found(
        stamp=answer.text(0, 0),
        row=lambda: {
            **dict(zip(names, answer.rows()[0][1:], strict=True)),
            "lanes_asked_at": asked_at,
        },
    )


def stamp(job_id: UUID, *, owner_id: UUID) -> str:
    """Read the stamp of one job of an owner. Raises Http404 for anybody else's."""
    return _of_one(_STAMP_OF_ONE, job_id, owner_id=owner_id).text(0, 0)


def _of_one(
    read: JointRead, job_id: UUID, *, owner_id: UUID, also_hidden: bool = False
) -> joint_reads.Answer:
    answer = read.ask({"job": job_id, "owner": owner_id, "also_hidden": also_hidden})
    if not answer:
        raise Http404
    return answer


def stamp_of(row: dict[str, Any]) -> str:
    """Give the stamp of a row."""
    percent = row["lease__percent"]
    return _stamp(
        row["id"],
        version=str(row["version"]),
        percent="" if percent is None else str(percent),
        state=row["state"],
        revision=str(row["revision"]),
    )


def waits(stamp: str) -> bool:
    """Tell whether a stamp is of a job that waits."""
    return stamp.endswith(_WAITS)


def id_of(stamp: str) -> UUID:
    """Give the job of a stamp."""
    return UUID(stamp.partition(":")[0])


def _stamp(job_id: UUID, *, version: str, percent: str, state: str, revision: str) -> str:
    """Write a stamp as the statement of a page does."""
    if state in _TERMINAL:
        return f"{job_id}:{_ENDED}{revision}"
    return f"{job_id}:{version}:{percent or -1}{_WAITS if state == JobState.QUEUED else ''}"


def many(job_ids: Sequence[UUID], *, owner_id: UUID) -> dict[UUID, dict[str, Any]]:
    """Read jobs of an owner by id."""
    return {row["id"]: row for row in _read(_MANY, [list(job_ids), owner_id])}


def page(wanted: Filter, *, owner_id: UUID) -> Page:
    """Read a page's stamps: one job more is asked for, which tells whether another page follows."""
    shape, values = wanted.shape, wanted.parameters(owner_id, window=WINDOW)
    is_quick = not wanted.is_narrow and not shape.has_batch
    answer = (
        _page_read(shape).ask(values)
        if is_quick
        else joint_reads.alone(page_statement(shape), values)
    )
    text = answer.text(0, 0)
    found = text.split(",") if text else []
    stamps, edge = found[: wanted.limit], None
    if len(found) > wanted.limit:
        ((_, edge_at),) = answer.rows()
        edge = edge_at, id_of(stamps[-1])
    elif wanted.is_narrow:
        edge = _edge(wanted, owner_id=owner_id)
    return Page(stamps=stamps, next=edge, text=text)


def ids(wanted: Filter, *, owner_id: UUID, most: int) -> list[JobId]:
    """Give the ids of an owner's newest jobs that fit a filter."""
    statement = f"""
        select id from job where {_base(wanted.shape)}
        {"and " + narrow if (narrow := _narrow(wanted.shape)) else ""} {_NEWEST} limit %(most)s
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, wanted.parameters(owner_id, window=WINDOW) | {"most": most})
        return [JobId(found) for (found,) in cursor.fetchall()]


def earlier_live(owner_id: UUID, *, before: datetime, most: int) -> list[dict[str, Any]]:
    """Read jobs that were submitted before a moment and have not ended, newest first."""
    return _read(_EARLIER, [owner_id, before, most])


def _edge(wanted: Filter, *, owner_id: UUID) -> tuple[datetime, UUID] | None:
    """Find the last row that was looked at, when there may be more behind it."""
    if wanted.batch_id is not None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            _EDGE.replace("/*base*/", _base(wanted.shape)),
            wanted.parameters(owner_id, window=WINDOW),
        )
        found: tuple[datetime, UUID] | None = cursor.fetchone()
    return found


@cache
def _page_read(shape: Shape) -> JointRead:
    """Give the read of a page that looks at no row that it does not show: others can wait for it."""
    return JointRead(page_statement(shape), _TYPES)


@cache
def page_statement(shape: Shape) -> str:
    """Write the statement of a page."""
    narrow = _narrow(shape)
    if not narrow and not shape.has_batch:
        return _PAGE.replace("/*page*/", f"page as ({_newest_of(shape)})")
    # Of a batch all rows, found by its index; else as many as a page may look at.
    bound = "" if shape.has_batch else f"{_NEWEST} limit %(window)s"
    return _PAGE.replace(
        "/*page*/",
        f"""looked as materialized (
            select {_OF_WINDOW} from job where {_base(shape)} {bound}
        ), page as (
            select created_at, id, {_STAMP} as stamp from looked j
            {f"where {narrow}" if narrow else ""} {_NEWEST} limit %(rows)s
        )""",
    )


def _newest_of(shape: Shape) -> str:
    """Write how the newest jobs are found: what lives is read by rows, what ended is all in its index."""
    live, ended = (
        f"""select created_at, id, {stamp} as stamp from job j
        where {_base(shape)} and finished_at is {which} {_NEWEST} limit %(rows)s"""
        for stamp, which in ((_STAMP_OF_LIVE, "null"), (_STAMP_OF_ENDED, "not null"))
    )
    if shape.is_live:
        return live
    return f"select * from (({live}) union all ({ended})) found {_NEWEST} limit %(rows)s"


def _base(shape: Shape) -> str:
    parts = ["owner_id = %(owner)s and hidden_at is null"]
    if shape.has_day:
        parts.append("created_at >= %(start)s and created_at < %(end)s")
    if shape.has_batch:
        parts.append("batch_id = %(batch)s")
    if shape.is_live:
        parts.append("finished_at is null")
    if shape.has_cursor:
        parts.append("(created_at, id) < (%(cursor_at)s, %(cursor_id)s)")
    return " and ".join(parts)


def _narrow(shape: Shape) -> str:
    parts = []
    if shape.has_states:
        parts.append("state = any(%(states)s)")
    if shape.has_model:
        parts.append("model = %(model)s")
    if shape.has_text:
        parts.append("strpos(lower(prompt), lower(%(text)s)) > 0")
    return " and ".join(parts)


def _read(statement: str, parameters: Any) -> list[dict[str, Any]]:
    return [dict(zip(_NAMES, row, strict=True)) for row in prepared.run(statement, parameters)]


def late_of(row: dict[str, Any]) -> Video | None:
    """Give the video that came too late for a job, if one did."""
    if not row.get("late_url"):
        return None
    return Video(url=row["late_url"], thumbnail_url=row["late_thumbnail"])
