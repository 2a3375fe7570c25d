"""What granting costs, and whether it stays so: a backlog of a million jobs, a minute of work, an old snapshot.

`bin/bench grants` measures the dispatcher's batches of ten alone, from 10 thousand and from a million waiting
jobs in turn. The million is measured right after a checkpoint, too: then the first write to a page logs the whole page,
which the small one has behind it after its warm-up. Then two minutes with 300 submissions, grants and ends each second
beside each other, of which another session holds an old snapshot through the second one, as a backup does; with what a
grant costs the dispatcher and its connection in the first ten seconds and in the last.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psutil
import psycopg

from bench import kept
from bench.granting import cpu_seconds
from bench.kept import Databases

_ROUNDS = 3
_GRANTS = 3_000
# Grants that are not measured: they fill caches, and in the large backlog write most pages once.
_SETTLES = {"10k": 500, "1m": 500, "1m_settled": 45_000}
# How many wait, and of how many owners.
_BACKLOGS = {"10k": (10_000, 8_000), "1m": (1_000_000, 50_000)}
_RATE = 300
# Two end jobs, as one waits for the disk at each.
_HANDS = (
    ("grant", _RATE, 0, 1),
    ("submit", _RATE, 0, 1),
    ("end", _RATE // 2, 0, 2),
    ("end", _RATE // 2, 1, 2),
)
_MINUTE, _WINDOW = 60, 10
_WARM_UP = 10
_ROOT = Path(__file__).resolve().parent.parent
_TABLES = ("backlog", "lane", "lease", "line", "progress", "slot_use", "job", "account")

_COUNTS = """
select count(*) filter (where from_state = ''), count(*) filter (where cause = 'grant'),
    count(*) filter (where to_state = 'succeeded') from job_transition
"""
_DEAD = """
select relname, n_dead_tup, pg_total_relation_size(relid) / 1048576.0::float8
from pg_stat_user_tables where relname = any(%s)
"""


def measure() -> dict[str, float]:
    """Give rates, times in milliseconds and counts by name."""
    with kept.databases() as databases:
        filled = {
            name: databases.filled(count, owners=owners)
            for name, (count, owners) in _BACKLOGS.items()
        }
        found = {"load_average_before": os.getloadavg()[0]}
        found |= _alone(databases, filled)
        for name in ("plain", "old_snapshot"):
            found |= _minute(databases, filled["1m"], name)
        return found | {"load_average_after": os.getloadavg()[0]}


def _alone(databases: Databases, filled: dict[str, str]) -> dict[str, float]:
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in _SETTLES}
    # A copy ends in a checkpoint, so all come first.
    small = [databases.copy(filled["10k"], f"measured_10k_{number}") for number in range(_ROUNDS)]
    large = databases.copy(filled["1m"], "measured_1m")
    rounds["1m"].append(_granted(databases, large, warm_up=_SETTLES["1m"]))
    warm_up = _SETTLES["1m_settled"]
    # A round takes a third of a small backlog, and next to nothing of the large one.
    for where in small:
        rounds["10k"].append(_granted(databases, where, warm_up=_SETTLES["10k"]))
        rounds["1m_settled"].append(_granted(databases, large, warm_up=warm_up))
        warm_up = _SETTLES["1m"]
    found = {
        f"{figure}_from_{name}": statistics.median(each[figure] for each in measured)
        for name, measured in rounds.items()
        for figure in measured[0]
    }
    for figure in ("grants_per_s", "grants_per_cpu_s"):
        for name in ("1m", "1m_settled"):
            few = found[f"{figure}_from_10k"]
            found[f"{figure}_{name}_to_10k"] = found[f"{figure}_from_{name}"] / few
    return found


def _granted(databases: Databases, where: str, *, warm_up: int) -> dict[str, float]:
    answer = subprocess.run(
        [sys.executable, "-m", "bench.granting", str(_GRANTS), str(warm_up)],
        cwd=_ROOT,
        env=databases.environment(where),
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _minute(databases: Databases, source: str, name: str) -> dict[str, float]:
    """Let three processes submit, grant and end jobs; tell the first ten seconds and the last."""
    where = databases.copy(source, "measured_minute")
    with psycopg.connect(databases.url(where)) as connection:
        connection.execute("update pool set slots = 100")
        connection.execute("update tier set queued_limit = null")
    with (
        psycopg.connect(databases.url(where), autocommit=True) as connection,
        psycopg.connect(databases.url(where)) as other,
        _hands(databases.environment(where)) as dispatcher,
    ):
        time.sleep(_WARM_UP)
        if name == "old_snapshot":
            other.execute("set transaction isolation level repeatable read")
            other.execute("select 1")
        began, moments = time.monotonic(), [(0.0, _counts(connection))]
        used = [cpu_seconds(dispatcher)]
        while moments[-1][0] < _MINUTE:
            time.sleep(_WINDOW - (time.monotonic() - began) % _WINDOW)
            moments.append((time.monotonic() - began, _counts(connection)))
            used.append(cpu_seconds(dispatcher))
        dead = connection.execute(_DEAD, [list(_TABLES)]).fetchall()
    found: dict[str, float] = {}
    for at, act in enumerate(("submits", "grants", "ends")):
        first, *_, last = rates = [
            (after[at] - before[at]) / (later - earlier)
            for (earlier, before), (later, after) in pairwise(moments)
        ]
        if not first:
            raise SystemExit(
                f"No {act} in the first {_WINDOW} s: this machine is too busy to measure."
            )
        found[f"{act}_per_s_{name}"] = statistics.median(rates)
        found[f"{act}_per_s_{name}_first_10_s"] = first
        found[f"{act}_per_s_{name}_last_10_s"] = last
        found[f"{act}_{name}_last_to_first"] = last / first
    for window, at in (("first", 1), ("last", -1)):
        granted = moments[at][1][1] - moments[at - 1][1][1]
        spent = used[at] - used[at - 1]
        found[f"grant_cpu_ms_{name}_{window}_10_s"] = spent / granted * 1000
    for table, count, size in dead:
        found[f"{table}_dead_{name}"] = count
        found[f"{table}_mib_{name}"] = float(size)
    return found


def _counts(connection: psycopg.Connection) -> tuple[int, ...]:
    (row,) = connection.execute(_COUNTS).fetchall()
    return tuple(row)


@contextmanager
def _hands(environment: dict[str, str]) -> Iterator[tuple[psutil.Process, ...]]:
    """Let them work; give the dispatcher and its process in the database."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.hands", *map(str, arguments)],
            cwd=_ROOT,
            env={**environment, "LOG_LEVEL": "WARNING"},
            stdout=subprocess.PIPE,
        )
        for arguments in _HANDS
    ]
    try:
        dispatcher = processes[0]
        number = int(next(iter(dispatcher.stdout or ())))
        yield psutil.Process(dispatcher.pid), psutil.Process(number)
        if any(process.poll() is not None for process in processes):
            raise SystemExit("One of the processes ended before its time.")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
