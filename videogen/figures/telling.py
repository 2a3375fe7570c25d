"""What was not told yet: events to subscribers, deliveries to their targets."""

from typing import Final

from django.db import connection

from notifications.channels import registry
from videogen.figures.figure import Figure

# Counted up to so many: more is as bad, and costs as much to count.
_MOST: Final = 1000
_OUTBOX: Final = """
select
    (select extract(epoch from now() - recorded_at)::float8 from outbox_event
        where relayed_at is null order by id limit 1),
    (select count(*) from (select 1 from outbox_event where relayed_at is null limit %(most)s) o),
    (select count(*) from (select 1 from parked_event limit %(most)s) p)
"""
# A route whose target is paused is due when the pause ends; one with a claimed try, when the claim does.
_DUE: Final = """
select channel.name,
    (select extract(epoch from now() - next_at)::float8 from delivery_route r
        where r.channel = channel.name and next_at is not null order by next_at limit 1),
    (select count(*) from (select 1 from delivery_route r
        where r.channel = channel.name and next_at < now() limit %(most)s) d)
from unnest(%(channels)s::text[]) as channel (name)
"""


def read() -> list[Figure]:
    """Read the heads of the outbox and of the channels' routes: an index entry each."""
    with connection.cursor() as cursor:
        cursor.execute(_OUTBOX, {"most": _MOST})
        lag, pending, parked = cursor.fetchone()
        cursor.execute(_DUE, {"most": _MOST, "channels": sorted(registry.channels())})
        channels = cursor.fetchall()
    return [
        Figure(
            name="videogen_outbox_lag_seconds",
            about="Age of the oldest event that was not relayed yet.",
            rows=[(lag or 0,)],
        ),
        Figure(
            name="videogen_outbox_pending",
            about="Events that were not relayed yet, up to 1000.",
            rows=[(pending,)],
        ),
        Figure(
            name="videogen_parked_events",
            about="Events that a subscriber could not hear and that wait for an operator, up to 1000.",
            rows=[(parked,)],
        ),
        Figure(
            name="videogen_delivery_lag_seconds",
            about="How long the delivery that is due longest waits for a courier.",
            labels=("channel",),
            rows=[(name, max(0.0, oldest or 0.0)) for name, oldest, _ in channels],
        ),
        Figure(
            name="videogen_routes_due",
            about="Targets that something is due for, up to 1000.",
            labels=("channel",),
            rows=[(name, due) for name, _, due in channels],
        ),
    ]
