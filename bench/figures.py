"""What the metrics cost with a million jobs: each source of figures that is read every few seconds, and a scrape.

`bin/bench figures` fills two databases once and keeps them: one in which JOBS (1,000,000) wait, one in which as many
have ended. The figures' process does this beside its other work, so what counts is what it asks of PostgreSQL.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from bench.history import filled
from bench.kept import databases

_JOBS: Final = int(os.environ.get("JOBS", "1000000"))
_OWNERS: Final = 50_000
_ROUNDS: Final = 20
_ROOT: Final = Path(__file__).resolve().parent.parent


def measure() -> dict[str, float]:
    """Give milliseconds and statements of a reading of each source, and of a scrape, in both databases."""
    shown: dict[str, float] = {}
    with databases() as servers:
        sources = {
            "waiting": servers.filled(_JOBS, owners=_OWNERS),
            "ended": filled(servers, _JOBS),
        }
        for what, source in sources.items():
            said = subprocess.run(
                [sys.executable, "-m", "bench.figures"],
                cwd=_ROOT,
                env=servers.environment(servers.copy(source, f"measured_{what}")),
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            found: dict[str, float] = json.loads(said.splitlines()[-1])
            shown |= {f"{name}, {what}": value for name, value in found.items()}
    return shown


def _ask() -> dict[str, float]:
    import django  # noqa: PLC0415 - only this process needs it

    django.setup()
    from django.db import connection  # noqa: PLC0415
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

    from scheduler.publisher import Publisher  # noqa: PLC0415
    from videogen.figures.reader import Reader  # noqa: PLC0415

    asked = 0

    def count(execute: Any, *given: Any) -> Any:
        nonlocal asked
        asked += 1
        return execute(*given)

    # What a running stack has: lines with their doors and outlooks.
    Publisher().publish()
    found: dict[str, float] = {}
    reader = Reader()
    with connection.execute_wrapper(count):
        for source in reader.sources:
            # The first reading pays for the connection and for what is read once.
            source.read()
            asked, spent = 0, []
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                source.read()
                spent.append(time.perf_counter() - began)
            found[f"{source.name} ms"] = 1000 * statistics.median(spent)
            found[f"{source.name} statements"] = asked / _ROUNDS
            found["all ms a minute"] = found.get("all ms a minute", 0) + (
                1000 * statistics.median(spent) * 60 / source.every
            )
    reader.read_due()
    registry = CollectorRegistry()
    registry.register(reader)
    began = time.perf_counter()
    for _ in range(_ROUNDS):
        written = generate_latest(registry)
    found["scrape ms"] = 1000 * (time.perf_counter() - began) / _ROUNDS
    found["scrape kB"] = len(written) / 1000
    return found


if __name__ == "__main__":
    print(json.dumps(_ask()))
