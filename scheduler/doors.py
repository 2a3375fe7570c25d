"""Publishing the doors: how much may wait in each line, from how slowly it drained of late. Their only publisher.

Submissions add to `added` and refusals to `book` meanwhile; both are left as they are.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from django.db import connection

from jobs.models import Door
from jobs.requests import STANDBY
from scheduler import admission
from scheduler.lines import LineRow

# Jobs that may wait on standby in one line.
STANDBY_MOST: Final = 1000

# What was added since the lanes were read stays added; so the sum is what waits, without locking anybody out.
_PUBLISH: Final = """
insert into door (line_id, bound, drain, drains, work, added, fullest, published_at)
select line_id, bound, drain, drains::jsonb, work, 0, 0, now()
from unnest(%(lines)s::int[], %(bounds)s::float8[], %(drain)s::float8[], %(drains)s::text[],
    %(work)s::float8[], %(added)s::float8[]) as new (line_id, bound, drain, drains, work, added)
order by line_id
on conflict (line_id) do update set bound = excluded.bound, drain = excluded.drain,
    drains = excluded.drains, work = excluded.work, published_at = now(),
    added = door.added - (%(seen)s::jsonb ->> door.line_id::text)::float8
"""


def publish(rows: Iterable[LineRow], *, drains: Mapping[int, float], now: datetime) -> None:
    """Write every line's door, in one statement."""
    known = list(rows)
    noted = {
        line_id: tuple((int(minute), float(drain)) for minute, drain in pairs)
        for line_id, pairs in Door.objects.values_list("line_id", "drains")
    }
    at = now.timestamp()
    bounds, least, written, work = [], [], [], []
    for row in known:
        latest = admission.noted(noted.get(row.id, ()), drain=drains.get(row.id, 0.0), now=at)
        found = admission.door(seconds=row.bound_seconds, drains=latest, work=row.waiting, now=at)
        is_standby = row.tier == STANDBY
        # Standby promises nothing, so only its number is bounded.
        bounds.append(float(STANDBY_MOST) if is_standby else found.bound)
        least.append(1.0 if is_standby else found.drain)
        written.append(json.dumps(latest))
        work.append(float(row.jobs) if is_standby else row.waiting)
    with connection.cursor() as cursor:
        cursor.execute(
            _PUBLISH,
            {
                "lines": [row.id for row in known],
                "bounds": bounds,
                "drain": least,
                "drains": written,
                "work": work,
                "added": [row.added for row in known],
                "seen": json.dumps({str(row.id): row.added for row in known}),
            },
        )
