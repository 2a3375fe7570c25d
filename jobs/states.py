"""The life of a job as data: its states, its legal moves, and which states are final."""

from collections.abc import Mapping
from typing import Final

from django.db.models import TextChoices


class JobState(TextChoices):
    # Waits in its line for a slot, or for the due time of its next attempt.
    QUEUED = "queued", "Queued"
    # Holds a slot; the backend has not yet said that generation began.
    DISPATCHED = "dispatched", "Dispatched"
    # The backend confirmed that generation began.
    RUNNING = "running", "Running"
    # A video exists and was charged once.
    SUCCEEDED = "succeeded", "Succeeded"
    # Ended without a video, for a reason that the owner is told. Not charged.
    FAILED = "failed", "Failed"
    # Ended because its owner asked.
    CANCELED = "canceled", "Canceled"
    # Ended because its time to start or to finish passed.
    EXPIRED = "expired", "Expired"


MOVES: Final[Mapping[JobState, frozenset[JobState]]] = {
    JobState.QUEUED: frozenset({JobState.DISPATCHED, JobState.CANCELED, JobState.EXPIRED}),
    JobState.DISPATCHED: frozenset(
        {
            JobState.RUNNING,
            JobState.QUEUED,
            JobState.SUCCEEDED,
            JobState.FAILED,
            JobState.CANCELED,
            JobState.EXPIRED,
        }
    ),
    JobState.RUNNING: frozenset(
        {
            JobState.QUEUED,
            JobState.SUCCEEDED,
            JobState.FAILED,
            JobState.CANCELED,
            JobState.EXPIRED,
        }
    ),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELED: frozenset(),
    JobState.EXPIRED: frozenset(),
}

TERMINAL: Final = frozenset(state for state, targets in MOVES.items() if not targets)
LIVE: Final = frozenset(MOVES) - TERMINAL
# States in which an attempt holds a slot.
HOLDING: Final = frozenset({JobState.DISPATCHED, JobState.RUNNING})
