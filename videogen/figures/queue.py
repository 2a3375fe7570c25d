"""How much waits, for how long, what a newcomer is told and how right that proves: by tier, without the backlog."""

from typing import Final

from django.db import connection

from jobs.requests import STANDBY
from scheduler import overview, stuck
from videogen.figures.figure import Figure

# Doors, outlooks and lines are a handful of rows for each kind; of lanes one index entry for each line.
_LINES: Final = """
select tier.name,
    coalesce(sum(greatest(door.work + door.added, 0)) filter (where tier.name <> %(standby)s), 0),
    coalesce(max((door.work + door.added) / nullif(door.bound, 0)), 0),
    coalesce(max(extract(epoch from now() - head.head_since)), 0)::float8,
    tier.start_promise_seconds,
    min(extract(epoch from now() - door.published_at))::float8
from tier
left join line on line.tier_id = tier.name
left join door on door.line_id = line.id
left join lateral (
    select head_since from lane where lane.line_id = line.id and lane.state = 1
    order by head_since limit 1
) head on true
group by tier.name, tier.start_promise_seconds
"""


def read() -> list[Figure]:
    """Read the lines, and what the console's first row says of them."""
    with connection.cursor() as cursor:
        cursor.execute(_LINES, {"standby": STANDBY})
        lines = cursor.fetchall()
    now = overview.read(seconds=60.0)
    ages = [line[5] for line in lines if line[5] is not None]
    held_up = {group.cause: 0 for group in now.stuck}
    for group in now.stuck:
        held_up[group.cause] += group.count
    return [
        Figure(
            name="videogen_waiting_jobs",
            about="About how many jobs wait.",
            labels=("tier",),
            rows=[(wait.tier, wait.jobs) for wait in now.waits],
        ),
        Figure(
            name="videogen_waiting_gpu_seconds",
            about="GPU-seconds that wait, by estimate.",
            labels=("tier",),
            rows=[(tier, work) for tier, work, *_ in lines],
        ),
        Figure(
            name="videogen_door_fill_ratio",
            about="What waits in the fullest line, as a share of what may wait there.",
            labels=("tier",),
            rows=[(tier, fill) for tier, _, fill, *_ in lines],
        ),
        Figure(
            name="videogen_oldest_waiting_seconds",
            about="How long the next job of a line has waited for others, in the line where that is longest.",
            labels=("tier",),
            rows=[(tier, oldest) for tier, _, _, oldest, *_ in lines],
        ),
        Figure(
            name="videogen_promised_wait_seconds",
            about="Within which time a job is promised to start; tiers without a promise are absent.",
            labels=("tier",),
            rows=[(line[0], line[4]) for line in lines],
        ),
        Figure(
            name="videogen_predicted_wait_seconds",
            about="What a newcomer is told, the two ends of the range; absent where nothing drains.",
            labels=("tier", "end"),
            rows=[
                row
                for wait in now.waits
                for row in ((wait.tier, "low", wait.low), (wait.tier, "high", wait.high))
            ],
        ),
        Figure(
            name="videogen_estimates_age_seconds",
            about="Since the publisher last wrote what the lines are like.",
            rows=[(min(ages),)] if ages else [],
        ),
        Figure(
            name="videogen_ranges_told",
            about="Ranges for starts that were told since yesterday (a sample), and those that proved right.",
            labels=("outcome",),
            rows=[("inside", now.ranges_inside), ("told", now.ranges_told)],
        ),
        Figure(
            name="videogen_stuck_attempts",
            about="Attempts that hold a slot and do not get on, by the first cause that holds.",
            labels=("cause",),
            rows=[(cause, held_up.get(cause, 0)) for cause in stuck.Holdup],
        ),
    ]
