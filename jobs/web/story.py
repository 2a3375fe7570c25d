"""A job's story and facts, as its page tells them: the same for the owner and for support."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from jobs.failures import FailureKind
from jobs.models import JobTransition
from jobs.states import JobState
from jobs.web.cards import duration

_WORDS: Final = {
    JobState.QUEUED: "Submitted",
    JobState.DISPATCHED: "A GPU was free",
    JobState.RUNNING: "Generation began",
    JobState.SUCCEEDED: "Ready",
    JobState.FAILED: "Failed",
    JobState.CANCELED: "Cancelled",
    JobState.EXPIRED: "Expired",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One thing that happened, and how long what followed it took."""

    at: datetime
    word: str
    text: str
    took: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One ruled cell of the slate."""

    label: str
    value: str


def tell(
    moves: Iterable[JobTransition],
    *,
    row: Mapping[str, Any],
    zone: ZoneInfo,
    late_at: datetime | None = None,
) -> list[Beat]:
    """Tell what happened, in order, with times of the owner's zone; `late_at` is when a video came too late."""
    made = list(moves)
    beats = []
    for move, following in zip(made, [*made[1:], None], strict=True):
        state = JobState(move.to_state)
        beats.append(
            Beat(
                at=move.at.astimezone(zone),
                word=_word(move, state),
                text=_text(move, state, row),
                took=duration(following.at - move.at) if following else "",
            )
        )
    if late_at:
        text = "The GPU finished it after all. Nothing is charged for it."
        beats.append(Beat(at=late_at.astimezone(zone), word="Arrived late", text=text, took=""))
    return beats


def facts(row: Mapping[str, Any]) -> list[Fact]:
    """Give the settings and the money of a job."""
    found = {
        "Model": row["model"].capitalize(),
        "Length": f"{row['seconds']} s",
        "Frame": row["size"].replace("x", " × "),
        "Seed": "Any" if row["seed"] is None else str(row["seed"]),
        "Attempts": str(row["attempt"]),
        "Credits": _money(row),
    }
    return [Fact(label=label, value=value) for label, value in found.items()]


def _word(move: JobTransition, state: JobState) -> str:
    if state is JobState.QUEUED and move.from_state:
        return "Goes to another GPU"
    return _WORDS[state]


def _text(move: JobTransition, state: JobState, row: Mapping[str, Any]) -> str:
    match state:
        case JobState.QUEUED if move.from_state:
            known = move.cause in set(FailureKind)
            return FailureKind(move.cause).sentence if known else "The last try ended early."
        case JobState.SUCCEEDED:
            return f"{row['credits_charged']:,} credits charged once."
        case JobState.FAILED | JobState.EXPIRED:
            return f"{row['error_message']} Not charged."
        case JobState.CANCELED:
            back = row["credits_reserved"] - row["credits_charged"]
            charged = f"{row['credits_charged']:,} charged, " if row["credits_charged"] else ""
            return f"{charged}{back:,} credits given back."
        case JobState.DISPATCHED if move.attempt > 1:
            return f"Try {move.attempt}."
        case _:
            return ""


def _money(row: Mapping[str, Any]) -> str:
    if row["credits_charged"]:
        return f"{row['credits_charged']:,} charged once"
    if row["finished_at"]:
        return "not charged"
    return f"{row['credits_reserved']:,} held"
