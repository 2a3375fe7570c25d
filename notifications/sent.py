"""What we sent you: every delivery to one person, by every channel, and why one was withheld."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from notifications import announcements, respect, webhook_endpoints
from notifications.models import Delivery, DeliveryState

PAGE: Final = 50
# What people read of a state: a word and a look.
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    DeliveryState.SCHEDULED: ("On its way", "waiting"),
    DeliveryState.HELD: ("Waits", "waiting"),
    DeliveryState.MERGED: ("In a summary", "ready"),
    DeliveryState.DELIVERED: ("Sent", "ready"),
    DeliveryState.ABANDONED: ("Failed", "failed"),
    DeliveryState.SKIPPED: ("Not sent", "cancelled"),
}

# Of a person's newest messages so many are counted.
MOST_COUNTED: Final = 2_000
_IN_APP: Final = """
select count(*) from (
    select created_at from notification where owner_id = %s order by id desc limit %s
) newest where created_at >= %s
"""
_COUNTED: Final = """
select channel, state, state = 'skipped' and reason = %s as has_looked, count(*) from (
    select channel, state, reason, created_at from delivery
    where owner_id = %s order by id desc limit %s
) newest where created_at >= %s group by channel, state, has_looked
"""
_COLUMNS: Final[Mapping[str, str]] = {
    DeliveryState.SCHEDULED: "under_way",
    DeliveryState.HELD: "held",
    DeliveryState.MERGED: "held",
    DeliveryState.DELIVERED: "arrived",
    DeliveryState.ABANDONED: "failed",
    DeliveryState.SKIPPED: "unwanted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One delivery, as the person whom it is for reads it."""

    id: UUID
    event: str
    title: str
    subject_id: UUID
    channel: str
    # What of the channel is reached; of a webhook the endpoint's id.
    target: str
    # The address of a webhook that still is there.
    address: str
    state: str
    reason: str
    tries: int
    summary_id: UUID | None
    at: datetime
    due_at: datetime | None
    ended_at: datetime | None

    @property
    def word(self) -> str:
        """Give the state's word."""
        return WORDS[self.state][0]

    @property
    def look(self) -> str:
        """Give the state's look."""
        return WORDS[self.state][1]


def page(owner_id: UUID, *, after: UUID | None = None) -> tuple[list[Sent], UUID | None]:
    """Give what a person was sent, newest first, behind a delivery; and behind which one there is more."""
    rows = Delivery.objects.filter(owner_id=owner_id).order_by("-id")
    if after is not None:
        rows = rows.filter(id__lt=after)
    found = list(rows.defer("content")[: PAGE + 1])
    addresses = _addresses(owner_id, found)
    shown = [_sent(one, addresses.get(one.target, "")) for one in found[:PAGE]]
    return shown, shown[-1].id if len(found) > PAGE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came of the messages of one channel."""

    arrived: int = 0
    failed: int = 0
    under_way: int = 0
    # It waits for its reader's time, or is part of a summary.
    held: int = 0
    # Not sent because they looked at videogen, and for other reasons of theirs.
    seen: int = 0
    unwanted: int = 0

    @property
    def tried(self) -> int:
        """Give how many were to be sent."""
        return self.arrived + self.failed + self.under_way


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """What a person was told since some moment: in the app, and by each channel."""

    in_app: int
    channels: Mapping[str, Tally]


def since(owner_id: UUID, moment: datetime) -> Lately:
    """Count what a person was sent since a moment, among the newest; of each channel what came of it."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_APP, [owner_id, MOST_COUNTED, moment])
        (in_app,) = cursor.fetchone()
        cursor.execute(_COUNTED, [respect.LOOKING, owner_id, MOST_COUNTED, moment])
        rows = cursor.fetchall()
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for channel, state, has_looked, count in rows:
        found[channel]["seen" if has_looked else _COLUMNS[state]] += count
    return Lately(
        in_app=in_app, channels={channel: Tally(**counts) for channel, counts in found.items()}
    )


def of_events(owner_id: UUID, event_ids: Iterable[int]) -> Mapping[int, list[Sent]]:
    """Give what a person was sent, or not, about each of some events; what their programs were told is not in it."""
    found: dict[int, list[Sent]] = defaultdict(list)
    for event_id, one in _of_events(owner_id, event_ids, programs=False):
        found[event_id].append(one)
    return found


def about(owner_id: UUID, event_ids: Iterable[int]) -> list[Sent]:
    """Give what a person and their programs were sent, or not, about some events, oldest first."""
    return [one for _, one in _of_events(owner_id, event_ids, programs=True)]


def _of_events(
    owner_id: UUID, event_ids: Iterable[int], *, programs: bool
) -> list[tuple[int, Sent]]:
    rows = Delivery.objects.filter(owner_id=owner_id, event_id__in=list(event_ids))
    if not programs:
        rows = rows.exclude(channel=webhook_endpoints.CHANNEL)
    found = list(rows.defer("content").order_by("id"))
    addresses = _addresses(owner_id, found)
    return [
        (one.event_id, _sent(one, addresses.get(one.target, "")))
        for one in found
        if one.event_id is not None
    ]


def _addresses(owner_id: UUID, found: Iterable[Delivery]) -> Mapping[str, str]:
    if not any(one.channel == webhook_endpoints.CHANNEL for one in found):
        return {}
    return {str(one.id): one.url for one in webhook_endpoints.of_owner(owner_id)}


def _sent(one: Delivery, address: str) -> Sent:
    return Sent(
        id=one.id,
        event=one.name,
        title=_title(one),
        subject_id=one.subject_id,
        channel=one.channel,
        target=one.target,
        address=address,
        state=one.state,
        reason=one.reason,
        tries=one.attempt,
        summary_id=one.summary_id,
        at=one.created_at,
        due_at=one.due_at,
        ended_at=one.ended_at,
    )


def _title(one: Delivery) -> str:
    if one.name == announcements.ACCOUNT_MAIL:
        return str(one.payload["title"])
    announcement = announcements.of(one.name)
    return announcement.title if announcement else "A test of a webhook"
