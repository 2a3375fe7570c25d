"""Ending processes that a killed stack left behind, and only those."""

import contextlib
from collections.abc import Iterable

import psutil

# Every process of a stack carries the stack's data folder in this variable.
MARK = "VIDEOGEN_STACK"
_PATIENCE = 8.0


def of_stack(data_dir: str) -> list[psutil.Process]:
    """Find the living processes that a stack of this data folder started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == data_dir:
                found.append(process)
    return [process for process in found if process.pid != psutil.Process().pid]


def of_cluster(pid: int, data: str) -> list[psutil.Process]:
    """Find the database server of a cluster by the number in its lock file, if it is really that."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if data in process.cmdline():
            return [process]
    return []


def end(processes: Iterable[psutil.Process]) -> int:
    """Ask processes to end, then end them; give how many there were."""
    found = list(processes)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=_PATIENCE)
    kill(alive)
    return len(found)


def kill(processes: Iterable[psutil.Process]) -> None:
    """End processes at once."""
    found = list(processes)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=2)
