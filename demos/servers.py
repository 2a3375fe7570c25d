"""Reference GPU servers for demonstrations: each a process of its own, with a pool of the running stack."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demos import stage
from jobs import pools
from jobs.models import Job

_PATIENCE = 30.0
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A reference server, by the pool that it is to be."""

    pool: str
    url: str
    journal: Path

    def facts(self) -> list[dict[str, Any]]:
        """Read what it says that it did."""
        return [json.loads(line) for line in self.journal.read_text().splitlines()]


@contextmanager
def running(
    pool: str, *, dialect: str, slots: int, options: Sequence[str] = ()
) -> Iterator[Server]:
    """Run a server; at the end its pool goes, then the server."""
    with tempfile.TemporaryDirectory(prefix="videogen-demo-") as folder:
        journal, ready = Path(folder) / "journal.jsonl", Path(folder) / "ready"
        command = [
            *(sys.executable, "-m", "videogen.fake_gpu", "--dialect", dialect),
            *("--slots", str(slots), "--journal", str(journal), "--ready-file", str(ready)),
            *options,
        ]
        process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + _PATIENCE
            while not ready.exists():
                if time.monotonic() > deadline:
                    raise SystemExit(f"The reference server did not start in {_PATIENCE:g} s.")
                time.sleep(0.05)
            yield Server(pool=pool, url=ready.read_text().strip(), journal=journal)
        finally:
            _remove_pool(pool)
            process.terminate()
            process.wait(10)


def add_pool(server: Server, settings: Mapping[str, Any], *, actor: str) -> None:
    """Add a server's pool and wait until everybody knows it."""
    pools.put(server.pool, {"url": server.url, "state": "active", **settings}, actor=actor)
    # Workers and web processes learn of a new pool within a few seconds.
    time.sleep(4.5)


def add_one_model_pool(
    server: Server, *, model: str, slots: int, declared_speed: float, actor: str
) -> None:
    """Add a server as a pool of one model and one kind of clip; the speed is what holds until it is learned."""
    settings = {
        "driver": "replicate",
        "profile": "",
        "key": "demo",
        "slots": slots,
        "model_names": [model],
        "seconds": [4],
        "sizes": ["1280x720"],
        "polls_per_second": 20.0,
        "declared_speed": declared_speed,
    }
    add_pool(server, settings, actor=actor)


def _remove_pool(pool: str) -> None:
    for job in Job.objects.filter(pool_id=pool).live():
        stage.api("internal", f"jobs/{job.id}/cancellation", {})
    deadline = time.monotonic() + _PATIENCE
    while pools.remove(pool, actor="a demonstration") and time.monotonic() < deadline:
        time.sleep(0.5)
