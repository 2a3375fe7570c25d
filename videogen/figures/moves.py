"""What became of jobs, counted from the history of their moves, so that no process counts on its way.

Each pass reads the moves since the last by their key, a bounded number of them. Whoever starts anew counts from
then on, as every counter does. A move that is committed later than `_SETTLED` after its transaction began may be
missed: counts are for rates, the history is the truth.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from django.db import connection

from jobs.failures import FailureKind
from jobs.models import LearnedBy
from videogen.figures.figure import BOUNDS, Figure, Spread

_MOST: Final = 20_000
# Seconds after which the transactions that took a number before are over.
_SETTLED: Final = 5.0

_NEWEST: Final = "select coalesce(max(id), 0) from job_transition"
_UP_TO: Final = """
select max(id) from (
    select id, at from job_transition where id > %s order by id limit %s
) next where at < now() - make_interval(secs => %s)
"""
# What was timed, two labels, the bucket, how many, and their sum.
_TIMES: Final = """
with moved as materialized (
    select job_id, from_state, to_state, attempt, at from job_transition
    where id > %(after)s and id <= %(up_to)s and from_state <> ''
), timed as (
    select 'granted' as what, job.tier_id as first, '' as second,
        extract(epoch from moved.at - job.created_at)::float8 as seconds
    from moved join job on job.id = moved.job_id
    where moved.to_state = 'dispatched' and moved.attempt = 1
    union all
    select 'started', a.pool, '', extract(epoch from moved.at - a.granted_at)::float8
    from moved join attempt a on a.job_id = moved.job_id and a.number = moved.attempt
    where moved.to_state = 'running'
    union all
    select 'ran', a.pool, job.model, extract(epoch from a.ended_at - a.started_at)::float8
    from moved join attempt a on a.job_id = moved.job_id and a.number = moved.attempt
    join job on job.id = moved.job_id
    where moved.to_state = 'succeeded' and a.started_at is not null
)
select what, first, second, width_bucket(seconds, %(bounds)s::float8[]), count(*), sum(seconds)
from timed group by 1, 2, 3, 4
"""
_ENDS: Final = """
with moved as materialized (
    select job_id, from_state, to_state, attempt from job_transition
    where id > %(after)s and id <= %(up_to)s and from_state <> ''
)
select 'job', job.tier_id, moved.to_state, count(*) from moved join job on job.id = moved.job_id
where moved.to_state in ('succeeded', 'failed', 'canceled', 'expired') group by 2, 3
union all
select 'outcome', a.pool, a.outcome, count(*)
from moved join attempt a on a.job_id = moved.job_id and a.number = moved.attempt
where moved.from_state in ('dispatched', 'running') and moved.to_state <> 'running' group by 2, 3
union all
select 'learned', a.pool, a.learned_by, count(*)
from moved join attempt a on a.job_id = moved.job_id and a.number = moved.attempt
where moved.from_state in ('dispatched', 'running') and moved.to_state <> 'running'
    and a.learned_by <> '' group by 2, 3
"""
_POOLS: Final = "select name from pool"
_SPREADS: Final = {
    "granted": (
        "videogen_queued_to_granted_seconds",
        "From submission to the first slot.",
        ("tier",),
    ),
    "started": (
        "videogen_granted_to_started_seconds",
        "From the grant of a slot to the backend's word that it began.",
        ("pool",),
    ),
    "ran": (
        "videogen_run_seconds",
        "How long generations that succeeded took.",
        ("pool", "model"),
    ),
}
_COUNTS: Final = {
    "job": ("videogen_jobs_ended", "Jobs that ended.", ("tier", "state")),
    "outcome": ("videogen_attempts", "Attempts that ended, by outcome.", ("pool", "outcome")),
    "learned": (
        "videogen_completions",
        "Attempts that ended, by how that was first learned.",
        ("pool", "learned_by"),
    ),
}


class Moves:
    """Counts since it was made."""

    def __init__(self) -> None:
        self._after: int | None = None
        self._counts: dict[tuple[str, str, str], int] = defaultdict(int)
        self._buckets: dict[tuple[str, str, str], list[int]] = {}
        self._sums: dict[tuple[str, str, str], float] = defaultdict(float)

    def read(self) -> list[Figure | Spread]:
        """Count the moves that are new, and give the counts."""
        with connection.cursor() as cursor:
            if self._after is None:
                cursor.execute(_NEWEST)
                (self._after,) = cursor.fetchone()
            cursor.execute(_UP_TO, [self._after, _MOST, _SETTLED])
            (up_to,) = cursor.fetchone()
            if up_to is not None:
                values = {"after": self._after, "up_to": up_to, "bounds": list(BOUNDS)}
                cursor.execute(_TIMES, values)
                self._add_times(cursor.fetchall())
                cursor.execute(_ENDS, values)
                for what, first, second, count in cursor.fetchall():
                    self._counts[what, first, second] += count
                self._after = up_to
            cursor.execute(_POOLS)
            self._begin_at_zero(pool for (pool,) in cursor.fetchall())
        return [*self._figures(), *self._spreads()]

    def _add_times(self, rows: Iterable[tuple[str, str, str, int, int, float]]) -> None:
        for what, first, second, bucket, count, seconds in rows:
            key = (what, first, second)
            self._buckets.setdefault(key, [0] * (len(BOUNDS) + 1))[bucket] += count
            self._sums[key] += seconds

    def _begin_at_zero(self, pools: Iterable[str]) -> None:
        """A rate sees a counter's first step only where it was zero before."""
        for pool in pools:
            for outcome in ("succeeded", *FailureKind):
                self._counts["outcome", pool, str(outcome)] += 0
            for learned_by in LearnedBy:
                self._counts["learned", pool, learned_by.value] += 0

    def _figures(self) -> Iterable[Figure]:
        for what, (name, about, labels) in _COUNTS.items():
            rows = [(*key[1:], count) for key, count in self._counts.items() if key[0] == what]
            yield Figure(name=name, about=about, labels=labels, rows=rows, counts=True)

    def _spreads(self) -> Iterable[Spread]:
        for what, (name, about, labels) in _SPREADS.items():
            rows = [
                (key[1 : 1 + len(labels)], counts, self._sums[key])
                for key, counts in self._buckets.items()
                if key[0] == what
            ]
            yield Spread(name=name, about=about, labels=labels, rows=rows)
