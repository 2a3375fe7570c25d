"""How each pool does: what it holds, how its attempts end and how long they take, how their ends were learned."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from jobs.backends.backend import KEY_REFUSED
from jobs.models import LearnedBy

# Over the latest moves, so that the question costs the same however much history there is.
_LOOK_BACK: Final = 50_000
_REPORT: Final = """
with ended as (
    select a.pool, a.outcome, a.learned_by, extract(epoch from a.ended_at - a.started_at) as took,
        a.outcome = any(%(good)s) as is_good, a.outcome = any(%(bad)s) as is_bad
    from job_transition t
    join attempt a on a.job_id = t.job_id and a.number = t.attempt
    where t.id > (select coalesce(max(id), 0) from job_transition) - %(moves)s
        and t.from_state in ('dispatched', 'running') and t.to_state <> 'running'
        and a.ended_at > now() - make_interval(secs => %(window)s)
), counted as (
    select pool, count(*) filter (where is_good) as good, count(*) filter (where is_bad) as bad,
        percentile_cont(0.5) within group (order by took) filter (where is_good) as median,
        percentile_cont(0.95) within group (order by took) filter (where is_good) as p95,
        count(*) filter (where is_good and learned_by = 'worker') as worker,
        count(*) filter (where is_good and learned_by = 'poll') as poll,
        count(*) filter (where is_good and learned_by = 'webhook') as webhook,
        count(*) filter (where is_good and learned_by = 'sweep') as sweep
    from ended group by pool
)
select p.name, p.driver, p.profile, p.state, p.state_reason, p.slots,
    (select count(*) from lease where lease.pool_id = p.name),
    p.answered_at, p.last_error, p.breaker_until > now(), p.url, p.model_names, p.told_slots, p.told_models,
    (select count(*) from orphan o where o.pool = p.name and o.outcome = ''),
    coalesce(c.good, 0), coalesce(c.bad, 0), c.median, c.p95,
    coalesce(c.worker, 0), coalesce(c.poll, 0), coalesce(c.webhook, 0), coalesce(c.sweep, 0)
from pool p left join counted c on c.pool = p.name order by p.name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One pool. Times in seconds; None where nothing was measured."""

    name: str
    driver: str
    profile: str
    state: str
    state_reason: str
    slots: int
    held: int
    answered_at: datetime | None
    last_error: str
    is_breaker_open: bool
    url: str
    model_names: tuple[str, ...]
    # What its server says of itself; None and empty where it says nothing.
    told_slots: int | None
    told_models: tuple[str, ...]
    open_orphans: int
    succeeded: int
    failed: int
    median: float | None
    p95: float | None
    learned: Mapping[LearnedBy, int]

    @property
    def refuses_key(self) -> bool:
        """Say whether the server is there and does not take our key."""
        return self.last_error.startswith(KEY_REFUSED)

    @property
    def hints(self) -> list[str]:
        """Say where the server differs from what its operator set; nothing is changed by it."""
        found = []
        if self.told_slots is not None and self.told_slots != self.slots:
            found.append(
                f"its server says that it works on {self.told_slots} at once, and {self.slots} slots are set"
            )
        more = [name for name in self.told_models if name not in self.model_names]
        missing = [name for name in self.model_names if name not in self.told_models]
        if self.told_models and missing:
            found.append(
                f"its server does not name {', '.join(missing)}; it has {', '.join(self.told_models[:8])}"
            )
        elif more:
            found.append(f"its server also has {', '.join(more[:8])}")
        return found

    @property
    def failure_rate(self) -> float | None:
        """Give the share of attempts that failed by the pool's fault or ours."""
        ended = self.succeeded + self.failed
        return self.failed / ended if ended else None


def reports(*, window_seconds: float, bad: list[str]) -> list[Report]:
    """Report every pool over the last so many seconds; `bad` are the outcomes that count against it."""
    with connection.cursor() as cursor:
        cursor.execute(
            _REPORT,
            {"good": ["succeeded"], "bad": bad, "moves": _LOOK_BACK, "window": window_seconds},
        )
        rows = cursor.fetchall()
    return [
        Report(
            name=row[0],
            driver=row[1],
            profile=row[2],
            state=row[3],
            state_reason=row[4],
            slots=row[5],
            held=row[6],
            answered_at=row[7],
            last_error=row[8],
            is_breaker_open=bool(row[9]),
            url=row[10],
            model_names=tuple(row[11]),
            told_slots=row[12],
            told_models=tuple(row[13]),
            open_orphans=row[14],
            succeeded=row[15],
            failed=row[16],
            median=row[17],
            p95=row[18],
            learned=dict(
                zip(
                    (LearnedBy.WORKER, LearnedBy.POLL, LearnedBy.WEBHOOK, LearnedBy.SWEEP),
                    row[19:],
                    strict=True,
                )
            ),
        )
        for row in rows
    ]
