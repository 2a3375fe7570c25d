"""What the console's first row says now: from rows that the dispatcher and the publisher keep, and the last readings.

It touches pools, leases, doors and lines, none of which grows with what waits, and heads of indexes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from jobs import outlook, outlooks
from jobs.models import Tier
from jobs.outlook import Place
from scheduler import readings, stuck
from scheduler.readings import Point

# The heads of the lines by age, and of the outbox: one index entry each.
NOW: Final = """
select now(),
    (select coalesce(sum(slots), 0) from pool where state in ('active', 'draining')),
    (select coalesce(sum(coalesce(usual_slots, slots)), 0) from pool),
    (select count(*) from lease),
    oldest.tier_id, oldest.head_id, oldest.waited,
    (select extract(epoch from now() - recorded_at)::float8 from outbox_event
        where relayed_at is null order by id limit 1),
    (select count(*) from (select 1 from outbox_event where relayed_at is null limit 1001) o),
    (select count(*) from parked_event),
    right_.inside, right_.told
from (select 1) one
left join lateral (
    select line.tier_id, head.head_id, extract(epoch from now() - head.head_since)::float8 as waited
    from line cross join lateral (
        select head_id, head_since from lane where line_id = line.id and state = 1
        order by head_since limit 1
    ) head order by head.head_since limit 1
) oldest on true
cross join lateral (
    select coalesce(sum(inside), 0) as inside, coalesce(sum(inside + late + early), 0) as told
    from range_outcome where day >= (now() at time zone 'utc')::date - 1
) right_
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What a newcomer of a tier may expect, seconds; None where nothing drains. And about how many wait."""

    tier: str
    jobs: int
    low: float | None
    high: float | None
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The numbers of a moment."""

    at: datetime
    # When the publisher last wrote; None where it never did.
    published_at: datetime | None
    slots: int
    usual_slots: int
    held: int
    waits: Sequence[Wait]
    oldest_tier: str
    oldest_job: UUID | None
    oldest_seconds: float | None
    # Of the oldest event that was not relayed yet; None when there is none.
    outbox_lag: float | None
    outbox_pending: int
    parked: int
    # Ranges that were told since yesterday, and those that proved right.
    ranges_inside: int
    ranges_told: int
    stuck: Sequence[stuck.Group]
    # Oldest first.
    points: Sequence[Point]

    @property
    def waiting(self) -> int:
        """Give about how many jobs wait."""
        return sum(wait.jobs for wait in self.waits)

    @property
    def stuck_count(self) -> int:
        """Give how many attempts do not get on."""
        return sum(group.count for group in self.stuck)

    @property
    def latest(self) -> Mapping[str, Any]:
        """Give the figures of the latest reading."""
        return self.points[-1].figures if self.points else {}


def read(*, seconds: float) -> Overview:
    """Read what is true now, with the readings of the last so many seconds. Four short statements."""
    with connection.cursor() as cursor:
        cursor.execute(NOW)
        now = cursor.fetchone()
    points = readings.latest(seconds=seconds)
    waiting, published_at = readings.waiting_jobs(points[-1].figures["costs"] if points else {})
    tiers = Tier.objects.order_by("-rank").values_list("name", flat=True)
    return Overview(
        at=now[0],
        published_at=published_at,
        slots=now[1],
        usual_slots=now[2],
        held=now[3],
        waits=[_wait(tier, waiting.get(tier, 0.0)) for tier in tiers],
        oldest_tier=now[4] or "",
        oldest_job=now[5],
        oldest_seconds=now[6],
        outbox_lag=now[7],
        outbox_pending=now[8],
        parked=now[9],
        ranges_inside=now[10],
        ranges_told=now[11],
        stuck=stuck.groups(),
        points=points,
    )


def _wait(tier: str, jobs: float) -> Wait:
    """Say what a newcomer may expect in the tier's slowest line."""
    found = []
    lines = outlooks.of_tier(tier)
    for line in lines:
        if line.outlook is None:
            continue
        if not line.outlook.work.xs and line.outlook.slots:
            found.append((0.0, line.outlook.mean_run / line.outlook.slots))
            continue
        place = Place(tag=line.outlook.virtual_time, is_new=True)
        expected = outlook.expect(line.outlook, place)
        if expected is not None:
            found.append((expected.low, expected.high))
    slowest = max(found, key=lambda each: each[1], default=(None, None))
    return Wait(
        tier=tier,
        jobs=round(jobs),
        low=slowest[0],
        high=slowest[1],
        is_open=bool(found) or not lines,
    )
