"""Recording events, in the transaction that makes them true. Nothing else writes the outbox."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from notifications import wakeup
from notifications.models import OutboxEvent

# For statements that write a fact and its event in one round trip: name, subject, owner, payload. Whoever runs one
# wakes the relay on commit.
INSERT: Final = "insert into outbox_event (name, subject_id, owner_id, payload)"


def record(name: str, *, subject_id: UUID, owner_id: UUID, payload: Mapping[str, Any]) -> None:
    """Record an event in the caller's transaction."""
    OutboxEvent.objects.create(
        name=name, subject_id=subject_id, owner_id=owner_id, payload=dict(payload)
    )
    wakeup.wake_on_commit(wakeup.RELAY)
