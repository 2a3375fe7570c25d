"""SIGTERM to every process while it has work: what is under way is finished, and nobody finds a closed door.

First every program of bin/dev, with a single web process, then each loop in a process of its own as with containers,
then the supervisor, then bin/dev itself: only after these two may callers find nobody, until it is started again.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

import httpx
import psutil

from proofs.callers import Load, loaded, until
from tests.gpu import FakeGpu
from tests.stack import ROOT, RunningStack
from videogen.embedded import places
from videogen.embedded.supervision import Supervisor

# Each with the seconds that its supervisor gives it.
PROGRAMS: Final = ("web", "push", "core", "gpu-worker", "upkeep", "beat")
# What runs as one process with bin/dev, and can run alone.
LOOPS: Final = ("dispatcher", "relay", "poller", "courier", "figures")
_PATIENCE: Final = 120.0
_PAUSE: Final = 3.0
_POOL: Final = "drained"
_MODEL: Final = "drained-1"
_OUTCOMES: Final = """
import json
from django.db.models import Count
from jobs.models import Attempt, Job, LedgerEntry
ids = {ids}
print(json.dumps({{
    "states": dict(Job.objects.filter(id__in=ids).values_list("state").annotate(n=Count("id"))),
    "attempts": dict(Attempt.objects.filter(job_id__in=ids).values_list("outcome").annotate(n=Count("id"))),
    "charges": LedgerEntry.objects.filter(job_id__in=ids, kind="capture").count(),
}}))
"""


def holds() -> bool:
    """Terminate every process in turn under load; print counts."""
    faults: list[str] = []
    with RunningStack() as stack:
        # Few are generated in our own worker, which takes a second for each.
        load = Load(stack, models=("preview", *[_MODEL] * 11), pause=1.0)
        with _server(stack), loaded(load, readers=4, submitters=3):
            for program in PROGRAMS:
                time.sleep(_PAUSE)
                _tell(program, terminate(stack, program))
            with _apart(stack) as alone:
                for loop in LOOPS:
                    time.sleep(_PAUSE)
                    _tell(f"{loop} alone", alone.terminate(loop))
            time.sleep(_PAUSE)
            load.may_be_refused = True
            _tell("supervisor", _end_supervisor(stack))
            time.sleep(_PAUSE)
            _tell("bin/dev", _end_stack(stack))
            load.may_be_refused = False
            time.sleep(_PAUSE)
        found = outcomes(stack, load)
        stack.manage("check_invariants")
        faults += [*load.faults, *wrong(found, jobs=len(load.job_ids))]
    for what, number in sorted(load.seen.items()):
        print(f"    {number:>7,} {what}", flush=True)
    print(
        f"  {len(load.job_ids)} jobs: {found['states']}, attempts {found['attempts']}", flush=True
    )
    for fault in faults[:20]:
        print(f"  FAULT {fault}", flush=True)
    return not faults


def _tell(what: str, took: float) -> None:
    print(f"  {what:<18} drained in {took:4.1f} s", flush=True)


@contextmanager
def _server(stack: RunningStack) -> Iterator[None]:
    """Run a generation server beside our own worker, with a pool."""
    with FakeGpu(dialect="vllm_omni", slots=4, speed=0.3) as gpu:
        stack.manage(
            *("add_pool", "--name", _POOL, "--driver", "openai_videos", "--profile", "vllm_omni"),
            *("--url", gpu.url, "--slots", "4", "--models", _MODEL),
            *("--seconds", "2", "--sizes", "854x480"),
        )
        yield
        stack.manage("remove_pool", "--name", _POOL)


def terminate(stack: RunningStack, program: str) -> float:
    """Send SIGTERM, wait until the process has ended and another one works; give the seconds that ending took."""
    first = psutil.Process(stack.pid_of(program))
    ready = stack.data_dir / "run" / f"{program}.ready"
    ready.unlink(missing_ok=True)
    began = time.monotonic()
    first.terminate()
    with suppress(psutil.NoSuchProcess):
        first.wait(_PATIENCE)
    took = time.monotonic() - began
    until(lambda: stack.pid_of(program) not in {0, first.pid}, f"{program} to be started again")
    probe = {"web": stack.url, "push": str(stack.demo["push_url"])}.get(program)
    until(lambda: _answers(probe) if probe else ready.exists(), f"{program} to work again")
    return took


class _Apart:
    """The loops of the core, each in a process of its own."""

    def __init__(self, stack: RunningStack, environment: dict[str, str]) -> None:
        self._folder = stack.data_dir / "run"
        self._log = stack.data_dir / "log" / "apart.log"
        self._environment = environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, loop: str) -> None:
        """Run one and wait until it works."""
        ready = self._folder / f"{loop}.ready"
        ready.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._running[loop] = subprocess.Popen(
                [sys.executable, "manage.py", "run", loop],
                cwd=ROOT,
                env={**self._environment, "PROCESS_NAME": loop, "READY_FILE": str(ready)},
                stdout=log,
                stderr=log,
            )
        until(ready.exists, f"{loop} to work")

    def terminate(self, loop: str) -> float:
        """End one and start another; give the seconds that ending took."""
        took = self.end(loop)
        self.start(loop)
        return took

    def end(self, loop: str) -> float:
        """End one. Raises RuntimeError where it does not end as it was told."""
        process = self._running[loop]
        began = time.monotonic()
        process.terminate()
        if status := process.wait(_PATIENCE):
            raise RuntimeError(f"{loop} ended with {status}:\n{self._log.read_text()[-2000:]}")
        return time.monotonic() - began


@contextmanager
def _apart(stack: RunningStack) -> Iterator[_Apart]:
    """Run the loops of the core apart, and together again afterwards."""
    supervisor = Supervisor(stack.data_dir, places.runtime_dir(stack.data_dir))
    alone = _Apart(stack, psutil.Process(stack.pid_of("core")).environ())
    with ExitStack() as running:
        supervisor.halt("core")
        running.callback(supervisor.start_programs, ["core"])
        for loop in LOOPS:
            alone.start(loop)
            running.callback(alone.end, loop)
        yield alone


def _end_supervisor(stack: RunningStack) -> float:
    """End the supervisor, which bin/dev says and ends by; start again."""
    began = time.monotonic()
    pid = int((stack.data_dir / "run" / "supervisord.pid").read_text())
    psutil.Process(pid).send_signal(signal.SIGTERM)
    stack.wait()
    took = time.monotonic() - began
    stack.start()
    return took


def _end_stack(stack: RunningStack) -> float:
    began = time.monotonic()
    stack.stop()
    took = time.monotonic() - began
    stack.start()
    return took


def outcomes(stack: RunningStack, load: Load) -> dict[str, Any]:
    """Give how the jobs of this load ended, and their attempts."""
    told = stack.manage("shell", "-v", "0", "-c", _OUTCOMES.format(ids=sorted(load.job_ids)))
    found: dict[str, Any] = json.loads(told.strip().splitlines()[-1])
    return found


def wrong(found: dict[str, Any], *, jobs: int) -> list[str]:
    """Say what a drain cost that it must not: jobs, tries, charges."""
    faults = []
    if found["states"] != {"succeeded": jobs}:
        faults.append(f"of {jobs} jobs: {found['states']}")
    if beside := set(found["attempts"]) - {"succeeded", "worker_stopped", "not_picked_up"}:
        faults.append(f"attempts were lost: {sorted(beside)}")
    if found["charges"] != jobs:
        faults.append(f"{jobs} jobs were charged {found['charges']} times")
    return faults


def _answers(url: str | None) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/health/live", timeout=5).is_success
    return False
