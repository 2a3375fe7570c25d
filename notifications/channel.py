"""What a channel is: one module that plans, prepares and sends. The engine does the rest.

A channel decides whom an event reaches (`plan`, in the relay's transaction), reads what it needs (`prepare`, with the
database and without the network) and sends (what `prepare` returned, with the network and without the database). When
and how often, in which order, what is logged and what is given up is the same for every channel.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from notifications.announcements import Announcement
from notifications.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One delivery to be made. `message_id` is the same over every try: receivers drop doubles by it."""

    target: str
    message_id: str
    content: str = ""
    # Seconds from now until the first try.
    delay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One claimed try of a delivery."""

    id: UUID
    channel: str
    target: str
    attempt: int
    # This and earlier tries since it was planned or replayed.
    try_count: int
    owner_id: UUID
    name: str
    subject_id: UUID
    payload: Mapping[str, Any]
    message_id: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was sent and what came back, as the person who owns the target may read it."""

    status_code: int | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    answer: str = ""


class DeliveryFailed(Exception):
    """It was not taken. `permanent` ends the delivery; `is_gone` says that the target is no more.

    `wants_quiet` says that `retry_after` is meant for everything that is sent to the target, not for this alone.
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool = False,
        is_gone: bool = False,
        retry_after: float | None = None,
        wants_quiet: bool = False,
        receipt: Receipt | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent or is_gone
        self.is_gone = is_gone
        # Seconds that the other side asked for.
        self.retry_after = retry_after
        self.wants_quiet = wants_quiet
        self.receipt = receipt or Receipt()


class Skipped(Exception):
    """There is nobody to send it to, or they do not want it any more."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Held(Exception):
    """It must wait: until a moment by its reader's own clock. Costs no try."""

    def __init__(self, until: datetime, *, reason: str, is_daily: bool) -> None:
        super().__init__(reason)
        self.until = until
        self.reason = reason
        # It goes out with whatever else waits for the daily mail.
        self.is_daily = is_daily


class Channel(Protocol):
    """One way to reach somebody."""

    name: str
    # Seconds between tries; one more try than there are delays.
    delays: Sequence[float]
    # Tries under way at once, in one process and to one target.
    threads: int
    per_target: int
    # Whether targets are strangers to each other, so that those that fail get few places of their own.
    isolates: bool
    # Whether a person's preferences decide, or the target's own settings.
    asks_preferences: bool

    @property
    def claim_seconds(self) -> float:
        """Give the longest time of one try: after it, its courier is taken for dead."""

    def problem(self) -> str:
        """Say why nothing can be sent, for operators; empty when it can."""

    def plan(self, told: Sequence[tuple[Event, Announcement]]) -> list[tuple[Event, Planned]]:
        """Say which deliveries events make. Reads all that it needs in one statement, and writes nothing."""

    def prepare(self, parcel: Parcel) -> Callable[[], Receipt]:
        """Read what one try needs; the result sends it. Raises Skipped; both raise DeliveryFailed."""

    def given_up(self, parcel: Parcel, reason: str, *, is_gone: bool) -> None:
        """Hear that a delivery was given up, in the transaction that says so."""
