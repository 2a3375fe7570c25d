"""What a reference server is told when it starts."""

import argparse
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from videogen.fake_gpu import faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One server's options; each is an option of the command line by the same name."""

    host: str
    port: int
    dialect: str
    node: str
    slots: int
    # Median seconds of generation for one second of video, and the spread (sigma) of its logarithm.
    speed: float
    jitter: float
    seed: int
    journal: Path | None
    fault: Mapping[str, float]
    # The served model; any other is refused by dialects that check it.
    model: str
    api_key: str
    control_token: str
    webhook_url: str
    webhook_secret: str
    late_seconds: float
    url_seconds: float
    ready_file: Path | None

    @classmethod
    def of(cls, found: Mapping[str, object]) -> Self:
        """Take the options from parsed arguments, which may hold more."""
        known = {field.name: found[field.name] for field in fields(cls)}
        known["fault"] = dict(known["fault"] or ())  # type: ignore[call-overload]  # as parsed below
        return cls(**known)  # type: ignore[arg-type]  # argparse gives each its type


def add_arguments(parser: argparse.ArgumentParser, *, dialects: Collection[str]) -> None:
    """Declare every option."""
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--dialect", choices=sorted(dialects), default="openai")
    add("--node", default="gpu", metavar="NAME", help="stands in every line of the journal")
    add("--slots", type=int, default=1, help="generations at a time")
    add("--speed", type=float, default=1.0, metavar="FACTOR", help="seconds per second of video")
    add("--jitter", type=float, default=0.2, metavar="SIGMA", help="lognormal spread of the times")
    add("--seed", type=int, default=0, help="repeats times and faults")
    add("--journal", type=Path, metavar="FILE", help="JSON lines, appended")
    add("--fault", action="append", type=_fault, metavar="NAME=PROBABILITY")
    add("--model", default="", metavar="NAME", help="the served model; empty accepts any")
    add("--api-key", default="", metavar="KEY", help="empty accepts everybody")
    add("--control-token", default="", metavar="TOKEN", help="a bearer token for /_control/")
    add("--webhook-url", default="", metavar="URL", help="where the openai dialect sends events")
    add("--webhook-secret", default="", metavar="SECRET", help="whsec_...; empty makes one")
    add("--late-seconds", type=float, default=30.0, metavar="SECONDS", help="of webhook_late")
    add("--url-seconds", type=float, default=3600.0, metavar="SECONDS", help="life of result URLs")
    add("--ready-file", type=Path, metavar="FILE", help="gets the address when it listens")


def _fault(text: str) -> tuple[str, float]:
    name, _, probability = text.partition("=")
    if name not in faults.NAMES:
        raise argparse.ArgumentTypeError(f"there is no fault {name!r}")
    try:
        return name, float(probability or "1")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{probability!r} is no probability") from None
