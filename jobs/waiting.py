"""Pure: why a job waits, in a code and a sentence, about how many are ahead, and from when to when it starts.

It reads what the dispatcher published for the job's line; where that is missing or old, it says less.
Moments are given in the zone in which they are to be read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from jobs import outlook
from jobs.outlook import Outlook, Place
from jobs.states import JobState

# Numbers older than this describe another line than the one that is there now.
_FRESH: Final = timedelta(seconds=15)
_SECONDS: Final = 15.0
_MINUTE: Final = 60.0
# The exact number ahead means nothing beyond this.
_EXACT: Final = 10
_ROUGH: Final = 100
_FEW: Final = {1: "The GPU is busy.", 2: "Both GPUs are busy."}
_NEAR_DAYS: Final = {-1: "yesterday", 1: "tomorrow"}
# Reasons for which nothing is said of a place or a time.
_NOTHING_STARTS: Final = frozenset({"no_pool", "pool_paused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One reason code, one sentence; position and ranges are None where nothing honest can be said.

    `position` is about how many start before it.
    """

    reason: str
    sentence: str
    position: int | None = None
    start_range: tuple[datetime, datetime] | None = None
    finish_range: tuple[datetime, datetime] | None = None
    # The sentence without place and time, for who draws these.
    cause: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineNow:
    """What was published for a job's line, and what is known of the pools that could run it."""

    taken_at: datetime
    outlook: Outlook | None = None
    # Pools that could run it, and those of them that take new work.
    pools: int = 1
    open_pools: int = 1
    # Since when the last of them takes none; since when there are fewer slots than usual.
    paused_since: datetime | None = None
    reduced_since: datetime | None = None
    # When these are back, where that is agreed.
    restored_at: datetime | None = None
    slots: int = 0
    usual_slots: int = 0
    is_standby: bool = False
    # The usual run, seconds, from its low to its high.
    run: tuple[float, float] | None = None


_STANDBY_LINE: Final = LineNow(taken_at=datetime.min.replace(tzinfo=UTC), is_standby=True)


def explain(
    *,
    state: JobState,
    due_at: datetime | None,
    attempt: int,
    now: datetime | None = None,
    line: LineNow | None = None,
    place: Place | None = None,
    start_by: datetime | None = None,
    is_standby: bool = False,
) -> Waiting | None:
    """Explain a waiting job; None for one that does not wait. `is_standby` counts where no line is known."""
    if state is not JobState.QUEUED:
        return None
    reason, said = _reason(
        due_at=due_at,
        attempt=attempt,
        now=now,
        line=line or (_STANDBY_LINE if is_standby else None),
        place=place,
        start_by=start_by,
    )
    if now is None or line is None or place is None or reason in _NOTHING_STARTS:
        return Waiting(reason=reason, sentence=said)
    return _with_place(reason, said, now=now, line=line, place=place, due_at=due_at)


def _reason(
    *,
    due_at: datetime | None,
    attempt: int,
    now: datetime | None,
    line: LineNow | None,
    place: Place | None,
    start_by: datetime | None,
) -> tuple[str, str]:
    found = next(_of_line(line, place, start_by, now), None) if line is not None else None
    if (due_at is not None or attempt > 0) and (found is None or found[0] not in _NOTHING_STARTS):
        return "retrying", _retrying(due_at, now, is_in_line=place is not None)
    if found is not None:
        return found
    return "slots_busy", "It starts as soon as a GPU is free and it is your turn."


def _retrying(due_at: datetime | None, now: datetime | None, *, is_in_line: bool) -> str:
    left = (due_at - now).total_seconds() if due_at and now else 0.0
    if left <= 0 and is_in_line:
        return "The last try ended early; you are not charged twice."
    when = f"in {about(left)}" if left > 0 else "shortly"
    return f"The last try ended early. It starts again {when}; you are not charged twice."


def _of_line(
    line: LineNow, place: Place | None, start_by: datetime | None, now: datetime | None
) -> Iterator[tuple[str, str]]:
    if line.pools == 0:
        yield (
            "no_pool",
            "No GPU here can run it any more. Cancel it free of charge, or choose another model.",
        )
    if line.open_pools == 0:
        since = f" since {clock(line.paused_since, now)}" if line.paused_since else ""
        yield (
            "pool_paused",
            f"Its GPUs are paused{since}. It keeps its place and starts when they are back.",
        )
    if place is not None and place.own_limit and place.own_running >= place.own_limit:
        yield "own_limit", _own_limit(place.own_limit)
    if line.is_standby:
        until = (
            f" If it has not started by {clock(start_by, now)}, it expires at no cost."
            if start_by
            else ""
        )
        yield "standby", f"It is on standby and runs when nobody else waits.{until}"
    if line.reduced_since is not None and line.slots < line.usual_slots:
        reduced = f"we run {line.slots:,} of {line.usual_slots:,} GPUs"
        yield (
            "capacity_reduced",
            f"Since {clock(line.reduced_since, now)} {reduced}. It takes longer; it keeps its place.",
        )
    if line.slots:
        yield "slots_busy", _busy(line.slots)


def _own_limit(limit: int) -> str:
    if limit == 1:
        return "Your plan runs 1 video at a time, and 1 is running. It starts when that one ends."
    return (
        f"Your plan runs {limit} videos at once, and {limit} are running. "
        "It starts when one of them ends."
    )


def _busy(slots: int) -> str:
    return _FEW.get(slots, f"All {slots:,} GPUs are busy.")


def _with_place(
    reason: str,
    said: str,
    *,
    now: datetime,
    line: LineNow,
    place: Place,
    due_at: datetime | None,
) -> Waiting:
    is_fresh = now - line.taken_at <= _FRESH
    found = outlook.expect(line.outlook, place) if line.outlook and is_fresh else None
    # Standby starts when the others leave room, which nobody foretells.
    if found is None or line.is_standby:
        return Waiting(reason=reason, sentence=said)
    ahead = round_ahead(found.ahead)
    later = max(0.0, (due_at - now).total_seconds()) if due_at else 0.0
    if found.seconds > outlook.FURTHEST:
        words = f"{_ahead(ahead)} It starts in more than {outlook.FURTHEST / _MINUTE:.0f} min."
        return Waiting(reason=reason, sentence=f"{said} {words}", position=ahead)
    low, high = max(found.low, later), max(found.high, later)
    start = now + timedelta(seconds=low), now + timedelta(seconds=high)
    end = None
    if line.run is not None:
        seconds = outlook.finish((low, high), line.run)
        end = now + timedelta(seconds=seconds[0]), now + timedelta(seconds=seconds[1])
    words = f"{_ahead(ahead)} It starts {in_words(low, high)}."
    return Waiting(
        reason=reason,
        # A retry's sentence says when already.
        sentence=said if later else f"{said} {words}",
        cause=said,
        position=ahead,
        start_range=start,
        finish_range=end,
    )


def round_ahead(count: int) -> int:
    """Round a number of jobs to what is known of it."""
    if count <= _EXACT:
        return count
    step = 5 if count <= _ROUGH else 50
    return round(count / step) * step


def _ahead(count: int) -> str:
    return "It is next." if count == 0 else f"About {count:,} ahead."


def clock(at: datetime, now: datetime | None) -> str:
    """Say a moment on the clock of its zone, with the day where it is another one than that of `now`."""
    said = f"{at:%H:%M} UTC" if at.tzname() == "UTC" else f"{at:%H:%M}"
    days = (at.date() - now.astimezone(at.tzinfo).date()).days if now else 0
    if days == 0:
        return said
    return f"{said} {_NEAR_DAYS[days]}" if days in _NEAR_DAYS else f"{said} on {at.day} {at:%B}"


def in_words(low: float, high: float) -> str:
    """Say a range of seconds from now, never more exactly than it is known."""
    if high <= _SECONDS:
        return "within seconds"
    if high <= _MINUTE:
        return "within a minute"
    first, last = int(low // _MINUTE), ceil(high / _MINUTE)
    if first == 0:
        return f"within {last:,} min"
    return f"in {first:,} to {last:,} min"


def about(seconds: float) -> str:
    """Say a number of seconds no more exactly than it is known."""
    if seconds <= _MINUTE:
        return f"about {max(10, 10 * ceil(seconds / 10))} s"
    return f"about {ceil(seconds / _MINUTE)} min"
