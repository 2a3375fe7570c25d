"""Refusals of the domain: expected, with the data that a caller needs to act on them."""

from dataclasses import dataclass
from uuid import UUID


class JobError(Exception):
    """Base of every refusal. `code` is stable and documented."""

    code = "job_error"


@dataclass
class TransitionRefused(JobError):
    """The job is in a state that this move cannot leave."""

    job_id: UUID
    current: str
    wanted: str
    code = "transition_refused"

    def __str__(self) -> str:
        return f"A job that is {self.current} cannot become {self.wanted}."

    @property
    def already_there(self) -> bool:
        """Tell a repeated delivery from a conflict."""
        return self.current == self.wanted


@dataclass
class AttemptSuperseded(JobError):
    """A newer attempt owns the job; what this worker says no longer counts."""

    job_id: UUID
    attempt: int
    current: int
    code = "attempt_superseded"

    def __str__(self) -> str:
        return f"Attempt {self.attempt} is over; the job is at attempt {self.current}."


@dataclass
class JobMissing(JobError):
    """No such job, or not yours."""

    job_id: UUID
    code = "not_found"

    def __str__(self) -> str:
        return "There is no such job."


@dataclass
class InvalidField(JobError):
    """A value of the request cannot be used."""

    field: str
    message: str
    code = "invalid"

    def __str__(self) -> str:
        return self.message


@dataclass
class QuotaExceeded(JobError):
    """The account has no room for this job now."""

    limit: str
    value: int
    message: str
    retry_after_seconds: int | None = None
    code = "quota_exceeded"

    def __str__(self) -> str:
        return self.message


@dataclass
class KeyReused(JobError):
    """The idempotency key belongs to a request with other content."""

    key: str
    code = "idempotency_key_reused"

    def __str__(self) -> str:
        return "This Idempotency-Key was used for a different request. Send a new key."
