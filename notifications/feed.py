"""Reading an owner's feed: its head, and what came after a sequence number."""

from collections.abc import Collection
from uuid import UUID

from notifications.models import FeedHead, OutboxEvent

PAGE = 200


def head(owner_id: UUID) -> int:
    """Give the last sequence number of this owner's feed; 0 before the first event."""
    return (
        FeedHead.objects.filter(owner_id=owner_id).values_list("sequence", flat=True).first() or 0
    )


def heads(owners: Collection[UUID]) -> dict[UUID, int]:
    """Give the last sequence numbers of several feeds in one statement."""
    found = FeedHead.objects.filter(owner_id__in=owners).values_list("owner_id", "sequence")
    return dict(found)


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
