"""Attempts that hold a slot and do not get on, grouped by what holds them up. Reads leases: as many as slots."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.db.models import TextChoices

# A granted attempt that no worker took within this share of a lease is noticed.
_TAKEN_WITHIN: Final = 0.5


class Holdup(TextChoices):
    # Its server does not answer, or its pool was taken out.
    POOL_DOWN = "pool_down", "The pool is down"
    # Its lease ran out: the worker died, hangs, or lost its connection.
    WORKER_SILENT = "worker_silent", "The worker is silent"
    # It was granted, and no worker took it.
    NOT_TAKEN = "not_taken", "Nobody took it"
    # The server answers others, and gave no usable answer about it for a while.
    NO_ANSWER = "no_answer", "No answer about it"
    # It takes far longer than is normal, and was asked after.
    TOO_LONG = "too_long", "It runs too long"


MEANINGS: Final[Mapping[Holdup, str]] = {
    Holdup.POOL_DOWN: "The server did not answer, or the pool is out. Attempts there keep their slots for a"
    " while, in case it comes back; then they go to another one.",
    Holdup.WORKER_SILENT: "Their leases ran out. The next sweep asks the backend and ends them by what it says.",
    Holdup.NOT_TAKEN: "They were granted and no worker took them from the queue. Are the pool's workers up?",
    Holdup.NO_ANSWER: "The server is there, but says nothing of use about these.",
    Holdup.TOO_LONG: "They run far longer than such videos take there. They are asked after every 30 s.",
}
# One row for each lease that does not get on; `cause` is the first that holds.
STUCK: Final = """
select l.job_id, l.attempt, l.pool_id as pool, coalesce(nullif(a.node, ''), l.worker) as node,
    case
        when p.state = 'quarantined' or p.breaker_until > now() then 'pool_down'
        when l.picked_up_at is null and l.granted_at < now() - make_interval(secs => %(taken)s)
            then 'not_taken'
        when l.expires_at < now() then 'worker_silent'
        when l.poll_at is not null and a.submitted_at is not null
            and coalesce(l.answered_at, a.submitted_at) < now() - make_interval(secs => %(lease)s)
            then 'no_answer'
        when l.questioned_at is not null then 'too_long'
    end as cause,
    case when l.picked_up_at is null then l.granted_at
        when l.expires_at < now() then l.expires_at - make_interval(secs => %(lease)s)
        else greatest(l.picked_up_at, a.started_at, l.answered_at) end as since,
    l.percent
from lease l
join pool p on p.name = l.pool_id
join attempt a on a.job_id = l.job_id and a.number = l.attempt
"""
_GROUPED: Final = f"""
select cause, pool, count(*), min(since), count(percent),
    (array_agg(node order by node))[1], count(distinct node), now()
from ({STUCK}) held where cause is not null
group by cause, pool order by count(*) desc, cause, pool
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Attempts with one cause on one pool."""

    cause: Holdup
    pool: str
    count: int
    since: datetime
    # How many told how far they were.
    with_progress: int
    # Where they run, where that is one machine.
    node: str
    # The database's clock.
    now: datetime

    @property
    def meaning(self) -> str:
        """Say what it means and what happens by itself."""
        return MEANINGS[self.cause]

    @property
    def seconds(self) -> float:
        """Give for how long the first of them does not get on."""
        return (self.now - self.since).total_seconds()


def values() -> dict[str, Any]:
    """Give what the statement of stuck attempts needs."""
    lease = float(settings.LEASE_SECONDS)
    return {"lease": lease, "taken": lease * _TAKEN_WITHIN}


def groups() -> list[Group]:
    """Give what is stuck now, the largest group first. Locks nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_GROUPED, values())
        rows = cursor.fetchall()
    return [
        Group(
            cause=Holdup(cause),
            pool=pool,
            count=count,
            since=since,
            with_progress=told,
            node=node if nodes == 1 else "",
            now=now,
        )
        for cause, pool, count, since, told, node, nodes, now in rows
    ]
