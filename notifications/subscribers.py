"""From an event to what a person is told."""

from django.db import connection

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
