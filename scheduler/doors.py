"""Publishing the doors: how much may wait in each line, from how slowly it drained of late. Their only publisher.

Submissions add to `added` and refusals to `book` meanwhile; both are left as they are.
"""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django.db import connection

from jobs import gates
from jobs.door import WHILE_BOOKED
from jobs.models import Door, Gate
from jobs.requests import STANDBY
from scheduler import admission
from scheduler.lines import LineRow

# Jobs that may wait on standby in one line.
STANDBY_MOST: Final = 1000

# What was added since the lanes were read stays added; so the sum is what waits. What gates counted goes to their
# doors, and they are lent what is free now. A gate that somebody is at keeps what it has, which stays counted.
_PUBLISH: Final = f"""
with new as materialized (
    select * from unnest(%(lines)s::int[], %(bounds)s::float8[], %(drain)s::float8[],
        %(drains)s::text[], %(work)s::float8[], %(added)s::float8[])
        as new (line_id, bound, drain, drains, work, seen)
), doors as materialized (
    select line_id, bound, work, added, lent, fullest from door where line_id = any(%(lines)s::int[])
    order by line_id for no key update
), gates as materialized (
    select line_id, number, room, added from gate
    where line_id = any(%(lines)s::int[]) and (select count(*) from doors) >= 0
    for no key update skip locked
), counted as materialized (
    select new.*, coalesce(doors.added, 0) + coalesce(back.added, 0) - seen as added,
        coalesce(back.number, 0) as gates,
        -- What gates let in was behind all that the door knew of; a door over its bound let in one that was alone.
        case when back.added > 0 and doors.bound > 0 and doors.added <= doors.bound
            then greatest(doors.fullest, (doors.work + doors.added + back.added) / doors.bound)
            else coalesce(doors.fullest, 0) end as fullest,
        case when doors.lent - coalesce(back.lent, 0) > {gates.NOTHING}
            then doors.lent - coalesce(back.lent, 0) else 0 end as kept
    from new left join doors using (line_id)
    left join (
        select line_id, count(*) as number, sum(added) as added, sum(room + added) as lent
        from gates group by line_id
    ) back using (line_id)
), lending as materialized (
    select counted.*, case when drain > 0 and free >= {gates.LENT_FROM} * bound
        then free / {gates.COUNT} else 0 end as each, free
    from counted cross join lateral (
        select {WHILE_BOOKED} * bound - work - added - kept as free) spare
), lent as (
    update gate set added = 0, room = lending.each
    from gates join lending using (line_id)
    where gate.line_id = gates.line_id and gate.number = gates.number
        and (gate.added <> 0 or gate.room <> lending.each)
), published as (
    insert into door
        (line_id, bound, drain, drains, work, added, lent, fullest, published_at)
    select line_id, bound, drain, drains::jsonb, work, added, kept + gates * each, fullest, now()
    from lending order by line_id
    on conflict (line_id) do update set bound = excluded.bound, drain = excluded.drain,
        drains = excluded.drains, work = excluded.work, added = excluded.added,
        lent = excluded.lent, fullest = excluded.fullest, published_at = now()
)
select line_id from lending where kept > 0 and (drain <= 0 or free < 0)
"""
# A gate is taken for some milliseconds: so often, and after such a pause, too much lent is asked back.
_ASKED_BACK: Final = 5
_PAUSE: Final = 0.01


def publish(rows: Iterable[LineRow], *, drains: Mapping[int, float], now: datetime) -> None:
    """Write every line's door and gates, in one statement.

    Where less may wait than is lent, gates that somebody is at are asked again for up to 50 ms.
    """
    known = list(rows)
    noted = {
        line_id: tuple((int(minute), float(drain)) for minute, drain in pairs)
        for line_id, pairs in Door.objects.values_list("line_id", "drains")
    }
    have_gates = set(Gate.objects.filter(number=0).values_list("line_id", flat=True))
    at = now.timestamp()
    rows_of: dict[int, tuple[Any, ...]] = {}
    for row in known:
        latest = admission.noted(noted.get(row.id, ()), drain=drains.get(row.id, 0.0), now=at)
        found = admission.door(seconds=row.bound_seconds, drains=latest, work=row.waiting, now=at)
        is_standby = row.tier == STANDBY
        # Standby promises nothing, so only its number is bounded.
        rows_of[row.id] = (
            float(STANDBY_MOST) if is_standby else found.bound,
            1.0 if is_standby else found.drain,
            json.dumps(latest),
            float(row.jobs) if is_standby else row.waiting,
            row.added,
        )
    if without := [row.id for row in known if row.id not in have_gates]:
        with connection.cursor() as cursor:
            cursor.execute(gates.MAKE, {"lines": without})
    too_full = _write(rows_of)
    for _ in range(_ASKED_BACK):
        if not too_full:
            return
        time.sleep(_PAUSE)
        # What was added since was counted by the first one.
        too_full = _write({line: (*rows_of[line][:-1], 0.0) for line in too_full})


def _write(rows: Mapping[int, tuple[Any, ...]]) -> list[int]:
    """Write doors and gates; give the lines where gates hold more than may wait, being taken."""
    if not rows:
        return []
    bounds, drain, drains, work, added = map(list, zip(*rows.values(), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            _PUBLISH,
            {
                "lines": list(rows),
                "bounds": bounds,
                "drain": drain,
                "drains": drains,
                "work": work,
                "added": added,
            },
        )
        return [line_id for (line_id,) in cursor.fetchall()]
