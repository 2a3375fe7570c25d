"""A job as pages show it: words, clock times and actions, ready for a template."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils import timezone

from jobs import credit_policy, requests, waiting
from jobs.backends.backend import Video
from jobs.states import HOLDING, TERMINAL, JobState
from jobs.web import usual

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
    "created_at",
    "due_at",
    "dispatched_at",
    "started_at",
    "finished_at",
    "cancel_requested_at",
    "cancel_fee",
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
_OF_ENDED: Final = {
    JobState.SUCCEEDED: "ready",
    JobState.FAILED: "failed",
    JobState.CANCELED: "cancelled",
    JobState.EXPIRED: "expired",
}
_REASON_TITLES: Final = {
    "failed": "No video came of this one.",
    "cancelled": "You cancelled it.",
    "expired": "It waited too long.",
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
    sentence: str
    cancel: "Cancel | None"
    can_retry: bool
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
    submitted_clock: str
    charged: int
    seed: int | None
    model: str
    seconds: int
    size: str
    # While it runs: since when, how long so far, and what is usual.
    started_at: str
    elapsed: str
    usual: usual.Usual | None

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
class Cancel:
    """What cancelling costs at this moment: the button's words, and the parts of what is asked before."""

    fee: int
    label: str
    verb: str = ""
    money: str = ""
    rest: str = ""


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
        return self.look if self.look in _OF_ENDED.values() else "live"


def of(
    row: Mapping[str, Any],
    *,
    zone: ZoneInfo,
    late: Video | None = None,
    usually: Mapping[usual.Kind, usual.Usual] | None = None,
) -> Card:
    """Make the card of one job, with clock times of its owner's zone; `late` is a video that came too late."""
    now = timezone.now()
    state = JobState(row["state"])
    look = "late" if late else _look(row, state)
    is_ended = state in TERMINAL
    width, height = requests.sides(row["size"])
    percent = row["lease__percent"] if state is JobState.RUNNING else None
    why = waiting.explain(state=state, due_at=row["due_at"], attempt=row["attempt"])
    return Card(
        id=row["id"],
        version=row["version"],
        look=look,
        word=_WORDS[look],
        is_ended=is_ended,
        prompt=row["prompt"],
        settings=(row["model"].capitalize(), f"{row['seconds']} s", f"{width} × {height}"),
        percent=percent,
        place="",
        detail=_detail(look, row, percent=percent, now=now),
        sentence=_sentence(row, look) or (why.sentence if why else ""),
        cancel=_cancel(row, look),
        can_retry=is_ended and not late and state is not JobState.SUCCEEDED,
        video_url=late.url if late else row["video_url"],
        thumbnail_url=late.thumbnail_url if late else row["thumbnail_url"],
        is_tall=height > width,
        length=f"{row['seconds']} s",
        ended_clock=_clock(row["finished_at"], zone),
        took=_took(row),
        charge=_charge(row, look, is_ended=is_ended),
        money_sentence=_money_sentence(row),
        late_sentence=_late_sentence(row) if late else "",
        reason_title=_REASON_TITLES.get(look, ""),
        reason_text=row["error_message"] if look in {"failed", "expired"} else "",
        url=reverse("job", args=[row["id"]]),
        submitted_clock=_clock(row["created_at"], zone),
        charged=row["credits_charged"],
        seed=row["seed"],
        model=row["model"],
        seconds=row["seconds"],
        size=row["size"],
        started_at=row["started_at"].isoformat() if look == "running" else "",
        elapsed=duration(now - row["started_at"]) if look == "running" else "",
        usual=usual.of(row, usually or {}) if look == "running" else None,
    )


def in_tally_order(counts: Mapping[str, int]) -> list[Count]:
    """Put counts by look in the order of the page."""
    return [
        Count(look=look, word=_WORDS[look].lower(), count=counts[look])
        for look in _TALLY_ORDER
        if counts.get(look)
    ]


def in_order(cards: Iterable[Card]) -> list[Card]:
    """Give what is under way: running first, then what waits, each newest first."""
    live = [card for card in cards if not card.is_ended]
    return sorted(live, key=lambda card: _TALLY_ORDER.index(card.look))


def _look(row: Mapping[str, Any], state: JobState) -> str:
    if state in _OF_ENDED:
        return _OF_ENDED[state]
    if row["cancel_requested_at"] is not None:
        return "cancelling"
    if state in HOLDING:
        return "running" if state is JobState.RUNNING else "starting"
    return "retrying" if row["attempt"] > 0 else "waiting"


def _detail(look: str, row: Mapping[str, Any], *, percent: int | None, now: datetime) -> str:
    match look:
        case "running":
            if percent is None:
                return "generating"
            left = usual.left(percent=percent, started_at=row["started_at"], now=now)
            return f"{percent}%, {left}" if left else f"{percent}%"
        case "starting":
            return "a GPU is free for it"
        case "cancelling":
            return "waiting for the GPU to confirm"
        case "retrying":
            return "starts again in a moment"
        case _:
            return ""


def _sentence(row: Mapping[str, Any], look: str) -> str:
    match look:
        case "cancelling":
            return _cancelling(row)
        case "retrying":
            return str(row["error_message"])
        case _:
            return ""


def _cancelling(row: Mapping[str, Any]) -> str:
    fee, reserved = row["cancel_fee"] or 0, row["credits_reserved"]
    money = (
        f"{fee:,} of {_credits(reserved)} are charged; {_rest(reserved - fee)}."
        if fee
        else f"Nothing is charged; {_credits(reserved)} come back."
    )
    return f"{money} If it finishes first, you get the video at its full price."


def _cancel(row: Mapping[str, Any], look: str) -> Cancel | None:
    if look not in {"waiting", "retrying", "starting", "running"}:
        return None
    reserved = row["credits_reserved"]
    fee = credit_policy.cancel_fee(JobState(row["state"]), reserved=reserved)
    if not fee:
        return Cancel(fee=0, label="Cancel · free")
    return Cancel(
        fee=fee,
        label=f"Cancel · {_credits(fee)}",
        verb=f"Cancel for {_credits(fee)}",
        money=f"{fee:,} of {_credits(reserved)}",
        rest=_rest(reserved - fee),
    )


def _charge(row: Mapping[str, Any], look: str, *, is_ended: bool) -> str:
    if not is_ended:
        return f"{_credits(row['credits_reserved'])} held"
    if row["credits_charged"]:
        return _credits(row["credits_charged"])
    return "free" if look == "cancelled" else "not charged"


def _money_sentence(row: Mapping[str, Any]) -> str:
    charged, reserved = row["credits_charged"], row["credits_reserved"]
    if not charged:
        return "Not charged."
    return f"{charged:,} of {_credits(reserved)} charged once."


def _late_sentence(row: Mapping[str, Any]) -> str:
    if not row["credits_charged"]:
        return "You keep the video, and it is not charged."
    return (
        f"You keep the video. Cancelling had cost {_credits(row['credits_charged'])};"
        " nothing is added."
    )


def _credits(number: int) -> str:
    return f"{number:,} credit" if number == 1 else f"{number:,} credits"


def _rest(number: int) -> str:
    return "the other 1 comes back" if number == 1 else f"the other {number:,} come back"


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
