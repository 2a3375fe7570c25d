"""What a person feels on an idle machine, against the running stack: submit, first clip, memory at rest.

`bin/bench idle` prints medians; it starts nothing and tidies nothing up.
"""

import json
import os
import statistics
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil

_ROUNDS = 60
_CLIPS = 3
# Seconds over which the idle stack's use of the processor is measured.
_REST = 10.0


def measure() -> dict[str, float]:
    """Measure and give every figure by name, with its unit in the name."""
    folder = data_dir()
    demo = json.loads((folder / "demo.json").read_text())
    key = next(a["api_key"] for a in demo["accounts"] if a["tier"] == "internal")
    processes = _processes(folder)
    cpu = _cpu_share(processes)
    memory = sum(process.memory_full_info().pss for process in processes) / 2**20
    submits = [_submit_and_cancel(demo["url"], key) for _ in range(_ROUNDS)]
    clips = [_first_clip(demo["url"], key) for _ in range(_CLIPS)]
    return {
        "submit_median_ms": statistics.median(submits) * 1000,
        "submit_p95_ms": statistics.quantiles(submits, n=20)[-1] * 1000,
        "clip_4s_480p_median_s": statistics.median(clips),
        "idle_memory_pss_mib": memory,
        "idle_cpu_percent_of_a_core": cpu * 100,
    }


def _submit_and_cancel(url: str, key: str) -> float:
    began = time.perf_counter()
    job = _call(f"{url}/api/v1/jobs", key, {"prompt": "A short test", "seconds": 2})
    took = time.perf_counter() - began
    _call(f"{url}/api/v1/jobs/{job['id']}/cancellation", key, {})
    return took


def _first_clip(url: str, key: str) -> float:
    began = time.perf_counter()
    job = _call(f"{url}/api/v1/jobs", key, {"prompt": "A lighthouse at dusk", "seconds": 4})
    while not job["finished_at"]:
        time.sleep(0.05)
        job = _call(f"{url}/api/v1/jobs/{job['id']}", key)
    if job["state"] != "succeeded":
        raise SystemExit(f"The clip ended as {job['state']}: {job['error']}")
    return time.perf_counter() - began


def _call(url: str, key: str, body: object = None) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - the stack's own address
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        found: dict[str, Any] = json.load(answer)
    return found


def _processes(data_dir: Path) -> list[psutil.Process]:
    daemon = psutil.Process(int((data_dir / "run" / "supervisord.pid").read_text()))
    return [daemon, *daemon.children(recursive=True)]


def _cpu_share(processes: list[psutil.Process]) -> float:
    before = [sum(process.cpu_times()[:2]) for process in processes]
    time.sleep(_REST)
    after = [sum(process.cpu_times()[:2]) for process in processes]
    return float(sum(after) - sum(before)) / _REST


def data_dir() -> Path:
    """Give the folder of the stack that is measured."""
    return Path(os.environ.get("DATA_DIR") or Path(__file__).resolve().parent.parent / ".data")
