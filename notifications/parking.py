"""Events that one subscriber could not hear: set aside with an alarm, listed, and tried again by people."""

import logging

from django.db import connection, transaction

from notifications import subscriptions
from notifications.event import Event
from notifications.metrics import PARKED
from notifications.models import OutboxEvent, ParkedEvent
from notifications.subscriptions import Listener

logger = logging.getLogger(__name__)

_LONGEST_ERROR = 500
_PARK = """
insert into parked_event as parked (event_id, subscriber, error, try_count) values (%s, %s, %s, 1)
on conflict (event_id, subscriber) do update
    set error = excluded.error, try_count = parked.try_count + 1
"""


def name_of(hear: Listener) -> str:
    """Give a subscriber's dotted name."""
    return f"{hear.__module__}.{hear.__qualname__}"


def park(event: Event, hear: Listener, error: Exception) -> None:
    """Set an event aside for one subscriber, in the relay's transaction."""
    text = f"{type(error).__name__}: {error}".replace("\x00", "")[:_LONGEST_ERROR]
    with connection.cursor() as cursor:
        cursor.execute(_PARK, [event.id, name_of(hear), text])
    PARKED.labels(name=event.name, subscriber=name_of(hear)).inc()
    logger.error(
        "event_parked",
        exc_info=error,
        extra={"event_id": event.id, "event": event.name, "subscriber": name_of(hear)},
    )


def retry(parked: ParkedEvent) -> None:
    """Let the subscriber hear the event now. What it raises is raised; then the event stays parked."""
    with transaction.atomic(durable=True):
        row = OutboxEvent.objects.get(id=parked.event_id)
        for hear in subscriptions.listeners(row.name):
            if name_of(hear) == parked.subscriber:
                hear([event_of(row)])
        ParkedEvent.objects.filter(id=parked.id).delete()


def event_of(row: OutboxEvent) -> Event:
    """Give a relayed row as subscribers hear it."""
    return Event(
        id=row.id,
        name=row.name,
        subject_id=row.subject_id,
        owner_id=row.owner_id,
        payload=row.payload,
        recorded_at=row.recorded_at,
        sequence=row.sequence or 0,
    )
