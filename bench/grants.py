"""What granting costs, and whether it stays so: a backlog of a million jobs, a minute of work, an old snapshot.

`bin/bench grants` measures the dispatcher's batches of ten alone, from 10 thousand and from a million waiting
jobs; then a minute with 300 submissions, grants and ends each second beside each other, during which another
session holds an old snapshot for 24 seconds, as a backup does.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench import backlog, private

_GRANTS = 6_000
_WARM_UP = 1_000
_SLOTS = 100
_SMALL, _LARGE = 10_000, 1_000_000
_RATE = 300
# Of the minute: until when nothing is held, and for how long the old snapshot is.
_PLAIN, _HELD, _AFTER = 18.0, 24.0, 18.0
_ROOT = Path(__file__).resolve().parent.parent
_TABLES = ("backlog", "lane", "lease", "line", "share", "slot_use", "turn", "job")

_FREE_ALL = "delete from lease"
_READY = "update lane set state = 1 where state = 2"


def measure() -> dict[str, float]:
    """Give rates, times in milliseconds and counts by name."""
    with private.application():
        return _measure()


def _measure() -> dict[str, float]:
    from jobs.models import Pool  # noqa: PLC0415 - after django.setup

    owners = backlog.add_owners()
    found: dict[str, float] = {}
    Pool.objects.update(slots=_SLOTS)
    for name, count, among in (("10k", _SMALL, 8_000), ("1m", _LARGE, len(owners))):
        backlog.fill(owners, count, among=among)
        found |= {f"{figure}_from_{name}": value for figure, value in _alone().items()}
    for figure in ("grants_per_s", "grants_per_cpu_s"):
        found[f"{figure}_1m_to_10k"] = found[f"{figure}_from_1m"] / found[f"{figure}_from_10k"]
    with _at_work() as counted:
        found |= _minute(counted)
    return found


def _alone() -> dict[str, float]:
    """Fill the slots batch by batch, and empty them between, which is not measured."""
    from django.db import connection  # noqa: PLC0415 - after django.setup

    from scheduler import dispatch  # noqa: PLC0415
    from scheduler.board import Memory  # noqa: PLC0415

    memory, granted, times = Memory(), 0, []
    both = (psutil.Process(), psutil.Process(connection.connection.info.backend_pid))
    used = 0.0
    sizes: list[int] = []
    while granted < _GRANTS + _WARM_UP:
        began, used_before = time.perf_counter(), _cpu(both)
        batch = dispatch.grant_batch(memory)
        took, used_now = time.perf_counter() - began, _cpu(both) - used_before
        granted += len(batch.doorbells)
        if granted > _WARM_UP and batch.doorbells:
            times.append(took)
            used += used_now
            sizes.append(len(batch.doorbells))
        if not batch.is_cut:
            with connection.cursor() as cursor:
                cursor.execute(_FREE_ALL)
                cursor.execute(_READY)
            memory.counted_at = time.monotonic()
    return {
        "grants_per_s": sum(sizes) / sum(times),
        # On a machine that others use too, this says what it costs.
        "grants_per_cpu_s": sum(sizes) / used,
        "batch_mean": statistics.mean(sizes),
        "batch_median_ms": statistics.median(times) * 1000,
        "batch_p95_ms": statistics.quantiles(times, n=20)[-1] * 1000,
    }


def _cpu(processes: tuple[psutil.Process, ...]) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


@contextmanager
def _at_work() -> Iterator[Any]:
    """Let three processes submit, grant and end jobs; give a question for what they did so far."""
    from django.db import connection  # noqa: PLC0415 - after django.setup

    from jobs.models import Pool, Tier  # noqa: PLC0415

    Pool.objects.update(slots=_SLOTS)
    Tier.objects.update(queued_limit=None)
    with connection.cursor() as cursor:
        cursor.execute(_FREE_ALL)
        cursor.execute(_READY)
    connection.close()
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.hands", hand, str(_RATE)],
            cwd=_ROOT,
            env=os.environ.copy(),
            stdout=subprocess.DEVNULL,
        )
        for hand in ("submit", "grant", "end")
    ]
    try:
        yield _counts
        if any(process.poll() is not None for process in processes):
            raise SystemExit("One of the three processes ended before its time.")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def _counts() -> dict[str, int]:
    from django.db import connection  # noqa: PLC0415 - after django.setup

    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) filter (where from_state = ''), count(*) filter (where cause = 'grant'),"
            " count(*) filter (where to_state = 'succeeded') from job_transition"
        )
        submits, grants, ends = cursor.fetchone()
    return {"submits": submits, "grants": grants, "ends": ends}


def _minute(counts: Any) -> dict[str, float]:
    from django.db import connection  # noqa: PLC0415 - after django.setup

    time.sleep(5)
    found: dict[str, float] = {}
    for name, seconds in (("plain", _PLAIN), ("old_snapshot", _HELD), ("after", _AFTER)):
        other = connection.copy()
        try:
            if name == "old_snapshot":
                other.set_autocommit(False)
                with other.cursor() as cursor:
                    cursor.execute("set idle_in_transaction_session_timeout = 0")
                    cursor.execute("set transaction isolation level repeatable read")
                    cursor.execute("select 1")
            before, began = counts(), time.monotonic()
            time.sleep(seconds)
            took, after = time.monotonic() - began, counts()
        finally:
            other.close()
        for figure, value in after.items():
            found[f"{figure}_per_s_{name}"] = (value - before[figure]) / took
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname, n_dead_tup, pg_total_relation_size(relid) / 1048576.0"
            " from pg_stat_user_tables where relname = any(%s)",
            [list(_TABLES)],
        )
        for table, dead, size in cursor.fetchall():
            found[f"{table}_dead"] = dead
            found[f"{table}_mib"] = float(size)
    return found
