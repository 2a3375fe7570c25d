"""Recoveries read together: how many jobs were stuck for one reason, and where most of them ran."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from jobs.models import Cause, Truth
from jobs.states import JobState

# One row for each cause and pool; the node is the one where most of them ran.
_READ: Final = """
with recent as (
    select cause, pool, coalesce(nullif(node, ''), nullif(worker, ''), '') as node,
        truth, led_to, stuck_since, recovered_at
    from recovery where recovered_at >= now() - make_interval(secs => %(window)s)
), by_node as (
    select cause, pool, node, count(*) as found, min(stuck_since) as since,
        row_number() over (partition by cause, pool order by count(*) desc, node) as place
    from recent group by cause, pool, node
), truths as (
    select cause, pool, jsonb_object_agg(truth, found) as counted
    from (select cause, pool, truth, count(*) as found from recent group by 1, 2, 3) t
    group by cause, pool
), ends as (
    select cause, pool, jsonb_object_agg(led_to, found) as counted
    from (select cause, pool, led_to, count(*) as found from recent group by 1, 2, 3) e
    group by cause, pool
)
select r.cause, r.pool, count(*), b.node, b.found, b.since,
    max(r.recovered_at), t.counted, e.counted
from recent r
join by_node b on b.cause = r.cause and b.pool = r.pool and b.place = 1
join truths t on t.cause = r.cause and t.pool = r.pool
join ends e on e.cause = r.cause and e.pool = r.pool
group by r.cause, r.pool, b.node, b.found, b.since, t.counted, e.counted
order by count(*) desc, r.cause, r.pool
"""
_ANSWERS: Final[Mapping[Truth, str]] = {
    Truth.FINISHED: "had finished",
    Truth.FAILED: "had failed",
    Truth.RUNNING: "still worked on",
    Truth.GONE: "unknown to it",
    Truth.UNREACHABLE: "got no answer",
    Truth.NOT_ASKED: "never reached it",
}
_ENDS: Final[Mapping[JobState, str]] = {
    JobState.QUEUED: "went back in line",
    JobState.SUCCEEDED: "ended with their video",
    JobState.FAILED: "failed",
    JobState.CANCELED: "were cancelled",
    JobState.EXPIRED: "expired",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Stuck attempts with one cause on one pool, within the time that was looked at."""

    cause: Cause
    pool: str
    count: int
    # Where most of them ran ("" when no worker had taken them), how many, and since when.
    node: str
    on_node: int
    since: datetime
    until: datetime
    # What the backend said, and what became of the jobs.
    truths: Mapping[Truth, int]
    ends: Mapping[JobState, int]

    def __str__(self) -> str:
        where = (
            f"{self.on_node:,} of {self.count:,} on {self.node}" if self.node else f"{self.count:,}"
        )
        return (
            f"{where} since {self.since:%H:%M:%S}: {self.cause.label.lower()} (pool {self.pool}). "
            f"Asked the backend: {_counted(self.truths, _ANSWERS)}. "
            f"Then: {_counted(self.ends, _ENDS)}."
        )


def recent(*, window_seconds: float) -> list[Incident]:
    """Give what was recovered in the last so many seconds, the largest incident first. Locks nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, {"window": window_seconds})
        rows = cursor.fetchall()
    return [
        Incident(
            cause=Cause(cause),
            pool=pool,
            count=count,
            node=node,
            on_node=on_node,
            since=since,
            until=until,
            truths={Truth(name): found for name, found in json.loads(truths).items()},
            ends={JobState(name): found for name, found in json.loads(ends).items()},
        )
        for cause, pool, count, node, on_node, since, until, truths, ends in rows
    ]


def _counted(counts: Mapping[Any, int], words: Mapping[Any, str]) -> str:
    largest_first = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {words[name]}" for name, count in largest_first)
