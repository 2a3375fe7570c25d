"""A drawing of figures, as SVG: bars side by side for those of one unit, by benchmark."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

_WIDTH: Final = 960
_NAMES: Final = 360
_BAR: Final = 18
_GAP: Final = 10
_LONGEST: Final = _WIDTH - _NAMES - 120
_UNIT: Final = re.compile(
    r"(?:^|[_ (])(per_s|per_cpu_s|ms|us|kb|kB|mb|MB|s|percent|kept|times|share)(?=$|[_ ,)])"
)
_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-size:15px;font-weight:600}"
    ".unit{fill:#57606a}rect{fill:#3b6fb6}"
)


def draw(found: Mapping[str, Mapping[str, float]]) -> str:
    """Draw the figures of benchmarks, by their names."""
    parts: list[str] = []
    y = 0
    for name, figures in found.items():
        y += 2 * _BAR
        parts.append(f'<text class="title" x="{_GAP}" y="{y}">{escape(name)}</text>')
        for unit, group in _by_unit(figures).items():
            y += _BAR + _GAP
            parts.append(f'<text class="unit" x="{_GAP}" y="{y}">{escape(unit)}</text>')
            largest = max(map(abs, group.values())) or 1.0
            for figure, value in group.items():
                y += _BAR + 2
                parts += _bar(figure, value, y=y, length=_LONGEST * abs(value) / largest)
        y += _GAP
    height = y + _BAR
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}">',
            f'<style>{_STYLE}</style><rect width="100%" height="100%" style="fill:#fff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _bar(figure: str, value: float, *, y: int, length: float) -> Iterator[str]:
    yield f'<text x="{2 * _GAP}" y="{y}">{escape(figure)}</text>'
    yield f'<rect x="{_NAMES}" y="{y - _BAR + 5}" width="{length:.1f}" height="{_BAR - 4}"/>'
    yield f'<text x="{_NAMES + length + 6:.1f}" y="{y}">{value:,.4g}</text>'


def _by_unit(figures: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Put figures of one unit together, which their names have in them."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for figure, value in figures.items():
        units = _UNIT.findall(figure)
        found[units[-1] if units else "number"][figure] = value
    return found
