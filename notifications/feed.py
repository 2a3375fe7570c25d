"""Reading an owner's feed: its head, and what came after a sequence number."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from django.db import connection

from notifications.models import FeedHead, OutboxEvent

PAGE = 200
# What is known goes as two texts: writing down arrays of thousands would hold up whoever else is in the process.
_MOVED: Final = """
select head.owner_id, head.sequence
from unnest(string_to_array(%s, ',')::uuid[], string_to_array(%s, ',')::bigint[]) as known (owner_id, sequence)
join feed_head head on head.owner_id = known.owner_id and head.sequence > known.sequence
"""


def head(owner_id: UUID) -> int:
    """Give the last sequence number of this owner's feed; 0 before the first event."""
    return (
        FeedHead.objects.filter(owner_id=owner_id).values_list("sequence", flat=True).first() or 0
    )


def moved(known: Mapping[UUID, int]) -> dict[UUID, int]:
    """Give the last sequence numbers of those feeds that are past what is known of them, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVED, [",".join(map(str, known)), ",".join(map(str, known.values()))])
        return dict(cursor.fetchall())


def after(owner_id: UUID, *, sequence: int) -> tuple[list[dict[str, object]], int, bool]:
    """Give the events after a sequence number, the head, and whether there are more."""
    rows = list(
        OutboxEvent.objects.filter(owner_id=owner_id, sequence__gt=sequence)
        .order_by("sequence")
        .values("sequence", "name", "subject_id", "payload", "recorded_at")[: PAGE + 1]
    )
    events: list[dict[str, object]] = [
        {
            "sequence": row["sequence"],
            "name": row["name"],
            "subject_id": str(row["subject_id"]),
            "payload": row["payload"],
            "at": row["recorded_at"].isoformat(),
        }
        for row in rows[:PAGE]
    ]
    return events, head(owner_id), len(rows) > PAGE
