"""Closed-loop load by wrk where it is installed: it costs a tenth of what a generator in Python does."""

import json
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from bench import load
from bench.load import Plan

_SCRIPT: Final = """
local requests = {%s}
local number = 0
request = function()
    number = number %% #requests + 1
    return requests[number]
end
done = function(summary, latency, _)
    io.write(string.format(
        'FOUND {"requests": %%d, "took": %%d, "bad": %%d, "lost": %%d, "p50": %%d, "p99": %%d}\\n',
        summary.requests, summary.duration, summary.errors.status,
        summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
"""


def run(plan: Plan, *, status: int) -> tuple[float, float, float]:
    """Give answers a second and the median and 99th percentile in seconds.

    Raises SystemExit when an answer is not of this status; of wrk's answers only those above 399 can be told apart.
    """
    if (program := shutil.which("wrk")) is None:
        (found,) = load.run(plan)
        if set(found.statuses) != {status}:
            raise SystemExit(
                f"Answered {dict(Counter(found.statuses))}; only {status} was expected."
            )
        return found.rate, found.quantile(0.5), found.quantile(0.99)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "requests.lua"
        script.write_text(_SCRIPT % ", ".join(_quoted(one) for one in plan.requests))
        said = subprocess.run(
            [
                program, "-t1", f"-c{plan.connections}", f"-d{round(plan.seconds)}s",
                "-s", str(script), plan.url,
            ],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    found_by_wrk = json.loads(said.partition("FOUND ")[2].splitlines()[0])
    if found_by_wrk["bad"] or found_by_wrk["lost"]:
        raise SystemExit(f"Not every request was answered {status}: {found_by_wrk}")
    seconds = found_by_wrk["took"] / 1e6
    return found_by_wrk["requests"] / seconds, found_by_wrk["p50"] / 1e6, found_by_wrk["p99"] / 1e6


def _quoted(request: bytes) -> str:
    """Write bytes as Lua does: what is not plain, by its number."""
    plain = (
        chr(one) if 32 <= one < 127 and chr(one) not in '"\\' else f"\\{one:03d}" for one in request
    )
    return '"' + "".join(plain) + '"'
