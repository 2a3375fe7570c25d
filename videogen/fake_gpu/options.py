"""What a reference GPU server is told when it starts."""

import argparse
import textwrap
from collections.abc import Iterator, Mapping
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
    counted_ids: bool
    url_seconds: float
    ready_file: Path | None

    @classmethod
    def of(cls, found: Mapping[str, object]) -> Self:
        """Take the options from parsed arguments, which may hold more."""
        known = {field.name: found[field.name] for field in fields(cls)}
        known["fault"] = dict(known["fault"] or ())  # type: ignore[call-overload]  # as parsed below
        return cls(**known)  # type: ignore[arg-type]  # argparse gives each its type


def add_arguments(parser: argparse.ArgumentParser, *, dialects: Mapping[str, str]) -> None:
    """Declare every option; the epilog tells what each dialect and each fault is."""
    parser.epilog = "\n".join(_epilog(dialects))
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    add("--port", type=int, default=0, help="the port; 0 takes a free one (0)")
    add(
        "--dialect",
        choices=sorted(dialects),
        default="openai",
        metavar="NAME",
        help="see below (openai)",
    )
    add("--node", default="gpu", metavar="NAME", help="its name in the journal (gpu)")
    add("--slots", type=int, default=1, metavar="N", help="generations at a time (1)")
    add(
        "--speed",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="seconds for each second of video (1)",
    )
    add(
        "--jitter",
        type=float,
        default=0.2,
        metavar="SIGMA",
        help="lognormal spread of these times (0.2)",
    )
    add("--seed", type=int, default=0, metavar="N", help="repeats times and faults (0)")
    add("--journal", type=Path, metavar="FILE", help="what it ran and billed, as JSON lines")
    add(
        "--fault",
        action="append",
        type=_fault,
        metavar="NAME[=P]",
        help="misbehave with this probability (1); may be repeated; see below",
    )
    add("--model", default="", metavar="NAME", help="the served model; empty accepts any")
    add("--api-key", default="", metavar="KEY", help="empty accepts everybody")
    add("--control-token", default="", metavar="TOKEN", help="what /_control/ asks for")
    add("--webhook-url", default="", metavar="URL", help="where openai sends its events")
    add("--webhook-secret", default="", metavar="SECRET", help="whsec_...; empty makes one")
    add(
        "--late-seconds",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how late webhook_late is (30)",
    )
    add(
        "--url-seconds",
        type=float,
        default=3600.0,
        metavar="SECONDS",
        help="how long result URLs live (3600)",
    )
    add(
        "--counted-ids",
        action="store_true",
        help="ids are 1, 2, 3 ..., anew after a restart that forgets",
    )
    add("--ready-file", type=Path, metavar="FILE", help="gets the address when it listens")


def _fault(text: str) -> tuple[str, float]:
    name, _, probability = text.partition("=")
    if name not in faults.NAMES:
        raise argparse.ArgumentTypeError(f"there is no fault {name!r}")
    try:
        found = float(probability or "1")
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"{probability!r} is no probability")
    return name, found


def _epilog(dialects: Mapping[str, str]) -> Iterator[str]:
    yield from ("dialects:", *_table(dialects), "")
    yield from ("faults, drawn for each generation:", *_table(faults.OF_GENERATION), "")
    yield "faults, drawn for each answer; NAME_on_submit, _on_poll or _on_content strike one place:"
    yield from (*_table(faults.OF_ANSWER), "")
    yield from ("faults, drawn for each request of their kind:", *_table(faults.OF_REQUEST), "")
    yield "While it runs, POST /_control/faults {NAME: P} changes them, and /_control/ has more:"
    yield from _table(
        {
            "slots": '{"slots": N} changes how many work at a time',
            "late": '{"seconds": N} changes how late webhook_late is',
            "restart": "loses what a restart of this kind of server loses",
            "release": "lets hanging generations go on",
            "state": "GET: what runs, waits and is known, and how often it was asked",
        }
    )


def _table(rows: Mapping[str, str]) -> Iterator[str]:
    for name, text in rows.items():
        yield textwrap.fill(
            text, width=100, initial_indent=f"  {name:<25}", subsequent_indent=" " * 27
        )
