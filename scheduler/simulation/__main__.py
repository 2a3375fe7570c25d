"""`bin/simulate --scenario S --seed N --json FILE --plot FOLDER`: plays a scenario and prints its figures."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from scheduler.simulation import plots, report, verify


def main() -> int:
    """Play what was asked for."""
    parser = argparse.ArgumentParser(
        prog="bin/simulate", description="Simulated hours over the production policy."
    )
    parser.add_argument("--scenario", choices=report.NAMES, default="day")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="draw waits, as PNG and HTML")
    parser.add_argument("--full", action="store_true", help="a day of all users, not a twentieth")
    parser.add_argument(
        "--verify",
        metavar="SEEDS",
        nargs="?",
        const=",".join(map(str, verify.SEEDS)),
        help="play all scenarios with these seeds (1,2,3) and say which promises hold",
    )
    options = parser.parse_args()
    began = time.monotonic()
    if options.verify:
        kept = verify.verify([int(seed) for seed in options.verify.split(",")], say=print)
        print(f"took {time.monotonic() - began:.0f} s")
        return not kept
    found = report.play(options.scenario, seed=options.seed, full=options.full)
    _table(found.figures)
    print(f"took {time.monotonic() - began:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(found.figures, indent=2) + "\n")
    if options.plot:
        for path in plots.draw(found, options.plot):
            print(path)
    return 0


def _table(figures: dict[str, Any]) -> None:
    print(f"{figures['scenario']}, seed {figures['seed']}: waits in seconds\n")
    print(
        f"{'policy':<24}{'tier':<12}{'jobs':>8}{'p50':>9}{'p95':>9}{'p99':>9}{'conforming p95':>16}"
    )
    for name, run in figures["policies"].items():
        for tier, row in run["tiers"].items():
            cells = "".join(_cell(row[key], 9) for key in ("p50", "p95", "p99"))
            print(f"{name:<24}{tier:<12}{row['jobs']:>8}{cells}{_cell(row['conforming_p95'], 16)}")
            name = ""  # noqa: PLW2901
    print()
    for key, value in figures.items():
        if key not in {"policies", "tiers", "scenario", "seed"}:
            print(f"{key:<32}{json.dumps(value)}")


def _cell(value: float | None, width: int) -> str:
    return f"{'-' if value is None else f'{value:.1f}':>{width}}"


if __name__ == "__main__":
    sys.exit(main())
