"""What a card says beside its state: place, pace, reason. Empty text means: nothing honest can be said."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from jobs import transitions, waiting
from jobs.waiting import Waiting
from jobs.web import money, tracks, usual

# Further behind, the number ahead is rounded, and a place in line would be made up.
_PLACES: Final = (
    "1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th", "10th", "11th",
)  # fmt: skip
# Longer ones do not fit the frame.
_SIGNS: Final = 5
# By the pace so far, what is left takes between so many times as long.
_SOONEST: Final = 0.85
_LATEST: Final = 1.25
# With what an explanation of a second try begins; the reason of the first try's end says it better.
_ENDED_EARLY: Final = "The last try ended early"


def place(why: Waiting | None, look: str) -> str:
    """Give the place in line that a waiting frame shows."""
    if look not in {"waiting", "retrying"} or why is None or why.position is None:
        return ""
    if why.position < len(_PLACES):
        return _PLACES[why.position]
    said = f"~{why.position:,}"
    return said if len(said) <= _SIGNS else ""


def detail(
    look: str,
    row: Mapping[str, Any],
    *,
    percent: int | None,
    now: datetime,
    why: Waiting | None,
) -> str:
    """Say in a few words how far it is."""
    match look:
        case "waiting" if why is not None:
            return _ahead(why)
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
            pause = (row["due_at"] - now).total_seconds() if row["due_at"] else 0.0
            if pause > 0:
                return f"starts again in {waiting.about(pause)}"
            return (_ahead(why) if why else "") or "starts again in a moment"
        case _:
            return ""


def ready(
    look: str, row: Mapping[str, Any], *, percent: int | None, now: datetime, zone: ZoneInfo
) -> str:
    """Say by the clock when a running one will be ready, or why nobody says."""
    if look != "running":
        return ""
    if percent is None:
        return "This model reports no percentage"
    left = usual.seconds_left(percent=percent, started_at=row["started_at"], now=now)
    if left is None:
        return ""
    low, high = (
        (now + timedelta(seconds=left * by)).astimezone(zone) for by in (_SOONEST, _LATEST)
    )
    return f"Ready {tracks.clocks(low, high)}"


def sentence(row: Mapping[str, Any], look: str, why: Waiting | None) -> str:
    """Say why it waits, or what a cancel under way costs."""
    if look == "cancelling":
        return money.cancelling(row)
    # Where a range is drawn, place and time stand there.
    told = (why.cause or why.sentence) if why else ""
    if look == "retrying":
        return _after(row["error_message"], told)
    return told if look == "waiting" else ""


def reason(row: Mapping[str, Any], look: str) -> tuple[str, str]:
    """Say in a few words why there is no video, and in a sentence what is known of it."""
    said = row["error_message"]
    match look:
        case "failed":
            return "No video came of this one.", said
        case "cancelled" if said in {"", transitions.BY_OWNER}:
            return transitions.BY_OWNER, ""
        case "cancelled":
            return "We cancelled it.", said
        case "expired":
            return ("It ran out of time." if row["attempt"] else "It waited too long."), said
        case _:
            return "", ""


def _ahead(why: Waiting) -> str:
    if why.position is None:
        return ""
    return "next in line" if why.position == 0 else f"about {why.position:,} ahead"


def _after(ended: str, told: str) -> str:
    if ended and told.startswith(_ENDED_EARLY):
        rest = told.removeprefix(_ENDED_EARLY).lstrip(".; ")
        told = rest[:1].upper() + rest[1:]
    return f"{ended} {told}".strip()
