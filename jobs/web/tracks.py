"""The line of time of a waiting job: when it starts and when it is ready, as parts of the way from now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from jobs.quotes import Quote
from jobs.waiting import Waiting

# The latest moment stands here, so that its label has room, percent.
_LAST: Final = 86.0
# So much of the line is under a label, percent, on a desk.
_LABEL: Final = 24.0
_SOON: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A range on the line: where it begins and ends, percent, and its words."""

    low: float
    high: float
    text: str

    @property
    def width(self) -> float:
        return round(max(0.6, self.high - self.low), 1)

    @property
    def middle(self) -> float:
        return round((self.low + self.high) / 2, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Both ranges of a waiting job."""

    start: Span
    ready: Span

    @property
    def is_apart(self) -> bool:
        """Tell whether each label has room under its range."""
        return self.ready.middle - self.start.middle >= _LABEL and self.start.middle >= _LABEL / 2


def of(why: Waiting | None, *, now: datetime) -> Track | None:
    """Draw what is known; None where there is no range."""
    if why is None or why.start_range is None or why.finish_range is None:
        return None
    whole = (why.finish_range[1] - now).total_seconds()
    if whole <= 0:
        return None
    return Track(
        start=_span("Start", why.start_range, now=now, whole=whole),
        ready=_span("Ready", why.finish_range, now=now, whole=whole),
    )


def _span(word: str, moments: tuple[datetime, datetime], *, now: datetime, whole: float) -> Span:
    low, high = (
        round(max(0.0, (moment - now).total_seconds()) / whole * _LAST, 1) for moment in moments
    )
    return Span(low=low, high=high, text=f"{word} {between(moments, now=now)}")


def between(moments: tuple[datetime, datetime], *, now: datetime) -> str:
    """Say a range as clock times; what is near is said in words."""
    if moments[1] - now <= _SOON:
        return "within a minute"
    return clocks(*moments)


def clocks(low: datetime, high: datetime) -> str:
    """Say two moments as clock times, or as one where these are the same."""
    first, last = f"{low:%H:%M}", f"{high:%H:%M}"
    return f"about {first}" if first == last else f"{first} to {last}"


def quoted(quote: Quote, *, now: datetime) -> dict[str, str]:
    """Say a quote in the words of the form: when it starts and is ready, or what is in its way."""
    why, refusal = quote.waiting, quote.refusal
    if refusal is not None:
        return {"credits": f"{quote.credits:,} credits", "in_the_way": str(refusal)}
    told = {"credits": f"{quote.credits:,} credits"}
    if why is not None and why.start_range is not None:
        told["starts"] = between(why.start_range, now=now)
        if why.finish_range is not None:
            told["ready"] = between(why.finish_range, now=now)
    elif why is not None:
        told["in_the_way"] = why.sentence
    return told
