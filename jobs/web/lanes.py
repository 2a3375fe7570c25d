"""Where a job's time went: one lane for waiting, one for each try, on one axis."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from jobs.models import Attempt, JobTransition
from jobs.states import HOLDING, TERMINAL, JobState
from jobs.web.cards import duration

_TICKS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400)
_MOST_TICKS: Final = 5
# More tries than this are not drawn one by one; the story below tells them all.
_MOST_TRIES: Final = 6
# So much of the drawing a note needs, percent, and so much stands between it and its span.
_NOTE: Final = 20.0
_GAP: Final = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time, in percent of the whole; `kind` is how it is drawn."""

    x: float
    width: float
    kind: str


@dataclass(slots=True, kw_only=True)
class Lane:
    """One line of the drawing; a note stands where there is room: behind its spans, or before them."""

    label: str
    spans: list[Span] = field(default_factory=list)
    note: str = ""

    @property
    def is_before(self) -> bool:
        """Tell whether the note has no room behind the spans."""
        last = self.spans[-1]
        return last.x + last.width + _NOTE > 100  # noqa: PLR2004 - percent

    @property
    def note_at(self) -> float | None:
        """Give where the note ends that stands before, or begins that stands behind; None without room."""
        if not self.is_before:
            return round(self.spans[-1].x + self.spans[-1].width + _GAP, 2)
        first = self.spans[0].x
        return round(first - _GAP, 2) if first >= _NOTE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The lanes, the places of the axis, and the same in words."""

    lanes: list[Lane]
    ticks: list[tuple[float, str]]
    words: str
    summary: str


def draw(
    moves: Sequence[JobTransition], attempts: Sequence[Attempt], *, now: datetime
) -> Drawing | None:
    """Draw what happened up to the end, or up to now; None where no time has passed."""
    if not moves:
        return None
    ended = JobState(moves[-1].to_state) in TERMINAL
    first, last = moves[0].at, moves[-1].at if ended else now
    whole = (last - first) / timedelta(seconds=1)
    if whole <= 0:
        return None
    pools = {attempt.number: attempt.pool for attempt in attempts}
    waiting = Lane(label="Waiting")
    tries: dict[int, Lane] = {}
    spent = {"waiting": timedelta(), "lost": timedelta(), "running": timedelta()}
    for at, move in enumerate(moves):
        following = moves[at + 1] if at + 1 < len(moves) else None
        until = following.at if following else last
        state = JobState(move.to_state)
        x = 100 * ((move.at - first) / timedelta(seconds=1)) / whole
        width = 100 * ((until - move.at) / timedelta(seconds=1)) / whole
        if state is JobState.QUEUED:
            waiting.spans.append(Span(x=round(x, 2), width=round(width, 2), kind="faded"))
            spent["waiting"] += until - move.at
        elif state in HOLDING:
            pool = pools.get(move.attempt, "")
            label = f"Try {move.attempt}" + (f", {pool}" if pool else "")
            lane = tries.setdefault(move.attempt, Lane(label=label))
            kind, note = _end_of_try(moves[at:], until - move.at)
            lane.spans.append(Span(x=round(x, 2), width=round(width, 2), kind=kind))
            lane.note = note
            spent["lost" if kind == "range" else "running"] += until - move.at
    lanes = [waiting, *list(tries.values())[-_MOST_TRIES:]]
    lanes = [lane for lane in lanes if lane.spans]
    said = ", ".join(
        f"{word} {duration(length)}"
        for word, length in spent.items()
        if length >= timedelta(seconds=1)
    )
    end = "Ready" if moves[-1].to_state == JobState.SUCCEEDED else "the end" if ended else "now"
    summary = f"{duration(last - first)} from Generate to {end}."
    return Drawing(
        lanes=lanes,
        ticks=_ticks(whole),
        words="; ".join(f"{lane.label} {lane.note}".strip() for lane in lanes),
        summary=f"{summary} {said[:1].upper()}{said[1:]}." if said else summary,
    )


def _end_of_try(moves: Sequence[JobTransition], length: timedelta) -> tuple[str, str]:
    for move in moves[1:]:
        state = JobState(move.to_state)
        if state in HOLDING:
            continue
        match state:
            case JobState.SUCCEEDED:
                return "good", ""
            case JobState.QUEUED:
                return "range", f"lost after {duration(move.at - moves[0].at)}"
            case JobState.CANCELED:
                return "faded", "cancelled"
            case _:
                return "range", f"ended after {duration(move.at - moves[0].at)}"
    return "done", f"{duration(length)} so far"


def _ticks(whole: float) -> list[tuple[float, str]]:
    step = next((tick for tick in _TICKS if whole / tick <= _MOST_TICKS), _TICKS[-1])
    count = min(int(whole // step), _MOST_TICKS)
    return [
        (round(100 * at * step / whole, 2), duration(timedelta(seconds=at * step)))
        for at in range(count + 1)
        if 100 * at * step / whole <= 96  # noqa: PLR2004 - a later word would leave the drawing
    ]
