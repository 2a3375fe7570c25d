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
_LOOKS: Final = {
    JobState.QUEUED: "waiting",
    JobState.DISPATCHED: "starting",
    JobState.RUNNING: "running",
    JobState.SUCCEEDED: "ready",
    JobState.FAILED: "failed",
    JobState.CANCELED: "cancelled",
    JobState.EXPIRED: "expired",
}
TOLD_BY_ITSELF: Final = "In the app. Each video tells you once."
TOLD_WITH_ITS_BATCH: Final = "In the app, once for the whole batch."


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One thing that happened, and how long what followed it took."""

    at: datetime
    look: str
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
    pools: Mapping[int, str],
    told_at: Iterable[datetime] = (),
    told_with: str = TOLD_BY_ITSELF,
    late_at: datetime | None = None,
) -> list[Beat]:
    """Tell what happened, in order, with times of the owner's zone.

    `pools` names where each try ran, `told_at` and `told_with` say when and how its owner was told, `late_at` when
    a video came too late.
    """
    made = list(moves)
    beats = []
    for move, following in zip(made, [*made[1:], None], strict=True):
        state = JobState(move.to_state)
        beats.append(
            Beat(
                at=move.at.astimezone(zone),
                look=_look(move, state),
                word=_word(move, state),
                text=_text(move, state, row, pools),
                took=duration(following.at - move.at) if following else "",
            )
        )
    if row["edited_at"]:
        said = "Its owner changed the words. Place and price stayed."
        at = row["edited_at"].astimezone(zone)
        beats.append(Beat(at=at, look="edit", word="Edited", text=said, took=""))
        beats.sort(key=lambda beat: beat.at)
    beats += [
        Beat(at=told.astimezone(zone), look="bell", word="Told you", text=told_with, took="")
        for told in told_at
    ]
    if late_at:
        text = "The GPU finished it after all. Nothing is charged for it."
        beats.append(
            Beat(at=late_at.astimezone(zone), look="late", word="Arrived late", text=text, took="")
        )
    return beats


def facts(row: Mapping[str, Any]) -> list[Fact]:
    """Give the settings of a job."""
    found = {
        "Model": row["model"].capitalize(),
        "Length": f"{row['seconds']} s",
        "Frame": row["size"].replace("x", " × "),
        "Seed": "Any" if row["seed"] is None else str(row["seed"]),
        "Tries": str(row["attempt"]),
        "Sent by": row["sent_by"],
    }
    return [Fact(label=label, value=value) for label, value in found.items() if value]


def _word(move: JobTransition, state: JobState) -> str:
    if state is JobState.QUEUED and move.from_state:
        return "Goes to another GPU"
    if state is JobState.CANCELED and move.cause == "operator":
        return "Cancelled by us"
    return _WORDS[state]


def _look(move: JobTransition, state: JobState) -> str:
    if state is JobState.QUEUED and move.from_state:
        return "retrying"
    return _LOOKS[state]


def _text(
    move: JobTransition, state: JobState, row: Mapping[str, Any], pools: Mapping[int, str]
) -> str:
    match state:
        case JobState.QUEUED if not move.from_state:
            return f"{row['credits_reserved']:,} credits held."
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
            why = f"{row['error_message']} " if move.cause == "operator" else ""
            return f"{why}{charged}{back:,} credits given back."
        case JobState.DISPATCHED:
            where = f" on {pools[move.attempt]}" if pools.get(move.attempt) else ""
            return f"Try {move.attempt}{where}."
        case JobState.RUNNING:
            return "The GPU confirmed it."
        case _:
            return ""


def money(row: Mapping[str, Any], *, fee: int | None, zone: ZoneInfo) -> tuple[str, str]:
    """Say what the job costs in one fact and one explanation; `fee` is what a cancel costs now, if it can."""
    reserved, charged = row["credits_reserved"], row["credits_charged"]
    if row["finished_at"] is None:
        cost = f" Cancelling now costs {fee:,}." if fee else " Cancelling now is free."
        said = "Charged once, when the video is ready." + (cost if fee is not None else "")
        return f"{reserved:,} credits held.", said
    held = f"Held at {row['created_at'].astimezone(zone):%H:%M:%S}"
    ended = f"{row['finished_at'].astimezone(zone):%H:%M:%S}"
    if not charged:
        return "Not charged.", f"{held}, all {reserved:,} given back at {ended}."
    rest = f" {reserved - charged:,} were given back." if reserved > charged else ""
    return f"{charged:,} credits, charged once.", f"{held}, charged at {ended}.{rest}"
