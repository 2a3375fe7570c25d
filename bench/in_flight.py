"""A thousand jobs on one asynchronous server, followed by one process: its memory, and how often it asks.

`bin/bench in_flight` hands 1,000 orders to a reference GPU server with 1,000 slots, whose generations take
about half a minute, and lets one poller process follow them to their end.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench import private

_JOBS = 1_000
# Questions a second that the pool allows.
_BUDGET = 50.0
_ROOT = Path(__file__).resolve().parent.parent
_PATIENCE = 240.0


def measure() -> dict[str, float]:
    """Give seconds, counts and mebibytes by name."""
    with private.application(), _server() as server:
        return _measure(server)


def _measure(server: tuple[str, Path]) -> dict[str, float]:
    from jobs.models import Attempt, Job  # noqa: PLC0415 - after django.setup

    url, journal = server
    owner_id = private.add_owner("ann")
    _add_pool(url)
    with _poller() as process:
        began = time.monotonic()
        _hand_over_all(owner_id)
        memory = 0.0
        while Job.objects.filter(state="succeeded").count() < _JOBS:
            memory = max(memory, process.memory_full_info().pss / 2**20)
            if time.monotonic() - began > _PATIENCE:
                states = list(Job.objects.values_list("state", flat=True))
                counts = {state: states.count(state) for state in set(states)}
                raise SystemExit(f"They did not end in time: {counts}.")
            time.sleep(0.5)
        cpu = sum(process.cpu_times()[:2])
        took = time.monotonic() - began
    finished = {}
    for line in journal.read_text().splitlines():
        fact = json.loads(line)
        if fact["fact"] == "finished":
            finished[fact["id"]] = fact["at"]
    lags = [
        attempt.ended_at.timestamp() - finished[attempt.backend_job_id]
        for attempt in Attempt.objects.all()
        if attempt.ended_at
    ]
    asked = _state(url)["requests"]["questions"]
    return {
        "jobs": _JOBS,
        "poller_memory_pss_mib": memory,
        "poller_cpu_percent_of_a_core": 100 * cpu / took,
        "budget_per_second": _BUDGET,
        "requests_per_second": asked["total"] / took,
        "budget_used_percent": 100 * asked["total"] / took / _BUDGET,
        "busiest_second": asked["busiest_second"],
        "requests": asked["total"],
        "lag_median_s": statistics.median(lags),
        "lag_p95_s": statistics.quantiles(lags, n=20)[-1],
        "lag_max_s": max(lags),
    }


def _add_pool(url: str) -> None:
    from jobs import pools  # noqa: PLC0415 - after django.setup

    pools.put(
        "flight",
        {
            "driver": "openai_videos",
            "profile": "vllm_omni",
            "url": url,
            "slots": _JOBS,
            "model_names": ["flight"],
            "seconds": [4],
            "sizes": ["1280x720"],
            "polls_per_second": _BUDGET,
            # So that what is expected is what it takes: the frame is 2.25 times as large.
            "declared_speed": 7.5 / 2.25,
        },
        actor="bench",
    )


def _hand_over_all(owner_id: Any) -> None:
    from django.db import connection  # noqa: PLC0415 - after django.setup

    from jobs import execution, requests, submission  # noqa: PLC0415
    from jobs.ids import JobId  # noqa: PLC0415
    from jobs.models import Lease  # noqa: PLC0415
    from scheduler import dispatch  # noqa: PLC0415

    for number in range(_JOBS):
        body = {
            "prompt": f"A whale, take {number}",
            "model": "flight",
            "seconds": 4,
            "size": "1280x720",
        }
        submission.submit(requests.read(body), owner_id=owner_id)
    while dispatch.grant_free_slots():
        pass

    def hand_over(job_id: Any) -> None:
        execution.run(JobId(job_id), attempt=1, worker="gpu.flight@bench")
        connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(hand_over, Lease.objects.values_list("job_id", flat=True)))


@contextmanager
def _poller() -> Iterator[psutil.Process]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run", "poller"],
        cwd=_ROOT,
        env=os.environ.copy(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _server() -> Iterator[tuple[str, Path]]:
    with tempfile.TemporaryDirectory(prefix="videogen-bench-") as folder:
        journal, ready = Path(folder) / "journal.jsonl", Path(folder) / "ready"
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "videogen.fake_gpu", "--dialect", "vllm_omni"),
                *("--slots", str(_JOBS), "--speed", "7.5", "--journal", str(journal)),
                *("--ready-file", str(ready)),
            ],
            cwd=_ROOT,
            stdout=subprocess.DEVNULL,
        )
        try:
            while not ready.exists():
                time.sleep(0.05)
            yield ready.read_text().strip(), journal
        finally:
            process.terminate()
            process.wait(10)


def _state(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/_control/state", timeout=10) as answer:  # noqa: S310 - our own
        found: dict[str, Any] = json.load(answer)
    return found
