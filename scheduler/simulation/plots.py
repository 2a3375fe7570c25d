"""Draws how long jobs waited over time, by tier, for each policy on the same trace."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw

from scheduler.simulation.engine import Result
from scheduler.simulation.measures import quantile, waits
from scheduler.simulation.report import Report

_SIZE: Final = (960, 240)
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 28, 12, 24
_STEPS: Final = 72
_INK, _PAPER, _LINE = "#1b2430", "#fbfbf9", "#c9ced6"
# Ink, lamp, petrol: told apart by what is written at their ends, too.
_COLOURS: Final = {
    "enterprise": "#1b2430",
    "pro": "#b58900",
    "free": "#1f7a8c",
    "standby": "#a3a9b3",
}
_FIGURES: Final = {
    "jain": "Jain's index",
    "worst_window_pp": "worst 10 min, pp",
    "lost_slot_time": "lost slot time",
    "utilisation": "slots used",
    "refused": "refused",
    "right": "Retry-After right",
    "overall": "ranges right",
    "by_bucket": "by wait",
    "around_cut": "around a cut: right, width",
}


def draw(report: Report, folder: Path) -> list[Path]:
    """Draw how long jobs waited and who held the slots in each run, and a page that shows both with figures."""
    folder.mkdir(parents=True, exist_ok=True)
    title = f"{report.figures['scenario']}-{report.figures['seed']}"
    paths = []
    for name, run in report.runs.items():
        path = folder / f"{title}-{name.replace(' ', '-')}.png"
        _picture(name, run).save(path)
        paths.append(path)
        path = path.with_name(f"{path.stem}-shares.png")
        _shares(name, run).save(path)
        paths.append(path)
    page = folder / f"{title}.html"
    page.write_text(_page(title, report, paths))
    return [*paths, page]


def _picture(name: str, run: Result) -> Image.Image:
    image = Image.new("RGB", _SIZE, _PAPER)
    pen = ImageDraw.Draw(image)
    series = {tier: _series(run, tier) for tier in run.trace.fleet.tiers}
    top = max((value for points in series.values() for value in points), default=0.0) or 1.0
    for share in (0.0, 0.5, 1.0):
        y = _y(share * top, top)
        pen.line((_LEFT, y, _SIZE[0] - _RIGHT, y), fill=_LINE)
        pen.text((8, y - 6), f"{share * top:.0f} s", fill=_INK)
    pen.text((_LEFT, 8), f"{name}: p95 of the wait, by when jobs came", fill=_INK)
    for change in run.trace.fleet.changes:
        x = _x(change.at / run.trace.until)
        pen.line((x, _TOP, x, _SIZE[1] - _BOTTOM), fill=_INK)
        pen.text((x + 3, _TOP), str(change.slots if change.slots is not None else "fails"), _INK)
    for at, (tier, points) in enumerate(series.items()):
        line = [(_x(step / _STEPS), _y(value, top)) for step, value in enumerate(points)]
        pen.line(line, fill=_COLOURS.get(tier, _INK), width=2)
        pen.text((_LEFT + 90 * at, _SIZE[1] - 18), tier, fill=_COLOURS.get(tier, _INK))
    return image


def _shares(name: str, run: Result) -> Image.Image:
    """Draw which part of the slot time went to each tier, in spans of ten minutes, one above the other."""
    image = Image.new("RGB", _SIZE, _PAPER)
    pen = ImageDraw.Draw(image)
    pen.text((_LEFT, 8), f"{name}: part of the slots held, by tier", fill=_INK)
    minutes = run.measures.minutes
    for last in range(10, len(minutes), 10):
        left, right = _x((last - 10) / len(minutes)), _x(last / len(minutes)) - 1
        got = {
            tier: sum(
                minutes[last][0][pool, tier] - minutes[last - 10][0][pool, tier]
                for pool in run.measures.pools
            )
            for tier in run.trace.fleet.tiers
        }
        whole, below = sum(got.values()), 0.0
        for tier, seconds in got.items():
            above = below + (seconds / whole if whole else 0.0)
            box = (left, _y(above, 1.0), max(left, right), _y(below, 1.0))
            pen.rectangle(box, fill=_COLOURS.get(tier, _INK))
            below = above
    for at, tier in enumerate(run.trace.fleet.tiers):
        pen.text((_LEFT + 90 * at, _SIZE[1] - 18), tier, fill=_COLOURS.get(tier, _INK))
    return image


def _series(run: Result, tier: str) -> list[float]:
    until = run.trace.until
    return [
        quantile(
            waits(
                run.jobs,
                tier,
                since=until * step / _STEPS,
                until=until * (step + 1) / _STEPS,
                now=until,
            ),
            0.95,
        )
        or 0.0
        for step in range(_STEPS)
    ]


def _x(share: float) -> float:
    return _LEFT + share * (_SIZE[0] - _LEFT - _RIGHT)


def _y(value: float, top: float) -> float:
    return _SIZE[1] - _BOTTOM - value / top * (_SIZE[1] - _TOP - _BOTTOM)


def _page(title: str, report: Report, paths: Sequence[Path]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(tier)}</td>"
        + "".join(f"<td>{row[key]}</td>" for key in ("jobs", "p50", "p95", "p99"))
        + "</tr>"
        for name, run in report.figures["policies"].items()
        for tier, row in run["tiers"].items()
    )
    figures = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{escape(_told(_flat(run).get(key)))}</td>" for key in _FIGURES)
        + "</tr>"
        for name, run in report.figures["policies"].items()
    )
    heads = "".join(f"<th>{escape(label)}" for label in _FIGURES.values())
    pictures = "".join(
        f'<p><img src="{escape(path.name)}" alt="{escape(path.stem)} over time"></p>'
        for path in paths
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        "<style>body{font:15px system-ui;margin:2rem;max-width:62rem}"
        "td,th{padding:.2rem .8rem;text-align:right}img{max-width:100%}</style>"
        f"<h1>{escape(title)}</h1>{pictures}<table><tr><th>policy<th>tier<th>jobs"
        f"<th>p50<th>p95<th>p99</tr>{rows}</table>"
        f"<table><tr><th>policy{heads}</tr>{figures}</table></html>\n"
    )


def _flat(run: Mapping[str, Any]) -> dict[str, Any]:
    """Put a run's figures, its door's and its ranges' beside each other."""
    return {**run, **(run["door"] or {}), **(run["ranges"] or {})}


def _told(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {each}" for key, each in value.items())
    return "-" if value is None else str(value)
