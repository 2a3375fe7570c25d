"""The protocol between us and whatever really runs a model. Nothing of a server leaks through it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from jobs.failures import FailureKind
from jobs.ids import JobId, OwnerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one attempt shall make, and on which backend."""

    job_id: JobId
    owner_id: OwnerId
    attempt: int
    prompt: str
    model: str
    # Length in seconds; sides in pixels.
    seconds: int
    width: int
    height: int
    seed: int | None
    pool: str
    driver: str
    profile: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A finished video: absolute addresses that open without our headers."""

    url: str
    thumbnail_url: str


class StopReason(StrEnum):
    """Why a running generation must stop before its end."""

    # Its owner asked.
    CANCELED = "canceled"
    # The time by which its owner wanted it has passed.
    DEADLINE = "deadline"
    # The lease could not be renewed, or belongs to a newer attempt.
    LEASE_LOST = "lease_lost"
    # This worker is shutting down.
    SHUTDOWN = "shutdown"


class Stopped(Exception):
    """The backend confirmed that it stopped, as asked."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class BackendError(Exception):
    """The backend did not make a video. `message` is written for the job's owner."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The backend has the video."""

    video: Video


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The backend ended without a video. `message` is written for the job's owner."""

    kind: FailureKind
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StillRunning:
    """The backend works on it, or says so."""

    percent: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The backend does not know it: it never arrived, was forgotten, or died with its worker."""


# What a backend says of an attempt when it is asked.
Sighting = Finished | Failed | StillRunning | Gone


class Control(Protocol):
    """What a synchronous backend tells its attempt, and asks of it."""

    def began(self) -> None:
        """Generation really began."""

    def progressed(self, percent: int) -> None:
        """Report percent done, 0 to 100."""

    def stop_reason(self) -> StopReason | None:
        """Say whether to stop now. Asked at least every second."""


class Backend(Protocol):
    """A backend that generates within the call."""

    # Whether a generation dies with the worker that waits for it.
    runs_in_worker: bool

    def generate(self, order: Order, control: Control) -> Video:
        """Make the video. Raises BackendError or Stopped."""

    def look(self, order: Order) -> Sighting:
        """Say what became of an order, asked by somebody else than its worker. Raises BackendError."""
