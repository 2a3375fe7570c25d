"""What a long history costs: submit, get, list and grant with 10 thousand ended jobs behind them, and with 10 million.

`bin/bench growth` fills each database once, in every table that grows with jobs (bench/history.py), and keeps it in the
data folder: 10 million jobs are 32 GB. A process for each does the same, act by act in turns, on one server with the
settings of `bin/dev`, in whose memory are the accounts and the indexes that submissions write. Submissions are of every
second account, grants of what they left waiting; `get` and `list` read the jobs of fifty other accounts, which were
read once before, `get_any` any job, which in the large database is on the disk. The small database is a copy of its
own, the large one is measured where it is: before anything else its process ends what the time before left waiting.
JOBS in the environment sets the larger one; ROUNDS and SECONDS, how often and for how long each act is measured. Where
others use the machine, many short rounds tell more than a few long ones.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Final

from bench import history
from bench.kept import Databases, databases

_SMALL: Final = 10_000
_LARGE: Final = int(os.environ.get("JOBS", "10000000"))
_ROUNDS: Final = int(os.environ.get("ROUNDS", "21"))
_SECONDS: Final = float(os.environ.get("SECONDS", "0.5"))
# In turns with each other; the last one alone, as it fills the server's memory with pages that nobody asks for again.
_ACTS: Final = (("submit", "get", "list", "grant"), ("get_any",))
_ROOT: Final = Path(__file__).resolve().parent.parent


def measure() -> dict[str, float]:
    """Give rates on both and what of the small one's rate the large one keeps."""
    found: dict[str, dict[int, list[float]]] = {act: {} for acts in _ACTS for act in acts}
    with databases() as servers:
        large = history.filled(servers, _LARGE)
        small = servers.copy(history.filled(servers, _SMALL), "measured_small")
        with _process(servers, small, _SMALL) as few, _process(servers, large, _LARGE) as many:
            pair = ((_SMALL, few), (_LARGE, many))
            for acts in _ACTS:
                for number, act in product(range(_ROUNDS), acts):
                    for count, process in pair if number % 2 else reversed(pair):
                        found[act].setdefault(count, []).append(_rate_of(process, act))
    shown = {}
    for act, rates in found.items():
        for count in (_SMALL, _LARGE):
            shown[f"{act}_per_s with {count}"] = statistics.median(rates[count])
        # Of each turn: what the machine did meanwhile was about the same for both.
        turns = zip(rates[_LARGE], rates[_SMALL], strict=True)
        shown[f"{act}_kept"] = statistics.median(large / small for large, small in turns)
    return shown


@contextmanager
def _process(servers: Databases, name: str, count: int) -> Iterator["subprocess.Popen[str]"]:
    """Start the process that works on a database, and wait until it is ready."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.aged", str(count), str(_SECONDS)],
        cwd=_ROOT,
        env={**servers.environment(name), "LOG_LEVEL": "WARNING"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        try:
            _answer(process)
            yield process
        finally:
            process.terminate()


def _rate_of(process: "subprocess.Popen[str]", act: str) -> float:
    print(act, file=process.stdin)
    return _answer(process)


def _answer(process: "subprocess.Popen[str]") -> float:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SystemExit("A process that was to be measured has ended.")
    return float(json.loads(line))
