"""Learning how wide a true range is: a sample of those that are told is held against what happens.

A late miss counts the moment the upper end passes, not at the start; what was cancelled meanwhile says
nothing, what expired was late. The only writer of bands, told ranges and their outcomes.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import F

from jobs import outlook
from jobs.models import Band as BandRow
from jobs.models import RangeOutcome, ToldRange
from jobs.outlook import Band, BandKey, Outlook, Place
from jobs.requests import STANDBY
from scheduler import estimates
from scheduler.metrics import RANGES

# Ranges that are looked at in one pass, and jobs that are told one in it, new and later.
_LOOKED_AT: Final = 2000
_TOLD: Final = 25
# Of the jobs that were sampled when new, so many are told again in each pass while they wait, as a share.
_TOLD_AGAIN: Final = 0.05
_REMEMBERED: Final = 500

_DUE: Final = """
select told.id, told.tier, told.is_new, told.bucket, told.seconds, told.low_at, told.high_at,
    job.state, job.dispatched_at, told.told_at, now()
from told_range told left join job on job.id = told.job_id
where told.high_at < now() or job.id is null or job.state <> 'queued'
order by told.id limit %s
"""
# The places of a sample of jobs: what of their owner goes before them.
_SAMPLE: Final = """
select backlog.job_id, backlog.line_id, line.tier_id, lane.tag, ahead.work, ahead.jobs, running.count,
    plan.running_limit, backlog.since > now() - make_interval(secs => %(new)s)
from (
    (select * from backlog where job_id >= %(since)s order by job_id desc limit %(most)s)
    union
    (select * from backlog where job_id = any(%(again)s::uuid[]))
) backlog
join line on line.id = backlog.line_id
join lane on lane.owner_id = backlog.owner_id and lane.line_id = backlog.line_id
join account on account.owner_id = backlog.owner_id
join tier plan on plan.name = account.tier_id
cross join lateral (
    select coalesce(sum(cost), 0) as work, count(*)::int as jobs from (
        select cost from backlog b where b.owner_id = backlog.owner_id
            and b.line_id = backlog.line_id and b.job_id < backlog.job_id limit 500
    ) before
) ahead
cross join lateral (
    select count(*)::int from lease where lease.owner_id = backlog.owner_id
) running
where line.tier_id <> %(standby)s
"""
_NEW_SECONDS: Final = 10.0


@dataclass(slots=True)
class Calibration:
    """Tells ranges to a sample of the waiting, and moves bands by what becomes of them."""

    _sampled: dict[UUID, None] = field(default_factory=dict)
    _read_to: int = 0

    def bands(self) -> dict[BandKey, Band]:
        """Read the bands as they are."""
        return {
            (row.tier, row.is_new, row.bucket): Band(low=row.low, high=row.high)
            for row in BandRow.objects.all()
        }

    def learn(self, bands: Mapping[BandKey, Band]) -> dict[BandKey, Band]:
        """Close the ranges whose outcome is known; give the bands as they are now."""
        with connection.cursor() as cursor:
            cursor.execute(_DUE, [_LOOKED_AT])
            due = cursor.fetchall()
        moved: dict[BandKey, Band] = {}
        for row in due:
            outcome = _outcome(row)
            if outcome is None:
                continue
            _, tier, is_new, number, seconds, low_at, high_at, *_, now = row
            key = outlook.band_key(tier=tier, seconds=seconds, is_new=is_new)
            band = moved.get(key) or bands.get(key, Band())
            moved[key] = estimates.calibrated(
                band, is_late=outcome == "late", is_early=outcome == "early"
            )
            RANGES.labels(tier=tier, told="submit" if is_new else "later", outcome=outcome).inc()
            _count(
                (now.date(), tier, is_new, number),
                outcome,
                width=(high_at - low_at).total_seconds() / max(1.0, seconds),
            )
        _write(moved)
        ToldRange.objects.filter(id__in=[row[0] for row in due]).delete()
        return {**bands, **moved}

    def tell(self, outlooks: Mapping[int, Outlook], *, now: datetime) -> None:
        """Tell ranges to some that are new and to some that wait, by the outlooks of their lines."""
        since = self._read_to or int(now.timestamp() * 1000) - 2000
        self._read_to = int(now.timestamp() * 1000)
        again = [job for job in self._sampled if random.random() < _TOLD_AGAIN]  # noqa: S311
        with connection.cursor() as cursor:
            cursor.execute(
                _SAMPLE,
                {
                    "since": UUID(int=since << 80),
                    "most": _TOLD,
                    "again": again[:_TOLD],
                    "new": _NEW_SECONDS,
                    "standby": STANDBY,
                },
            )
            rows = cursor.fetchall()
        there = {row[0] for row in rows}
        for job_id in again:
            # Each is told once more, while it waits.
            self._sampled.pop(job_id, None)
        told = [self._told(row, outlooks, now=now) for row in rows]
        ToldRange.objects.bulk_create([each for each in told if each], ignore_conflicts=True)
        self._sampled.update(dict.fromkeys(there.difference(again)))
        while len(self._sampled) > _REMEMBERED:
            self._sampled.pop(next(iter(self._sampled)))

    @staticmethod
    def _told(
        row: tuple[Any, ...], outlooks: Mapping[int, Outlook], *, now: datetime
    ) -> ToldRange | None:
        job_id, line_id, tier, tag, work, jobs, running, limit, is_new = row
        published = outlooks.get(line_id)
        if published is None:
            return None
        expected = outlook.expect(
            published,
            Place(
                tag=tag,
                own_work=work,
                own_jobs=jobs,
                own_running=running,
                own_limit=limit,
                is_new=is_new,
            ),
        )
        # Beyond the furthest no range is told.
        if expected is None or expected.seconds > outlook.FURTHEST:
            return None
        return ToldRange(
            job_id=job_id,
            tier=tier,
            is_new=is_new,
            bucket=outlook.bucket(expected.seconds),
            seconds=expected.seconds,
            told_at=now,
            low_at=now + timedelta(seconds=expected.low),
            high_at=now + timedelta(seconds=expected.high),
        )


def _outcome(row: tuple[Any, ...]) -> str | None:
    *_, low_at, high_at, state, dispatched_at, told_at, _ = row
    if dispatched_at is not None and dispatched_at >= told_at:
        if dispatched_at > high_at:
            return "late"
        return "early" if dispatched_at < low_at else "inside"
    # Cancelled while it waited, or gone: nobody knows. Whatever else did not start in time is late.
    return None if state in {None, "canceled"} else "late"


def _count(key: tuple[Any, ...], outcome: str, *, width: float) -> None:
    day, tier, is_new, number = key
    named = {"day": day, "tier": tier, "is_new": is_new, "bucket": number}
    RangeOutcome.objects.get_or_create(**named)
    RangeOutcome.objects.filter(**named).update(
        **{outcome: F(outcome) + 1, "width": F("width") + width}
    )


def _write(moved: Mapping[BandKey, Band]) -> None:
    BandRow.objects.bulk_create(
        [
            BandRow(tier=tier, is_new=is_new, bucket=number, low=band.low, high=band.high)
            for (tier, is_new, number), band in sorted(moved.items())
        ],
        update_conflicts=True,
        unique_fields=["tier", "is_new", "bucket"],
        update_fields=["low", "high"],
    )
