"""The alert rules as they are deployed, and as they run where nobody waits five minutes.

ALERT_PACE divides every `for:` and every window of a rule; thresholds stay as they are.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).resolve().parent.parent.parent / "deploy" / "prometheus"
_PACE: Final = float(os.environ.get("ALERT_PACE", "20"))
_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h|d)")
# A range such as [5m], or a subquery's range and step.
_WINDOW: Final = re.compile(r"\[(\w+)(?::(\w+))?\]")


def files() -> list[Path]:
    """Give the files of rules."""
    return sorted(FOLDER.glob("*.rules.yml"))


def alerts() -> Iterator[dict[str, Any]]:
    """Give every alert as it is written."""
    for path in files():
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def write_paced(folder: Path, *, pace: float = _PACE) -> None:
    """Write the rules for a faster clock into a folder."""
    for path in files():
        document = yaml.safe_load(path.read_text())
        for group in document["groups"]:
            for rule in group["rules"]:
                rule["expr"] = paced(rule["expr"], pace=pace)
                if "for" in rule:
                    rule["for"] = _divided(rule["for"], pace)
        (folder / path.name).write_text(yaml.safe_dump(document))


def paced(expression: str, *, pace: float) -> str:
    """Divide the windows of an expression."""

    def shorter(found: re.Match[str]) -> str:
        parts = [_divided(part, pace) for part in found.groups() if part]
        return f"[{':'.join(parts)}]"

    return _WINDOW.sub(shorter, expression)


def _divided(duration: str, pace: float) -> str:
    whole = sum(int(number) * _UNITS[unit] for number, unit in _DURATION.findall(duration))
    return f"{max(1, round(whole / pace))}ms"
