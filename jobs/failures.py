"""Why an attempt ended without a video: whose fault it was, and whether another try may help."""

from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """Whose fault a failure is."""

    OWNER = "owner"
    CONTENT_POLICY = "content_policy"
    BACKEND = "backend"
    OURS = "ours"


class FailureKind(StrEnum):
    # The request cannot be generated as it is; only its author can change that.
    INVALID_REQUEST = "invalid_request"
    # The backend's content policy refused the prompt or the result.
    CONTENT_POLICY = "content_policy"
    # The backend answered with an error of its own.
    BACKEND_ERROR = "backend_error"
    # The backend could not be reached, or was too slow.
    BACKEND_UNAVAILABLE = "backend_unavailable"
    # The backend no longer knows the attempt: it was restarted.
    BACKEND_FORGOT = "backend_forgot"
    # The attempt ran far longer than is normal, and was stopped.
    OVERDUE = "overdue"
    # The worker that ran the attempt stopped renewing its lease.
    WORKER_LOST = "worker_lost"
    # No worker took the attempt.
    NOT_PICKED_UP = "not_picked_up"
    # The worker was asked to stop (a deploy) and gave its attempt back.
    WORKER_STOPPED = "worker_stopped"
    # A bug or a full disk of ours.
    INTERNAL = "internal"

    @property
    def fault(self) -> Fault:
        """Say whose fault it is."""
        return _FAULTS[self]

    @property
    def is_retryable(self) -> bool:
        """Say whether a new attempt on another slot may end differently."""
        return self.fault in {Fault.BACKEND, Fault.OURS}

    @property
    def counts(self) -> bool:
        """Say whether an attempt that ended so uses up one of the job's attempts."""
        return self not in _FREE

    @property
    def sentence(self) -> str:
        """Tell the owner what happened, in words."""
        return _SENTENCES[self]


# Nothing was generated, so nothing was tried.
_FREE: Final = frozenset({FailureKind.WORKER_STOPPED, FailureKind.NOT_PICKED_UP})
_FAULTS: Final = {
    FailureKind.INVALID_REQUEST: Fault.OWNER,
    FailureKind.CONTENT_POLICY: Fault.CONTENT_POLICY,
    FailureKind.BACKEND_ERROR: Fault.BACKEND,
    FailureKind.BACKEND_UNAVAILABLE: Fault.BACKEND,
    FailureKind.BACKEND_FORGOT: Fault.BACKEND,
    FailureKind.OVERDUE: Fault.BACKEND,
    FailureKind.WORKER_LOST: Fault.OURS,
    FailureKind.NOT_PICKED_UP: Fault.OURS,
    FailureKind.WORKER_STOPPED: Fault.OURS,
    FailureKind.INTERNAL: Fault.OURS,
}
_SENTENCES: Final = {
    FailureKind.INVALID_REQUEST: "The model could not take this request.",
    FailureKind.CONTENT_POLICY: "The model's content policy refused this prompt.",
    FailureKind.BACKEND_ERROR: "The generation server ended with an error.",
    FailureKind.BACKEND_UNAVAILABLE: "The generation server could not be reached.",
    FailureKind.BACKEND_FORGOT: "The generation server was restarted and lost it.",
    FailureKind.OVERDUE: "It ran far longer than such a video takes, and was stopped.",
    FailureKind.WORKER_LOST: "The GPU stopped answering.",
    FailureKind.NOT_PICKED_UP: "The GPU that was meant for it did not take it.",
    FailureKind.WORKER_STOPPED: "The GPU was taken out of service.",
    FailureKind.INTERNAL: "A fault on our side ended the generation.",
}
