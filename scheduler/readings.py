"""Taking a reading of the whole every few seconds, so that the console asks neither history nor the backlog.

Each reading looks back on a bounded number of moves and is kept for two hours. Its only writer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from jobs import pool_health
from jobs.requests import STANDBY

# Moves that are looked back on, and seconds: of rates, of waits, of use.
_LOOK_BACK: Final = 20_000
_RATES_OVER: Final = 60.0
_WAITS_OVER: Final = 900.0
_USE_OVER: Final = 3600.0
# Readings are kept for so many seconds.
KEPT: Final = 7200.0
# Accounts that are noted, by use and by what waits.
_ACCOUNTS: Final = 20
_JOBS_COUNTED: Final = 1000

# Moves are read from the newest backwards by their key; at most `moves` of them, whatever history there is.
_MOVES: Final = """
with latest as materialized (
    select job_id, from_state, to_state, attempt, at from job_transition
    where id > (select coalesce(max(id), 0) from job_transition) - %(moves)s
), covered as (
    select case when count(*) < %(moves)s then %(rates)s::float8
        else greatest(1, least(%(rates)s::float8, extract(epoch from now() - min(at)))) end as seconds
    from latest
), rates as (
    select count(*) filter (where from_state = '') as arrived,
        count(*) filter (where to_state in ('succeeded', 'failed', 'canceled', 'expired')) as ended,
        count(*) filter (where to_state = 'dispatched') as granted
    from latest, covered where at > now() - make_interval(secs => covered.seconds)
), waits as (
    select job.tier_id as tier, extract(epoch from l.at - job.created_at)::float8 as waited
    from latest l join job on job.id = l.job_id
    where l.to_state = 'dispatched' and l.attempt = 1
        and l.at > now() - make_interval(secs => %(waits)s)
), by_tier as (
    select coalesce(tier, '') as tier, count(*) as count,
        percentile_disc(array[0.5, 0.95, 0.99]) within group (order by waited) as waits
    from waits group by grouping sets ((tier), ())
), ends as (
    select count(*) filter (where l.to_state = 'succeeded') as good,
        count(*) filter (where l.to_state in ('failed', 'expired')) as bad,
        count(*) filter (where a.learned_by = 'webhook') as webhook,
        count(*) filter (where a.learned_by in ('poll', 'sweep')) as asked
    from latest l left join attempt a on a.job_id = l.job_id and a.number = l.attempt
    where l.to_state in ('succeeded', 'failed', 'expired')
        and l.at > now() - make_interval(secs => %(waits)s)
), by_pool as (
    select a.pool, count(*) filter (where a.outcome = 'succeeded') as good,
        count(*) filter (where a.outcome = any(%(faults)s)) as bad,
        percentile_disc(array[0.5, 0.95]) within group (
            order by extract(epoch from a.ended_at - a.started_at)::float8
        ) filter (where a.outcome = 'succeeded') as took
    from latest l join attempt a on a.job_id = l.job_id and a.number = l.attempt
    where l.from_state in ('dispatched', 'running') and l.to_state <> 'running'
        and a.ended_at > now() - make_interval(secs => %(waits)s)
    group by a.pool
), held as (
    select pool.name, (select count(*) from lease where lease.pool_id = pool.name) as held, pool.slots
    from pool
)
select jsonb_build_object(
    'arrived', round((rates.arrived * 60 / covered.seconds)::numeric, 1),
    'ended', round((rates.ended * 60 / covered.seconds)::numeric, 1),
    'granted', round((rates.granted * 60 / covered.seconds)::numeric, 1),
    'good', ends.good, 'bad', ends.bad, 'webhook', ends.webhook, 'asked', ends.asked,
    'waits', (select coalesce(jsonb_object_agg(tier, waits), '{}') from by_tier where count > 0),
    'ends', (select coalesce(jsonb_object_agg(pool, jsonb_build_object(
        'good', good, 'bad', bad, 'took', took)), '{}') from by_pool),
    'pools', (select coalesce(jsonb_object_agg(name, jsonb_build_array(held, slots)), '{}') from held)
) from rates, ends, covered
"""
# Slot time of the last hour: attempts that ended among the latest moves, and those that hold a slot.
_ACCOUNTS_NOW: Final = """
with ended as (
    select job.owner_id, extract(epoch from a.ended_at - greatest(a.granted_at,
        now() - make_interval(secs => %(use)s)))::float8 as seconds
    from job_transition t
    join attempt a on a.job_id = t.job_id and a.number = t.attempt
    join job on job.id = t.job_id
    where t.id > (select coalesce(max(id), 0) from job_transition) - %(moves)s
        and t.from_state in ('dispatched', 'running') and t.to_state <> 'running'
        and a.ended_at > now() - make_interval(secs => %(use)s)
    union all
    select owner_id, extract(epoch from now() - greatest(granted_at,
        now() - make_interval(secs => %(use)s)))::float8 from lease
), used as materialized (
    select owner_id, sum(seconds) as seconds from ended group by owner_id
), waiting as materialized (
    select owner_id, sum(work) as work from lane where state > 0 and work > 0 group by owner_id
), active as (
    select account.tier_id, count(*) as owners
    from (select owner_id from used union select owner_id from waiting) o
    join account on account.owner_id = o.owner_id group by account.tier_id
), shown as (
    (select owner_id from used order by seconds desc limit %(most)s)
    union (select owner_id from waiting order by work desc limit %(most)s)
)
select jsonb_build_object(
    'seconds', (select coalesce(sum(seconds), 0) from used),
    'active', (select coalesce(jsonb_object_agg(tier_id, owners), '{}') from active),
    'accounts', (select coalesce(jsonb_agg(jsonb_build_object(
        'owner', s.owner_id, 'tier', account.tier_id, 'used', coalesce(used.seconds, 0),
        'work', coalesce(waiting.work, 0), 'running', running.count, 'waiting', queued.count)), '[]')
        from shown s join account on account.owner_id = s.owner_id
        left join used on used.owner_id = s.owner_id
        left join waiting on waiting.owner_id = s.owner_id
        cross join lateral (select count(*) from lease where lease.owner_id = s.owner_id) running
        cross join lateral (select count(*) from (select 1 from backlog
            where backlog.owner_id = s.owner_id limit %(counted)s) b) queued))
"""
# What waits by tier: GPU-seconds, their jobs by the mean of the heads, when it was published. Standby counts jobs.
WAITING: Final = """
select line.tier_id, sum(greatest(door.work + door.added, 0)),
    sum(case when line.tier_id = %(standby)s then greatest(door.work + door.added, 0)
        when outlook.mean_cost > 0 then greatest(door.work + door.added, 0) / outlook.mean_cost else 0 end),
    min(door.published_at)
from line join door on door.line_id = line.id
left join outlook on outlook.line_id = line.id
group by line.tier_id
"""
# What a waiting job of each tier costs on average, from so many pages of the backlog, however large it is.
_PAGES: Final = 250
_SIZE: Final = (
    "select greatest(1, pg_relation_size('backlog') / current_setting('block_size')::int)"
)
_COSTS: Final = """
select line.tier_id, avg(waiting.cost)
from backlog waiting tablesample system (%s) join line on line.id = waiting.line_id group by 1
"""
_ADD: Final = "insert into reading (figures, accounts) values (%s, %s)"
_FORGET: Final = "delete from reading where taken_at < now() - make_interval(secs => %s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A reading: when, and its figures as they were written."""

    at: datetime
    figures: dict[str, Any]


def take() -> None:
    """Write a reading, and drop what is too old."""
    values: dict[str, Any] = {
        "moves": _LOOK_BACK,
        "faults": pool_health.BAD,
        "rates": _RATES_OVER,
        "waits": _WAITS_OVER,
        "use": _USE_OVER,
        "most": _ACCOUNTS,
        "counted": _JOBS_COUNTED,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_MOVES, values)
        figures = _object(cursor.fetchone()[0])
        cursor.execute(_SIZE)
        cursor.execute(_COSTS, [min(100.0, 100.0 * _PAGES / cursor.fetchone()[0])])
        figures["costs"] = dict(cursor.fetchall())
        waiting, _ = waiting_jobs(figures["costs"])
        figures["waiting"] = round(sum(waiting.values()))
        cursor.execute(_ACCOUNTS_NOW, values)
        (accounts,) = cursor.fetchone()
        cursor.execute(_ADD, [json.dumps(figures), json.dumps(_object(accounts))])
        cursor.execute(_FORGET, [KEPT])


def waiting_jobs(costs: Mapping[str, float]) -> tuple[dict[str, float], datetime | None]:
    """Give about how many jobs of each tier wait, by what they cost on average, and when their work was published."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, {"standby": STANDBY})
        rows = cursor.fetchall()
    found = {
        tier: work / costs[tier] if tier != STANDBY and costs.get(tier) else by_heads
        for tier, work, by_heads, _ in rows
    }
    return found, min((at for *_, at in rows if at is not None), default=None)


def latest(*, seconds: float) -> list[Point]:
    """Give the readings of the last so many seconds, oldest first. One range of the key."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select taken_at, figures from reading where taken_at > now() - make_interval(secs => %s)"
            " order by taken_at",
            [seconds],
        )
        return [Point(at=at, figures=_object(figures)) for at, figures in cursor.fetchall()]


def accounts() -> dict[str, Any] | None:
    """Give who used and who waits, by the latest reading; None before the first."""
    with connection.cursor() as cursor:
        cursor.execute("select accounts from reading order by taken_at desc limit 1")
        row = cursor.fetchone()
    return _object(row[0]) if row else None


def _object(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return found
