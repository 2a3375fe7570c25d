"""How the console says numbers and times: short, and no more exact than they are."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0


def clock(seconds: float | None) -> str:
    """Say a measured length of time as minutes and seconds, such as 4:10; long ones in hours."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    if whole >= _HOUR:
        return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"


def span(seconds: float | None) -> tuple[str, str]:
    """Say a length of time as a number and its unit: 0.8 s, 52 min, 3 h."""
    if seconds is None:
        return "–", ""
    if seconds < 10:  # noqa: PLR2004 - below, tenths matter
        return f"{max(0.0, seconds):.1f}", "s"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f}", "s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f}", "min"
    return f"{seconds / _HOUR:.0f}", "h"


def ago(seconds: float | None) -> str:
    """Say how long ago something was."""
    return "–" if seconds is None else " ".join(span(seconds))


def between(low: float | None, high: float | None) -> tuple[str, str]:
    """Say a range and its unit: 9 to 18 min."""
    if low is None or high is None:
        return "–", ""
    if high < _MINUTE:
        return f"{low:.0f}–{max(1.0, high):.0f}", "s"
    if high > 90 * _MINUTE:
        return "over 90", "min"
    return f"{low / _MINUTE:.0f}–{max(1.0, high / _MINUTE):.0f}", "min"


def percent(part: float, whole: float) -> str:
    """Say a share in percent, with a tenth where it matters; a dash where there is nothing."""
    if not whole:
        return "–"
    share = 100 * part / whole
    return f"{share:.0f}" if share in {0, 100} else f"{share:.1f}"


def counted(count: int, noun: str) -> str:
    """Say how many: 1 job, 1,204 jobs."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def since(moment: datetime | None, *, now: datetime) -> float | None:
    """Give the seconds since a moment."""
    return None if moment is None else (now - moment) / timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A drawn line: its path, the ground under it, and its last point; empty where there is nothing to draw."""

    path: str = ""
    under: str = ""
    x: str = ""
    y: str = ""


def spark(values: Iterable[float | None]) -> Line:
    """Draw a line of values in a box of 120 by 24, down to zero; what was not measured is passed by."""
    points = list(values)
    known = [(place, value) for place, value in enumerate(points) if value is not None]
    if len(known) < 2:  # noqa: PLR2004 - one point is no line
        return Line()
    high = max(value for _, value in known)
    scale = 19 / high if high > 0 else 0.0
    step = 116 / (len(points) - 1)
    places = [(f"{1 + place * step:.1f}", f"{22 - value * scale:.1f}") for place, value in known]
    path = "M" + "L".join(f"{x} {y}" for x, y in places)
    (left, _), (x, y) = places[0], places[-1]
    return Line(path=path, under=f"{path}V24H{left}z", x=x, y=y)
