"""What an owner used day by day. A day that is over and done is counted once, then remembered for a while."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from jobs import days
from jobs.models import Account, Lease

# No plan allows more jobs a day; for owners without limits a day's sums end here.
MOST_OF_A_DAY: Final = 20_000
_REMEMBERED_FOR: Final = 7 * 86_400

# A range of the index of an owner's jobs for each day that is not remembered. Waits are of what began.
_USE: Final = """
select given.day, sums.* from unnest(
    %(days)s::date[], %(firsts)s::timestamptz[], %(nexts)s::timestamptz[]
) as given (day, first, next),
lateral (
    with counted as materialized (
        select state, model, created_at, dispatched_at, finished_at, started_at, credits_charged,
            credits_reserved
        from job
        where owner_id = %(owner)s and created_at >= given.first and created_at < given.next
        order by created_at desc, id desc limit %(most)s
    )
    select count(*), count(*) filter (where state = 'succeeded'),
        count(*) filter (where finished_at is null),
        coalesce(sum(extract(epoch from finished_at - started_at)), 0)::float8,
        coalesce(sum(credits_charged), 0)::bigint,
        coalesce(sum(credits_reserved - credits_charged)
            filter (where finished_at is not null), 0)::bigint,
        percentile_cont(array[0.5, 0.9]) within group (
            order by extract(epoch from dispatched_at - created_at)::float8),
        (select coalesce(jsonb_object_agg(model, jsonb_build_array(jobs, seconds, charged)), '{}')::text
            from (
                select model, count(*) as jobs, sum(credits_charged) as charged,
                    coalesce(sum(extract(epoch from finished_at - started_at)), 0)::float8 as seconds
                from counted group by model
            ) by_model)
    from counted
) sums
"""
# What a plan's day counts: every accepted job, and the GPU time of those that got a slot or may still.
_OF_LIMITS: Final = """
select count(*), coalesce(sum(estimate) filter (where attempt > 0 or finished_at is null), 0)
from (
    select estimate, attempt, finished_at from job
    where owner_id = %s and created_at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc'
    order by created_at desc, id desc limit %s
) counted
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One day: jobs by when they were submitted, GPU-seconds, and credits charged and given back.

    `waits` are the median and the slowest tenth of the seconds that jobs waited for a GPU, None where none got one;
    `models` has of each model its jobs, GPU-seconds and credits charged.
    """

    jobs: int
    ready: int
    live: int
    gpu_seconds: float
    charged: int
    given_back: int
    waits: Sequence[float] | None
    models: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What counts against the plan's limits at this moment; the day is that of UTC."""

    running: int
    waiting: int
    jobs_today: int
    gpu_seconds_today: float


def by_day(owner_id: UUID, wanted: list[date], *, zone: ZoneInfo) -> dict[date, Use]:
    """Sum up each of these days."""
    keys = {_key(owner_id, day, zone): day for day in wanted}
    found = {keys[key]: Use(**value) for key, value in _remembered(list(keys)).items()}
    missing = [day for day in wanted if day not in found]
    if missing:
        counted = _count(owner_id, missing, zone=zone)
        # The clocks of our machines may differ a little; what lives may still be charged.
        over = (timezone.now() - timedelta(minutes=5)).astimezone(zone).date()
        _remember(
            {
                _key(owner_id, day, zone): asdict(use)
                for day, use in counted.items()
                if day < over and not use.live
            }
        )
        found |= counted
    return found


def of_limits(account: Account) -> Now:
    """Count what the plan limits."""
    running = Lease.objects.filter(owner_id=account.owner_id).count()
    with connection.cursor() as cursor:
        cursor.execute(_OF_LIMITS, [account.owner_id, MOST_OF_A_DAY])
        jobs_today, gpu_seconds = cursor.fetchone()
    return Now(
        running=running,
        waiting=max(0, account.live_count - running),
        jobs_today=jobs_today,
        gpu_seconds_today=float(gpu_seconds),
    )


def _count(owner_id: UUID, wanted: list[date], *, zone: ZoneInfo) -> dict[date, Use]:
    bounds = [days.bounds(day, zone=zone) for day in wanted]
    values: dict[str, Any] = {
        "owner": owner_id,
        "days": wanted,
        "firsts": [first for first, _ in bounds],
        "nexts": [after for _, after in bounds],
        "most": MOST_OF_A_DAY,
    }
    with connection.cursor() as cursor:
        cursor.execute(_USE, values)
        return {
            day: Use(
                jobs=jobs,
                ready=ready,
                live=live,
                gpu_seconds=gpu_seconds,
                charged=charged,
                given_back=back,
                waits=waits,
                models=json.loads(models),
            )
            for day, jobs, ready, live, gpu_seconds, charged, back, waits, models in cursor.fetchall()
        }


def _key(owner_id: UUID, day: date, zone: ZoneInfo) -> str:
    return f"day {owner_id.hex} {day} {zone.key}".replace(" ", ":")


def _remembered(keys: list[str]) -> dict[str, dict[str, Any]]:
    return dict(cache.get_many(keys))


def _remember(values: dict[str, dict[str, Any]]) -> None:
    cache.set_many(values, _REMEMBERED_FOR)
