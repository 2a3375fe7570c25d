"""Why an attempt ended without a video: whose fault it was, and whether another try may help."""

from enum import StrEnum
from typing import Final


class FailureKind(StrEnum):
    # The request cannot be generated as it is; only its author can change that.
    INVALID_REQUEST = "invalid_request"
    # The backend's content policy refused the prompt or the result.
    CONTENT_POLICY = "content_policy"
    # The backend answered with an error of its own.
    BACKEND_ERROR = "backend_error"
    # The backend could not be reached, or was too slow.
    BACKEND_UNAVAILABLE = "backend_unavailable"
    # The worker that ran the attempt stopped renewing its lease.
    WORKER_LOST = "worker_lost"
    # The worker was asked to stop (a deploy) and gave its attempt back.
    WORKER_STOPPED = "worker_stopped"
    # Our own fault: a bug or a full disk.
    INTERNAL = "internal"

    @property
    def is_retryable(self) -> bool:
        """Say whether a new attempt on another slot may end differently."""
        return self not in _FINAL

    @property
    def counts(self) -> bool:
        """Say whether an attempt that ended so uses up one of the job's attempts."""
        return self is not FailureKind.WORKER_STOPPED

    @property
    def sentence(self) -> str:
        """Tell the owner what happened, in words."""
        return _SENTENCES[self]


_FINAL: Final = frozenset({FailureKind.INVALID_REQUEST, FailureKind.CONTENT_POLICY})
_SENTENCES: Final = {
    FailureKind.INVALID_REQUEST: "The model could not take this request.",
    FailureKind.CONTENT_POLICY: "The model's content policy refused this prompt.",
    FailureKind.BACKEND_ERROR: "The generation server ended with an error.",
    FailureKind.BACKEND_UNAVAILABLE: "The generation server could not be reached.",
    FailureKind.WORKER_LOST: "The GPU stopped answering.",
    FailureKind.WORKER_STOPPED: "The GPU was taken out of service.",
    FailureKind.INTERNAL: "A fault on our side ended the generation.",
}
