"""From an event to what a person is told. Subscribers write in the relay's transaction, and touch no network."""

from django.db import connection

from notifications import announcements, crash_points, deliveries, preferences
from notifications.channels import registry
from notifications.event import Event

_NOTIFY = """
insert into notification (event_id, owner_id, name, subject_id, payload)
select id, owner_id, name, subject_id, payload from outbox_event where id = %s
on conflict (event_id, owner_id) do nothing
"""


def notify_owner(event: Event) -> None:
    """Put the event into its owner's notification centre, once."""
    with connection.cursor() as cursor:
        cursor.execute(_NOTIFY, [event.id])
    crash_points.reach("relay.noticed")


def plan_deliveries(event: Event) -> None:
    """Make a delivery for every channel and target that the event reaches, once."""
    announcement = announcements.of(event.name)
    if announcement is None:
        return
    said = preferences.of_event(event.owner_id, event.name)
    planned = []
    for channel in registry.channels().values():
        wanted = said.get(channel.name, channel.name in announcement.on_by_default)
        if channel.problem() or (channel.asks_preferences and not wanted):
            continue
        planned += [(channel.name, one) for one in channel.plan(event, announcement)]
    deliveries.plan(event, planned)
    crash_points.reach("relay.planned")
