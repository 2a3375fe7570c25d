"""The protocol between us and whatever really runs a model. Nothing of a server leaks through it.

A synchronous backend generates within a call of the GPU worker. An asynchronous one takes an order, answers
with an id, and is asked later, by whoever asks: `jobs/polling.py`, a sweep, or a poll that a webhook
brought forward.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol, TypeGuard
from uuid import UUID

from jobs.backends.capabilities import Capabilities
from jobs.failures import FailureKind
from jobs.ids import JobId, OwnerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One pool's server: where it is, what it speaks, how we prove who we are."""

    pool: str
    driver: str
    # The dialect of the server, for drivers that know several.
    profile: str
    url: str
    # Secrets never appear in a repr, so never in a log.
    key: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)
    # Hosts that a finished video's address may be on, beside the server's own; "*.example.com" for any below.
    result_hosts: tuple[str, ...] = ()
    # What its models call our fields, where that is not what most of them do; "" leaves a field out.
    field_map: Mapping[str, str] = field(default_factory=dict)
    # The server's name for an image to begin from; empty where it takes none.
    image_input: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image that a video begins from: JPEG, PNG or WebP."""

    content: bytes = field(repr=False)
    mime: str

    @property
    def file_name(self) -> str:
        """Name it as its type asks."""
        return f"image.{self.mime.rpartition('/')[2]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The finished video that an order changes: where it was made, and as what."""

    pool: str
    backend_job_id: str
    # Of the video at the beginning of a chain of changes.
    prompt: str
    seed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What an order is made with beside its row; read only where it is made (`jobs/materials.py`)."""

    # SHA-256 of an image; empty for none.
    image_digest: bytes = b""
    remixed_from: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one attempt shall make, and on which server."""

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
    site: Site
    # When a create was sent to an asynchronous server, and what it answered; None and "" before.
    submitted_at: datetime | None = None
    backend_job_id: str = ""
    # What the driver wants back with every later question, such as the addresses that the server gave.
    handle: Mapping[str, str] = field(default_factory=dict)
    # Where webhooks about this attempt shall come; "" when we have no public address.
    callback_url: str = ""
    needs: Needs | None = None
    image: Picture | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A finished video: absolute addresses that open without our headers."""

    url: str
    thumbnail_url: str = ""
    # When the server's address stops working; None when it does not say.
    expires_at: datetime | None = None
    # The server has the file and opens it only to us: our own address is shown, and `content` is streamed.
    is_content: bool = False


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


# How an operator reads that a server takes no question of ours.
KEY_REFUSED: Final = "It refuses our key"


class BackendError(Exception):
    """The backend did not do what was asked, for certain. `message` is written for the job's owner.

    `detail` is for operators and logs: status, reason, a bounded piece of what the server said; no secret.
    """

    def __init__(self, kind: FailureKind, message: str, *, detail: str = "") -> None:
        super().__init__(detail or message)
        self.kind = kind
        self.message = message
        self.detail = detail


class KeyRefused(BackendError):
    """The server is there, and does not take our key. Nothing that it says of the key is repeated."""

    def __init__(self, status: int) -> None:
        kind = FailureKind.BACKEND_ERROR
        super().__init__(kind, kind.sentence, detail=f"{KEY_REFUSED} (HTTP {status})")


class Unanswered(Exception):
    """A create was sent and no usable answer came: it may have been accepted, so it is looked for first."""


class OverBudget(Exception):
    """The server may not be asked now: its pool's budget is spent. Nothing was sent."""

    def __init__(self, pool: str) -> None:
        super().__init__(f"The server of {pool} may not be asked more often.")


class Forged(Exception):
    """A webhook that is not from its server: wrong signature, or too old or too new to be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The backend has the video."""

    video: Video


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The backend ended without a video. `message` is written for the job's owner."""

    kind: FailureKind
    message: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StillWaiting:
    """The backend has it in a line of its own; generation has not begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StillRunning:
    """The backend works on it, or says so. `percent` is None when it does not say."""

    percent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The backend does not know it: it never arrived, was forgotten, or died with its worker."""


# What a backend says of an attempt when it is asked.
Sighting = Finished | Failed | StillWaiting | StillRunning | Gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """An asynchronous server took the order."""

    backend_job_id: str
    handle: Mapping[str, str] = field(default_factory=dict)
    # The machine of the server, where it says.
    node: str = ""


class Cancellation(StrEnum):
    """What came of asking a server to stop."""

    # The GPU is free, or never worked on it.
    STOPPED = "stopped"
    # The server dropped its record; its GPU goes on to the end.
    GOES_ON = "goes_on"
    # Too late: it has ended, or is just ending. Look.
    ENDED = "ended"
    # The server does not know it.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What a verified webhook is about. It only makes us look sooner."""

    # The server's id of the message, the same over redeliveries.
    message_id: str
    backend_job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a server says of itself; empty and None where it says nothing."""

    models: tuple[str, ...] = ()
    slots: int | None = None
    # The server refuses an order for a model that it does not name.
    checks_models: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Where our web server fetches a video that the backend opens only to us."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Control(Protocol):
    """What a synchronous backend tells its attempt, and asks of it."""

    def began(self) -> None:
        """Generation really began."""

    def progressed(self, percent: int) -> None:
        """Report percent done, 0 to 100."""

    def stop_reason(self) -> StopReason | None:
        """Say whether to stop now. Asked at least every second."""


class SynchronousBackend(Protocol):
    """Generates within the call."""

    capabilities: Capabilities

    def generate(self, order: Order, control: Control) -> Video:
        """Make the video. Raises BackendError or Stopped."""

    def look(self, order: Order) -> Sighting:
        """Say what became of an order, asked by somebody else than its worker. Raises BackendError."""

    def health(self, site: Site) -> Health:
        """Say whether it could work. Raises BackendError."""


class AsynchronousBackend(Protocol):
    """Takes orders and is asked about them. Every call has a deadline and a bound on what it reads.

    Everything but `submit` raises BackendError, also when no usable answer came; asking again is safe.
    """

    capabilities: Capabilities

    def submit(self, order: Order) -> Submitted:
        """Send the order, once. Raises BackendError (certainly not taken) or Unanswered (perhaps taken)."""

    def candidates(self, order: Order) -> Sequence[Submitted]:
        """Look for an order whose create was not answered: what it may be there, the likeliest first.

        The caller refuses those that other attempts have. Empty: not there, if `can_find`.
        """

    def look(self, order: Order) -> Sighting:
        """Say what became of an order that has a `backend_job_id`."""

    def look_at_many(self, orders: Sequence[Order], *, pages: int = 1) -> Mapping[str, Sighting]:
        """Ask about several orders of one site at once; by backend_job_id, what so many pages told at most.

        Orders that are not in the answer must be asked about alone: absence proves nothing.
        """

    def cancel(self, order: Order) -> Cancellation:
        """Ask the server to stop, and say what that really did."""

    def content(self, order: Order) -> Content:
        """Say where the finished file is, once it is certain whose it is; only for videos with `is_content`."""

    def hint(self, site: Site, headers: Mapping[str, str], body: bytes, *, now: float) -> Hint:
        """Verify, then read a webhook; header names in lower case, `now` in Unix seconds. Raises Forged."""

    def health(self, site: Site) -> Health:
        """Ask the server how it is: reachable, key accepted, models, capacity."""


Backend = SynchronousBackend | AsynchronousBackend


def is_asynchronous(backend: Backend) -> TypeGuard[AsynchronousBackend]:
    """Tell the two kinds apart."""
    return not backend.capabilities.runs_in_worker
