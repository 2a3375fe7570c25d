"""Grants alone: the dispatcher's batches of ten, one after the other. `bin/bench grants` runs it.

`python -m bench.granting COUNT WARM_UP` measures so many grants, after others, on the database of the environment,
and prints JSON.
"""

import json
import statistics
import sys
import time

import django
import psutil

_SLOTS = 100
_FREE_ALL = "delete from lease"
_READY = "update lane set state = 1 where state = 2"


def main(count: int, warm_up: int) -> None:
    """Fill the slots batch by batch, and empty them between, which is not measured."""
    django.setup()
    from django.db import connection  # noqa: PLC0415 - after django.setup

    from jobs.models import Pool  # noqa: PLC0415
    from scheduler import dispatch  # noqa: PLC0415
    from scheduler.board import Memory  # noqa: PLC0415

    Pool.objects.update(slots=_SLOTS)
    memory, granted, times = Memory(), 0, []
    both = (psutil.Process(), psutil.Process(connection.connection.info.backend_pid))
    used = 0.0
    sizes: list[int] = []
    while granted < count + warm_up:
        began, used_before = time.perf_counter(), cpu_seconds(both)
        batch = dispatch.grant_batch(memory)
        took, used_now = time.perf_counter() - began, cpu_seconds(both) - used_before
        granted += len(batch.doorbells)
        if granted > warm_up and batch.doorbells:
            times.append(took)
            used += used_now
            sizes.append(len(batch.doorbells))
        if not batch.is_cut:
            with connection.cursor() as cursor:
                cursor.execute(_FREE_ALL)
                cursor.execute(_READY)
            memory.counted_at = time.monotonic()
    found = {
        "grants_per_s": sum(sizes) / sum(times),
        # On a machine that others use too, this says what it costs.
        "grants_per_cpu_s": sum(sizes) / used,
        "batch_mean": statistics.mean(sizes),
        "batch_median_ms": statistics.median(times) * 1000,
        "batch_p95_ms": statistics.quantiles(times, n=20)[-1] * 1000,
    }
    print(json.dumps(found))


def cpu_seconds(processes: tuple[psutil.Process, ...]) -> float:
    """Give what processes used so far."""
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
