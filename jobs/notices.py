"""What everybody of a tier is told while there are fewer GPUs than usual."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from jobs import outlook, outlooks, waiting
from jobs.outlook import Place
from jobs.waiting import LineNow


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A headline with since when, and what it means."""

    headline: str
    sentence: str


def of_capacity(tier: str, *, zone: ZoneInfo) -> Notice | None:
    """Tell a tier of the longest standing reduction that it feels; None in usual times.

    From what a process remembers of the lines: no query of its own most of the time.
    """
    reduced = [
        line
        for line in outlooks.of_tier(tier)
        if (line.open_pools == 0 and line.paused_since)
        or (line.reduced_since and line.slots < line.usual_slots)
    ]
    if not reduced:
        return None
    line = min(reduced, key=_since)
    since = waiting.clock(_since(line).astimezone(zone), datetime.now(UTC))
    if line.open_pools == 0:
        return Notice(
            headline=f"GPUs are paused since {since}.",
            sentence="What you submit keeps its place and starts when they are back. Waiting is free.",
        )
    return Notice(
        headline=f"Fewer GPUs since {since}, so videos start later.",
        sentence=(
            f"We run {line.slots:,} of {line.usual_slots:,}."
            f"{_back(line, zone)}{_start(line)} Nothing you submitted is lost, and waiting is free."
        ),
    )


def _since(line: LineNow) -> datetime:
    since = line.paused_since if line.open_pools == 0 else line.reduced_since
    return since or datetime.now(UTC)


def _back(line: LineNow, zone: ZoneInfo) -> str:
    if line.restored_at is None:
        return ""
    return f" The others are to be back at {waiting.clock(line.restored_at.astimezone(zone), datetime.now(UTC))}."


def _start(line: LineNow) -> str:
    if line.outlook is None:
        return ""
    newest = Place(tag=line.outlook.virtual_time, own_work=0.0, own_jobs=0, is_new=True)
    expected = outlook.expect(line.outlook, newest)
    if expected is None:
        return ""
    return f" New videos start {waiting.in_words(expected.low, expected.high)}."
