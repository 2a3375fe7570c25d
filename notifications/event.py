"""A fact as this application knows it: a name, a subject, an owner, and a small payload."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A recorded event with its place in its owner's feed."""

    id: int
    name: str
    subject_id: UUID
    owner_id: UUID
    payload: Mapping[str, Any]
    recorded_at: datetime
    sequence: int

    def as_message(self) -> dict[str, Any]:
        """Give the event as clients see it."""
        return {
            "sequence": self.sequence,
            "name": self.name,
            "subject_id": str(self.subject_id),
            "payload": dict(self.payload),
            "at": self.recorded_at.isoformat(),
        }
