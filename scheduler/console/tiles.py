"""The readings of the first row: what is true now, each with its unit, its last minutes, and what is behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.urls import reverse

from scheduler.console import words
from scheduler.console.words import Line
from scheduler.overview import Overview, Wait
from scheduler.readings import Point

# An outbox that is this far behind, or a job that waits so much beyond its tier's usual, needs a look.
_LAG: Final = 5.0
_SUCCESS: Final = 0.95
# The publisher writes every two seconds.
_STALE: Final = 15.0


_NO_LINE: Final = Line()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One reading."""

    label: str
    value: str
    unit: str = ""
    note: str = ""
    url: str = ""
    url_text: str = ""
    line: Line = _NO_LINE
    needs_look: bool = False


def tiles(now: Overview) -> list[Tile]:
    """Give every tile of the first row."""
    return [
        _slots(now),
        _waiting(now),
        _predicted(now),
        _waits(now),
        _arrivals(now),
        _success(now),
        _stuck(now),
        _oldest(now),
        _outbox(now),
        _webhooks(now),
        _ranges(now),
        _published(now),
    ]


def name(tier: str) -> str:
    """Give a tier's short name."""
    return {"enterprise": "Ent", "internal": "Int"}.get(tier, tier.capitalize())


def _slots(now: Overview) -> Tile:
    free = max(0, now.slots - now.held)
    note = f"{free:,} free" if now.slots >= now.usual_slots else f"usually {now.usual_slots:,}"
    return Tile(
        label="Slots in use",
        value=f"{now.held:,}",
        unit=f"of {now.slots:,}",
        note=note,
        line=words.spark(_over(now.points, _held)),
    )


def _held(figures: dict[str, Any]) -> float:
    return float(sum(held for held, _ in figures["pools"].values()))


def _waiting(now: Overview) -> Tile:
    notes = [f"{name(wait.tier)} {wait.jobs:,}" for wait in now.waits if wait.jobs]
    return Tile(
        label="Waiting, about",
        value=f"{now.waiting:,}",
        note=" · ".join(notes) or "nobody waits",
        line=words.spark(_over(now.points, lambda figures: figures.get("waiting"))),
    )


def _predicted(now: Overview) -> Tile:
    """Show the paid tier that waits longest, and the others beside it."""
    known = [wait for wait in now.waits if wait.high is not None and wait.tier in _PROMISED]
    if not known:
        return Tile(label="Start if sent now", value="–", note="no line drains")
    shown = max(known, key=lambda wait: (wait.tier == "pro", wait.high))
    value, unit = words.between(shown.low, shown.high)
    others = [wait for wait in known if wait is not shown]
    return Tile(
        label=f"Start if sent now, {shown.tier.capitalize()}",
        value=value,
        unit=unit,
        note=" · ".join(_range(wait) for wait in others),
    )


_PROMISED: Final = ("enterprise", "pro", "free")


def _range(wait: Wait) -> str:
    return f"{name(wait.tier)} {' '.join(words.between(wait.low, wait.high))}"


def _waits(now: Overview) -> Tile:
    median, p95, p99 = now.latest.get("waits", {}).get("", (None, None, None))
    note = f"median {words.clock(median)} · top 1% {words.clock(p99)}"
    return Tile(
        label="Wait, slowest 5%",
        value=words.clock(p95),
        note=note if p95 is not None else "nothing started lately",
        line=words.spark(_over(now.points, lambda figures: figures["waits"].get("", [0, None])[1])),
    )


def _arrivals(now: Overview) -> Tile:
    arrived, ended = now.latest.get("arrived"), now.latest.get("ended")
    if arrived is None or ended is None:
        return Tile(label="Arrivals a minute", value="–", note="no reading yet")
    grows = arrived - ended
    trend = f"line grows {grows:.1f}" if grows > 0 else f"line shrinks {-grows:.1f}"
    return Tile(
        label="Arrivals a minute",
        value=f"{arrived:g}",
        note=f"done {ended:g}" + (f", {trend}" if grows else ""),
        line=words.spark(_over(now.points, lambda figures: figures["arrived"])),
    )


def _success(now: Overview) -> Tile:
    good, bad = now.latest.get("good", 0), now.latest.get("bad", 0)
    ended = good + bad
    return Tile(
        label="Success",
        value=words.percent(good, ended),
        unit="%" if ended else "",
        note=f"{bad:,} of {ended:,} failed" if ended else "nothing ended lately",
        line=words.spark(_over(now.points, _share)),
        needs_look=bool(ended) and good / ended < _SUCCESS,
    )


def _share(figures: dict[str, Any]) -> float | None:
    ended = figures["good"] + figures["bad"]
    return figures["good"] / ended if ended else None


def _stuck(now: Overview) -> Tile:
    causes = len({group.cause for group in now.stuck})
    return Tile(
        label="Stuck",
        value=f"{now.stuck_count:,}",
        note="" if causes else "everything gets on",
        url="#stuck" if causes else "",
        url_text=words.counted(causes, "cause"),
        needs_look=bool(causes),
    )


def _oldest(now: Overview) -> Tile:
    if now.oldest_job is None:
        return Tile(label="Oldest waiting", value="–", note="nobody waits for a slot")
    value, unit = words.span(now.oldest_seconds)
    return Tile(
        label="Oldest waiting",
        value=value,
        unit=unit,
        note=f"{now.oldest_tier.capitalize()},",
        url=reverse("console_job", args=[now.oldest_job]),
        url_text=f"…{str(now.oldest_job)[-8:]}",
    )


def _outbox(now: Overview) -> Tile:
    value, unit = words.span(now.outbox_lag or 0.0)
    pending = f"{min(now.outbox_pending, 1000):,}{'+' if now.outbox_pending > 1000 else ''}"  # noqa: PLR2004
    return Tile(
        label="Outbox lag",
        value=value,
        unit=unit,
        note=f"{pending} to relay" if now.outbox_pending else "all relayed",
        url=reverse("console_dead") if now.parked else "",
        url_text=f"{now.parked:,} parked" if now.parked else "",
        needs_look=(now.outbox_lag or 0.0) > _LAG or bool(now.parked),
    )


def _webhooks(now: Overview) -> Tile:
    webhook, asked = now.latest.get("webhook", 0), now.latest.get("asked", 0)
    told = webhook + asked
    return Tile(
        label="Told by webhook",
        value=words.percent(webhook, told),
        unit="%" if told else "",
        note="the rest by asking" if told else "no server ended anything",
    )


def _ranges(now: Overview) -> Tile:
    return Tile(
        label="Landed in range",
        value=words.percent(now.ranges_inside, now.ranges_told),
        unit="%" if now.ranges_told else "",
        note=f"of {now.ranges_told:,} told since yesterday" if now.ranges_told else "none told yet",
    )


def _published(now: Overview) -> Tile:
    seconds = words.since(now.published_at, now=now.at)
    value, unit = words.span(seconds)
    is_old = seconds is None or seconds > _STALE
    return Tile(
        label="Estimates written",
        value=value,
        unit=f"{unit} ago" if unit else "",
        note="the dispatcher is silent" if is_old else "every 2 s",
        needs_look=is_old,
    )


def _over(points: Sequence[Point], figure: Any) -> list[float | None]:
    return [figure(point.figures) for point in points]
