"""`bin/bench [NAME ...] --json FILE`: runs benchmarks by name and prints their figures.

FILE keeps them, and a drawing of them lies beside it, with .svg instead of .json.
"""

import argparse
import json
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench import (
    back,
    beside,
    calls,
    doors,
    figures,
    following,
    grants,
    growth,
    handover,
    hostile,
    idle,
    in_flight,
    lives,
    mixed,
    moves,
    pages,
    paint,
    plot,
    reads,
    refusals,
    relay,
    sockets,
    stuck,
    submissions,
    v1,
)

_BENCHMARKS = {
    "back": back.measure,
    "beside": beside.measure,
    "calls": calls.measure,
    "doors": doors.measure,
    "figures": figures.measure,
    "following": following.measure,
    "grants": grants.measure,
    "growth": growth.measure,
    "handover": handover.measure,
    "hostile": hostile.measure,
    "idle": idle.measure,
    "in_flight": in_flight.measure,
    "lives": lives.measure,
    "mixed": mixed.measure,
    "moves": moves.measure,
    "pages": pages.measure,
    "paint": paint.measure,
    "reads": reads.measure,
    "refusals": refusals.measure,
    "relay": relay.measure,
    "sockets": sockets.measure,
    "stuck": stuck.measure,
    "submissions": submissions.measure,
    "v1": v1.measure,
}
# Those that measure the running stack; the others bring servers of their own.
_ON_THE_STACK = {"back", "following", "idle", "paint"}


def main() -> int:
    """Run what was named, print every figure, and write them where asked."""
    parser = argparse.ArgumentParser(prog="bin/bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(_BENCHMARKS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(_BENCHMARKS))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(_BENCHMARKS)}")
    names = options.names or list(_BENCHMARKS)
    if _ON_THE_STACK & set(names) and not (idle.data_dir() / "demo.json").exists():
        print("bin/bench: nothing runs. Start bin/dev in another terminal first.", file=sys.stderr)
        return 1
    found = {}
    for name in names:
        print(f"{name} ...", flush=True)
        found[name] = _alone(_BENCHMARKS[name])
        for figure, value in found[name].items():
            print(f"  {figure:<32} {value:10.2f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
        options.json.with_suffix(".svg").write_text(plot.draw(found))
    return 0


def _alone(measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Measure in a fresh process, so that one benchmark leaves nothing for the next."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure).result()


if __name__ == "__main__":
    sys.exit(main())
