"""Moving waiting jobs to the line of the kind that they are of now, after their pools changed."""

import time
from itertools import groupby
from operator import itemgetter
from typing import Final

from django.db import connection

from jobs import kinds, lanes

_BATCH: Final = 500
_LONGEST_PASS: Final = 1.5
_FIRST: Final = "00000000-0000-0000-0000-000000000000"
# Processes may know what was offered before for so many seconds, and a submission may take a moment.
_SETTLED_AFTER: Final = 10.0

# Kinds that were left by something, and kinds of nothing in which jobs wait all the same.
_LEFT: Final = """
select name, coalesce(moved_to, %(first)s) from kind where left_at is not null
union all
select name, %(first)s from kind
where left_at is null and name <> %(no_pool)s
    and not exists (select 1 from offering where offering.kind_id = kind.name)
    and exists (select 1 from line join lane on lane.line_id = line.id and lane.state > 0
        where line.kind = kind.name)
order by 1
"""
# In the order of the ids, from the last one that was looked at; the whole batch is looked at, strays are moved.
_STRAYS: Final = """
with looked as (
    select b.job_id, b.owner_id, b.line_id, line.tier_id
    from backlog b join line on line.id = b.line_id and line.kind = %(kind)s
    where b.job_id > %(after)s order by b.job_id limit %(batch)s
)
select looked.job_id, looked.owner_id, looked.line_id, target.id
from looked join job on job.id = looked.job_id
left join offering on (offering.model, offering.seconds, offering.size)
    = (job.model, job.seconds, job.size)
join line target on target.tier_id = looked.tier_id
    and target.kind = coalesce(offering.kind_id, %(no_pool)s)
order by looked.job_id
"""
_LOOKED: Final = "update kind set moved_to = %s where name = %s and left_at is not null"
# Every job that waits here belongs here: its pools may take any of them again. A pass that began too early is
# made again.
_SETTLE: Final = """
update kind set moved_to = null,
    usable = case when left_at < now() - make_interval(secs => %(after)s) then pools else usable end,
    left_at = case when left_at < now() - make_interval(secs => %(after)s) then null else left_at end
where name = %(kind)s and left_at is not null
"""


def move_on() -> int:
    """Move what waits in a kind that it no longer is of; gives how many jobs changed their line.

    Bounded in time; the next call goes on where this one stopped.
    """
    moved, ends_at = 0, time.monotonic() + _LONGEST_PASS
    while time.monotonic() < ends_at:
        with connection.cursor() as cursor:
            cursor.execute(_LEFT, {"first": _FIRST, "no_pool": kinds.NO_POOL})
            left = cursor.fetchall()
        passes = [_move_on(kind, after=after) for kind, after in left]
        moved += sum(count for count, _ in passes)
        if all(is_through for _, is_through in passes):
            break
    return moved


def _move_on(kind: str, *, after: str) -> tuple[int, bool]:
    """Look at the next batch; gives how many jobs were moved, and whether it was the last batch."""
    values: dict[str, str | int] = {
        "kind": kind,
        "after": after,
        "batch": _BATCH,
        "no_pool": kinds.NO_POOL,
    }
    with connection.cursor() as cursor:
        cursor.execute(_STRAYS, values)
        rows = cursor.fetchall()
    moved = 0
    strays = sorted((row[1:], row[0]) for row in rows if row[2] != row[3])
    for (owner_id, source, target), group in groupby(strays, key=itemgetter(0)):
        moved += lanes.move(
            [job for _, job in group], owner_id=owner_id, source=source, target=target
        )
    with connection.cursor() as cursor:
        if len(rows) == _BATCH:
            cursor.execute(_LOOKED, [rows[-1][0], kind])
        else:
            cursor.execute(_SETTLE, {"kind": kind, "after": _SETTLED_AFTER})
    return moved, len(rows) < _BATCH
