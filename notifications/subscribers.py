"""From an event to what a person is told. Subscribers write in the relay's transaction, and touch no network."""

from collections.abc import Sequence

from django.db import connection

from notifications import announcements, crash_points, deliveries, preferences, prepared, respect
from notifications.announcements import Announcement
from notifications.channels import registry
from notifications.event import Event
from notifications.preferences import Said

_NOTIFY = """
insert into notification (event_id, owner_id, name, subject_id, payload)
select id, owner_id, name, subject_id, payload from outbox_event where id = any(%s) order by id
on conflict (event_id, owner_id) do nothing
"""
# What is added to a whole that was told already is told by itself. `outbox_one_end_of_a_batch` serves it.
_WAS_TOLD = """
select exists (select 1 from outbox_event where name = %s and subject_id = %s and id < %s)
"""


def notify_owner(events: Sequence[Event]) -> None:
    """Put events into their owners' notification centres, once; not what they did themselves or hear of as a whole."""
    told = [
        event.id
        for event in events
        if event.payload.get("by") != "owner" and not _is_told_by_its_whole(event)
    ]
    if told:
        prepared.run(_NOTIFY, [told])
    crash_points.reach("relay.noticed")


def plan_deliveries(events: Sequence[Event]) -> None:
    """Make a delivery for every channel and target that each event reaches, once."""
    announced = [
        (event, announcement)
        for event in events
        if (announcement := announcements.of(event.name)) is not None
    ]
    if not announced:
        return
    said = preferences.read_each({(event.owner_id, event.name) for event, _ in announced})
    for_people = [
        (event, announcement, said[event.owner_id, event.name])
        for event, announcement in announced
        if not _is_told_by_its_whole(event)
    ]
    planned, withheld = [], []
    for channel in registry.channels().values():
        if channel.problem():
            continue
        reached = announced
        if channel.asks_preferences:
            reached, refused = _by_preferences(for_people, channel.name)
            withheld += refused
        if reached:
            planned += [(event, channel.name, one) for event, one in channel.plan(reached)]
    deliveries.plan(planned, withheld)
    crash_points.reach("relay.planned")


def _by_preferences(
    told: Sequence[tuple[Event, Announcement, Said]], channel: str
) -> tuple[list[tuple[Event, Announcement]], list[tuple[Event, str, str]]]:
    """Give what reaches its owner by a channel, and what does not though they may expect it, with the reason."""
    reached, refused = [], []
    for event, announcement, said in told:
        reason = respect.why_not(announcement, event.payload, said, channel)
        if not reason:
            reached.append((event, announcement))
        elif said.was_asked(channel, announcement):
            refused.append((event, channel, reason))
    return reached, refused


def _is_told_by_its_whole(event: Event) -> bool:
    """Say whether people hear of it with the batch that it is a part of."""
    whole, announcement = event.payload.get("batch_id"), announcements.of(event.name)
    if not whole or announcement is None or not announcement.told_by:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_WAS_TOLD, [announcement.told_by, whole, event.id])
        (was_told,) = cursor.fetchone()
    return not was_told
