"""Pure: why a job waits, in a code and a sentence."""

from dataclasses import dataclass
from datetime import datetime

from jobs.states import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One reason code, one sentence; position and ranges are None where nothing honest can be said."""

    reason: str
    sentence: str
    position: int | None = None
    start_range: tuple[datetime, datetime] | None = None
    finish_range: tuple[datetime, datetime] | None = None


def explain(*, state: JobState, due_at: datetime | None, attempt: int) -> Waiting | None:
    """Explain a waiting job; None for one that does not wait."""
    if state is not JobState.QUEUED:
        return None
    if due_at is not None or attempt > 0:
        return Waiting(
            reason="retrying",
            sentence="The last try ended early. It starts again shortly; you are not charged twice.",
        )
    return Waiting(
        reason="slots_busy", sentence="It starts as soon as a GPU is free and it is your turn."
    )
