"""A job as pages show it: words, clock times and actions, ready for a template."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils import timezone

from jobs import requests, waiting
from jobs.backends.backend import Video
from jobs.states import HOLDING, TERMINAL, JobState
from jobs.waiting import Waiting
from jobs.web import card_words, money, tracks, usual
from jobs.web.tracks import Track

# What a query must read for `of`.
FIELDS: Final = (
    "id",
    "state",
    "version",
    "attempt",
    "prompt",
    "model",
    "seconds",
    "size",
    "seed",
    "lease__percent",
    "credits_reserved",
    "credits_charged",
    "video_url",
    "thumbnail_url",
    "video_expires_at",
    "error_code",
    "error_message",
    "tier_id",
    "batch_id",
    "retry_of",
    "created_at",
    "start_by",
    "due_at",
    "dispatched_at",
    "started_at",
    "finished_at",
    "cancel_requested_at",
    "cancel_fee",
    "edited_at",
    "sent_by",
    "image_digest",
)
# How a state looks and what it is called; the words are the product's, the same on every page.
_WORDS: Final = {
    "waiting": "Waiting",
    "retrying": "Waiting, second try",
    "starting": "Starting",
    "running": "Running",
    "cancelling": "Cancelling",
    "ready": "Ready",
    "late": "Arrived late",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "expired": "Expired",
}
_TALLY_ORDER: Final = (
    "running",
    "starting",
    "waiting",
    "retrying",
    "cancelling",
    "ready",
    "late",
    "failed",
    "cancelled",
    "expired",
)
_ROWS_ORDER: Final = ("running", "starting", "waiting", "retrying", "batch", "cancelling")
LOOK_OF_END: Final = {
    JobState.SUCCEEDED: "ready",
    JobState.FAILED: "failed",
    JobState.CANCELED: "cancelled",
    JobState.EXPIRED: "expired",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One job on a page. Empty text means: not shown."""

    id: UUID
    version: int
    look: str
    word: str
    is_ended: bool
    prompt: str
    settings: tuple[str, ...]
    percent: int | None
    place: str
    detail: str
    # While it runs: when it will be ready, or why nobody says.
    ready: str
    sentence: str
    track: Track | None
    cancel: money.Cancel | None
    can_retry: bool
    # It waits for its first try, so that its words may still change.
    can_edit: bool
    video_url: str
    thumbnail_url: str
    is_tall: bool
    length: str
    ended_clock: str
    took: str
    charge: str
    money_sentence: str
    late_sentence: str
    reason_title: str
    reason_text: str
    url: str
    # Of the batch that it came in.
    batch_id: UUID | None
    batch_url: str
    submitted_clock: str
    # Credits that it still holds, and that it cost.
    held: int
    charged: int
    seed: int | None
    model: str
    seconds: int
    size: str
    has_image: bool
    # While it runs: since when, how long so far, and what is usual.
    started_at: str
    elapsed: str
    usual: usual.Usual | None

    template: str = "jobs/_card.html"

    @property
    def angle(self) -> float:
        """Give the leader's hand, degrees from the top."""
        return round((self.percent or 0) * 3.6, 1)

    @property
    def group(self) -> str:
        """Name the list of the page that the card belongs to."""
        return "finished" if self.is_ended else "under-way"

    @property
    def has_video(self) -> bool:
        """Tell whether there is something to play."""
        return bool(self.video_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many of today's jobs look so."""

    look: str
    word: str
    count: int

    @property
    def filter(self) -> str:
        """Name the state of the history page that shows them."""
        if self.look == "late":
            return ""
        return self.look if self.look in LOOK_OF_END.values() else "live"


def of(
    row: Mapping[str, Any],
    *,
    zone: ZoneInfo,
    late: Video | None = None,
    why: Waiting | None = None,
    usually: Mapping[usual.Kind, usual.Usual] | None = None,
) -> Card:
    """Make the card of one job, with clock times of its owner's zone.

    `late` is a video that came too late; `why` is what is known of its waiting.
    """
    now = timezone.now()
    state = JobState(row["state"])
    look = "late" if late else _look(row, state)
    is_ended = state in TERMINAL
    width, height = requests.sides(row["size"])
    percent = row["lease__percent"] if state is JobState.RUNNING else None
    reason = card_words.reason(row, look)
    why = why or waiting.explain(state=state, due_at=row["due_at"], attempt=row["attempt"])
    return Card(
        id=row["id"],
        version=row["version"],
        look=look,
        word=_WORDS[look],
        is_ended=is_ended,
        prompt=row["prompt"],
        settings=(row["model"].capitalize(), f"{row['seconds']} s", f"{width} × {height}"),
        percent=percent,
        place=card_words.place(why, look),
        detail=card_words.detail(look, row, percent=percent, now=now, why=why),
        ready=card_words.ready(look, row, percent=percent, now=now, zone=zone),
        sentence=card_words.sentence(row, look, why),
        track=tracks.of(why, now=datetime.now(zone)) if look == "waiting" else None,
        cancel=money.cancel(row, look),
        can_retry=is_ended and not late and state is not JobState.SUCCEEDED,
        can_edit=can_edit(row),
        video_url=late.url if late else row["video_url"],
        thumbnail_url=late.thumbnail_url if late else row["thumbnail_url"],
        is_tall=height > width,
        length=f"{row['seconds']} s",
        ended_clock=_clock(row["finished_at"], zone),
        took=_took(row),
        charge=money.charge(row, look, is_ended=is_ended),
        money_sentence=money.sentence(row),
        late_sentence=money.late_sentence(row) if late else "",
        reason_title=reason[0],
        reason_text=reason[1],
        url=reverse("job", args=[row["id"]]),
        batch_id=row["batch_id"],
        batch_url=reverse("batch", args=[row["batch_id"]]) if row["batch_id"] else "",
        submitted_clock=_clock(row["created_at"], zone),
        held=0 if is_ended else row["credits_reserved"],
        charged=row["credits_charged"],
        seed=row["seed"],
        model=row["model"],
        seconds=row["seconds"],
        size=row["size"],
        has_image=row["image_digest"] is not None,
        started_at=row["started_at"].isoformat() if look == "running" else "",
        elapsed=duration(now - row["started_at"]) if look == "running" else "",
        usual=usual.of(row, usually or {}) if look == "running" else None,
    )


def can_edit(row: Mapping[str, Any]) -> bool:
    """Tell whether a job waits for its first try."""
    return row["state"] == JobState.QUEUED and not row["attempt"]


def in_tally_order(counts: Mapping[str, int]) -> list[Count]:
    """Put counts by look in the order of the page."""
    return [
        Count(look=look, word=_WORDS[look].lower(), count=counts[look])
        for look in _TALLY_ORDER
        if counts.get(look)
    ]


def words(counts: Mapping[str, int]) -> list[str]:
    """Say how many look how, in the order of the page."""
    return [f"{count.count} {count.word}" for count in in_tally_order(counts)]


class _Row(Protocol):
    @property
    def is_ended(self) -> bool: ...
    @property
    def look(self) -> str: ...


_AnyRow = TypeVar("_AnyRow", bound=_Row)


def in_order(cards: Iterable[_AnyRow]) -> list[_AnyRow]:
    """Give what is under way: running first, then what waits, then batches, each newest first."""
    live = [card for card in cards if not card.is_ended]
    return sorted(live, key=lambda card: _ROWS_ORDER.index(card.look))


def _look(row: Mapping[str, Any], state: JobState) -> str:
    if state in LOOK_OF_END:
        return LOOK_OF_END[state]
    if row["cancel_requested_at"] is not None:
        return "cancelling"
    if state in HOLDING:
        return "running" if state is JobState.RUNNING else "starting"
    return "retrying" if row["attempt"] > 0 else "waiting"


def _clock(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%H:%M}" if moment else ""


def _took(row: Mapping[str, Any]) -> str:
    if not row["finished_at"] or not row["started_at"]:
        return ""
    return duration(row["finished_at"] - row["started_at"])


def duration(length: timedelta) -> str:
    """Say a length of time as minutes and seconds, such as 0:48."""
    seconds = max(0, round(length.total_seconds()))
    return f"{seconds // 60}:{seconds % 60:02}"
