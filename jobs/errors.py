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
class CancelFeeChanged(JobError):
    """Generation began meanwhile, so a cancel costs more than was agreed to."""

    job_id: UUID
    fee: int
    code = "cancel_fee_changed"

    def __str__(self) -> str:
        return f"Generation has begun, so cancelling now costs {self.fee:,} credits. Nothing was cancelled."


@dataclass
class RetryRefused(JobError):
    """Only a job that ended without a video can be tried again."""

    job_id: UUID
    current: str
    code = "retry_refused"

    def __str__(self) -> str:
        if self.current == "succeeded":
            return "This job has its video. Submit its prompt again to make another take."
        return f"This job is {self.current}; only one that ended without a video can be retried."


@dataclass
class EditRefused(JobError):
    """A GPU was found for the job, or it has ended: its words are in use, or of no use."""

    job_id: UUID
    current: str
    code = "edit_refused"

    def __str__(self) -> str:
        if self.current in {"queued", "dispatched", "running"}:
            return "It has started with the words that it had. Cancel it, or use its prompt again."
        return "It has ended. Use its prompt again to make another one."


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

    # Which limit, its value, and how far it is used.
    limit: str
    value: float
    message: str
    retry_after_seconds: int | None = None
    used: float = 0
    code = "quota_exceeded"

    def __str__(self) -> str:
        return self.message


@dataclass
class NoRoom(JobError):
    """We have no room for this job now, whoever asks. `code` is `tier_full` or `no_capacity`."""

    why: str
    # GPU-seconds that may wait in the line, and that do; on standby, jobs.
    value: float
    used: float
    message: str
    # None where no time can be named.
    retry_after_seconds: int | None = None
    is_standby_offered: bool = False

    def __post_init__(self) -> None:
        self.code = self.why

    def __str__(self) -> str:
        return self.message


@dataclass
class KeyReused(JobError):
    """The idempotency key belongs to a request with other content."""

    key: str
    code = "idempotency_key_reused"

    def __str__(self) -> str:
        return "This Idempotency-Key was used for a different request. Send a new key."


@dataclass
class StillInProgress(JobError):
    """Another request with this idempotency key has not ended yet."""

    key: str
    retry_after_seconds: int = 1
    code = "idempotency_key_in_progress"

    def __str__(self) -> str:
        return (
            "A request with this Idempotency-Key is still in progress. Send it again in a second."
        )


@dataclass
class Busy(JobError):
    """Other requests of the account did not end in time. Nothing was written."""

    retry_after_seconds: int = 1
    code = "busy"

    def __str__(self) -> str:
        return "This account has too many requests at this moment. Send it again in a second."


@dataclass
class RemixRefused(JobError):
    """Only a finished video can be changed."""

    job_id: UUID
    current: str
    code = "remix_refused"

    def __str__(self) -> str:
        return f"This video is {self.current}; only a finished one can be changed."


@dataclass
class ContentMissing(JobError):
    """There is no such file of this video: not yet, not any more, or never."""

    message: str
    code: str = "content_missing"

    def __str__(self) -> str:
        return self.message


@dataclass
class Unsupported(JobError):
    """No model here can do this."""

    message: str
    code = "not_supported"

    def __str__(self) -> str:
        return self.message


@dataclass
class FileTooLarge(JobError):
    """An uploaded file is beyond its bound, bytes."""

    field: str
    largest: int
    code = "too_large"

    def __str__(self) -> str:
        return f"{self.field} may have {self.largest // 2**20} MB at most."


class LengthRequired(JobError):
    """A body came without saying how long it is."""

    code = "length_required"

    def __str__(self) -> str:
        return "Send the body with a Content-Length."
