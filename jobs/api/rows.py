"""Reading jobs for the API: each question is one statement, put together once and kept."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.http import Http404

from jobs.api import representation
from jobs.api.filters import Filter, Shape
from jobs.backends.backend import Video
from jobs.ids import JobId

# A page with a filter looks at so many rows at most; where it ends is where the next page begins.
WINDOW: Final = 1_000

_JOINED: Final = {"lease__percent": "lease.percent"}
_COLUMNS: Final = ", ".join(
    f"{_JOINED.get(name) or f'j.{name}'} as {name}" for name in representation.FIELDS
)
_LATE: Final = "late.video_url as late_url, late.thumbnail_url as late_thumbnail"
_FROM: Final = """
left join lease on lease.job_id = j.id
left join lateral (
    select video_url, thumbnail_url from late_result
    where late_result.job_id = j.id and j.state in ('failed', 'canceled', 'expired')
    order by late_result.id limit 1
) late on true
"""
_ONE: Final = f"""
select {_COLUMNS}, {_LATE} from job j {_FROM} where j.id = %s and j.owner_id = %s and (j.hidden_at is null or %s)
"""
_MANY: Final = f"""
select {_COLUMNS}, {_LATE} from job j {_FROM} where j.id = any(%s) and j.owner_id = %s
"""
_PAGE: Final = f"""
with /*page*/
select {_COLUMNS}, {_LATE} from job j join page on page.id = j.id {_FROM}
order by j.created_at desc, j.id desc
"""
# What a 304 needs: the text that the tag of the page is a digest of, made where the rows are.
_VERSIONS: Final = """
with /*page*/
select md5(string_agg(j.id || ':' || j.version || ':' || coalesce(lease.percent, -1), ','
        order by j.created_at desc, j.id desc)), coalesce(bool_or(j.state = 'queued'), false)
from job j join page on page.id = j.id left join lease on lease.job_id = j.id
"""
_EDGE: Final = """
select created_at, id from job where /*base*/
order by created_at desc, id desc offset %(window)s - 1 limit 1
"""
_EARLIER: Final = f"""
select {_COLUMNS}, {_LATE} from job j {_FROM}
where j.owner_id = %s and j.finished_at is null and j.created_at < %s
order by j.created_at desc, j.id desc limit %s
"""
_NEWEST: Final = "order by created_at desc, id desc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Jobs, newest first, and where the next page begins, if there may be one."""

    rows: Sequence[dict[str, Any]]
    next: tuple[datetime, UUID] | None
    # As `versions` makes it.
    digest: str


def one(job_id: UUID, *, owner_id: UUID, also_hidden: bool = False) -> dict[str, Any]:
    """Read one job of an owner. Raises Http404 for anybody else's."""
    found = _read(_ONE, [job_id, owner_id, also_hidden])
    if not found:
        raise Http404
    return found[0]


def many(job_ids: Sequence[UUID], *, owner_id: UUID) -> dict[UUID, dict[str, Any]]:
    """Read jobs of an owner by id."""
    return {row["id"]: row for row in _read(_MANY, [list(job_ids), owner_id])}


def page(wanted: Filter, *, owner_id: UUID) -> Page:
    """Read a page: one row more is asked for, which tells whether another follows."""
    found = _read(_statement(_PAGE, wanted.shape), wanted.parameters(owner_id, window=WINDOW))
    rows, edge = found[: wanted.limit], None
    if len(found) > wanted.limit:
        edge = rows[-1]["created_at"], rows[-1]["id"]
    elif wanted.is_narrow:
        edge = _edge(wanted, owner_id=owner_id)
    text = ",".join(
        f"{row['id']}:{row['version']}:{-1 if row['lease__percent'] is None else row['lease__percent']}"
        for row in found
    )
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() if found else ""
    return Page(rows=rows, next=edge, digest=digest)


def versions(wanted: Filter, *, owner_id: UUID) -> tuple[str, bool]:
    """Digest a page's versions, and say whether any of its jobs waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            _statement(_VERSIONS, wanted.shape), wanted.parameters(owner_id, window=WINDOW)
        )
        digest, any_waits = cursor.fetchone()
    return digest or "", any_waits


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
def _statement(frame: str, shape: Shape) -> str:
    narrow = _narrow(shape)
    if not narrow and not shape.has_batch:
        page = f"page as (select id from job where {_base(shape)} {_NEWEST} limit %(rows)s)"
        return frame.replace("/*page*/", page)
    # Of a batch all rows, found by its index; else as many as a page may look at.
    bound = "" if shape.has_batch else f"{_NEWEST} limit %(window)s"
    return frame.replace(
        "/*page*/",
        f"""looked as materialized (
            select id, created_at, state, model, prompt from job where {_base(shape)} {bound}
        ), page as (
            select id from looked {f"where {narrow}" if narrow else ""} {_NEWEST} limit %(rows)s
        )""",
    )


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
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def late_of(row: dict[str, Any]) -> Video | None:
    """Give the video that came too late for a job, if one did."""
    if not row.get("late_url"):
        return None
    return Video(url=row["late_url"], thumbnail_url=row["late_thumbnail"])
