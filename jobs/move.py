"""One move of a job, as `transitions.py` decides it and `moves.py` writes it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs import credit_policy, events
from jobs.models import Job, LearnedBy
from jobs.states import HOLDING, TERMINAL, JobState


@dataclass(slots=True, kw_only=True)
class Move:
    """What a move writes beside the state; the caller fills in what is its own."""

    job: Job
    to: JobState
    cause: str
    delay: float | None = None
    outcome: str = ""
    video_url: str = ""
    thumbnail_url: str = ""
    video_expires_at: datetime | None = None
    # How the end was first learned.
    learned_by: LearnedBy = LearnedBy.WORKER
    error_code: str = ""
    error_message: str = ""
    # Whether the time that the slot was held counts against the owner's share.
    owner_pays_time: bool = True

    @property
    def releases(self) -> bool:
        """Say whether the job gives its slot back."""
        return JobState(self.job.state) in HOLDING and self.to not in HOLDING

    def row(self) -> dict[str, Any]:
        """Give the row of JSON that `moves.APPLY` reads."""
        job, ends = self.job, self.to in TERMINAL
        money = {"reserved": job.credits_reserved, "cancel_fee": job.cancel_fee or 0}
        payload: dict[str, Any] = {"state": self.to.value, "attempt": job.attempt}
        if job.batch_id:
            payload["batch_id"] = str(job.batch_id)
        if self.to is JobState.CANCELED:
            payload["by"] = "operator" if self.cause == "operator" else "owner"
        if self.error_code:
            payload["error"] = {"code": self.error_code, "message": self.error_message}
        expires_at = self.video_expires_at
        return {
            "job_id": str(job.id),
            "version": job.version,
            "before": job.state,
            "after": self.to.value,
            "cause": self.cause,
            "ends": ends,
            "releases": self.releases,
            "delay": self.delay,
            "outcome": self.outcome or self.cause,
            "failed_count": job.failed_count,
            "charged": credit_policy.charge(self.to, **money) if ends else 0,
            "video_url": self.video_url,
            "thumbnail_url": self.thumbnail_url,
            "video_expires_at": expires_at.isoformat() if expires_at else None,
            "learned_by": self.learned_by.value,
            "error_code": self.error_code,
            "error_message": self.error_message,
            "owner_pays_time": self.owner_pays_time,
            "event": events.OF_STATE[self.to],
            "payload": payload,
        }
