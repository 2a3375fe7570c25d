"""Other systems that take and keep work, beside ours, in turns on one PostgreSQL: Procrastinate, DBOS; LiteLLM too.

`bin/bench beside` gives each an environment of its own, installed once in the data folder, and measures calls that
enqueue from 16 callers of one process, and jobs that do nothing carried out by one worker. Ours is called in the same
way, without HTTP; it is the only one that also checks credits and limits, gives back an equal request's job, and writes
a history and an event. LiteLLM's proxy keeps nothing: its answers are made up in the proxy, with two processes.
SECONDS and ROUNDS in the environment set how long and how often.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg

from bench import idle, load
from bench.load import Plan
from tests.stack import three_free_ports
from videogen.embedded.temporary import TemporaryServers

_CALLERS: Final = 16
_SECONDS: Final = float(os.environ.get("SECONDS", "10"))
_ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
_LIVES: Final = 2_000
# The proxy's processes load much with their first answers.
_WARM_UP: Final = 5.0
_PATIENCE: Final = 180.0
_HERE: Final = Path(__file__).resolve().parent / "others"
# What each program needs; ours runs where this does.
_PACKAGES: Final = {
    "procrastinate": ("procrastinate==3.10.0", "psycopg[binary,pool]==3.3.9"),
    "dbos": ("dbos==3.4.0", "psycopg[binary]==3.3.9"),
}
_LITELLM: Final = ("litellm[proxy]==1.106.2",)
_LITELLM_KEY: Final = "sk-beside"
_LITELLM_CONFIG: Final = """
model_list:
  - model_name: made-up
    litellm_params: {model: openai/made-up, api_key: none, mock_response: "A lighthouse."}
general_settings: {master_key: sk-beside}
"""
_LITELLM_BODY: Final = (
    b'{"model":"made-up","messages":[{"role":"user","content":"A lighthouse at dusk"}]}'
)


def measure() -> dict[str, float]:
    """Give enqueued jobs and lives a second, and milliseconds, by system; medians of the rounds."""
    systems = {"ours": (Path(sys.executable), "our_jobs.py")}
    for name, packages in _PACKAGES.items():
        systems[name] = (_environment(name, packages), f"{name}_jobs.py")
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in systems}
    servers = TemporaryServers()
    try:
        environment = servers.start()
        for number in range(_ROUNDS):
            for name, (python, program) in systems.items():
                database = _database(environment["DATABASE_URL"], f"beside_{name}_{number}")
                rounds[name].append(_run(python, program, database, environment))
    finally:
        servers.stop()
    found = {
        f"{name}_{figure}": statistics.median(each[figure] for each in measured)
        for name, measured in rounds.items()
        for figure in measured[0]
    }
    for name in _PACKAGES:
        found[f"ours_to_{name}"] = found["ours_enqueued_per_s"] / found[f"{name}_enqueued_per_s"]
    return found | _litellm()


def _database(url: str, name: str) -> str:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"create database {name}")
    return url.rpartition("/")[0] + f"/{name}"


def _run(
    python: Path, program: str, database: str, environment: dict[str, str]
) -> dict[str, float]:
    answer = subprocess.run(
        [python, _HERE / program, str(_CALLERS), str(_SECONDS), str(_LIVES)],
        cwd=_HERE.parent.parent,
        env={
            **os.environ,
            **environment,
            "DATABASE_URL": database,
            "DJANGO_SETTINGS_MODULE": "videogen.settings",
            "LOG_LEVEL": "WARNING",
            "PYTHONPATH": str(_HERE.parent.parent),
        },
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _environment(name: str, packages: tuple[str, ...]) -> Path:
    """Give the Python of an environment with these packages; made now if it is not there."""
    folder = idle.data_dir() / "bench" / "others" / name
    python, mark = folder / "bin" / "python", folder / "packages"
    if not mark.exists() or mark.read_text() != "\n".join(packages):
        print(f"  installing {', '.join(packages)} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", *packages], check=True)
        mark.write_text("\n".join(packages))
    return python


def _litellm() -> dict[str, float]:
    python = _environment("litellm", _LITELLM)
    with _proxy(python) as url:
        request = load.request(
            url, "POST", "/v1/chat/completions", key=_LITELLM_KEY, body=_LITELLM_BODY
        )
        plan = Plan(
            url=url, requests=[request], connections=_CALLERS, seconds=_SECONDS, warm_up=_WARM_UP
        )
        found = [load.run(plan)[0] for _ in range(_ROUNDS)]
    if any(set(each.statuses) != {200} for each in found):
        raise SystemExit(f"LiteLLM answered {[dict(each.statuses) for each in found]}.")
    return {
        "litellm_answers_per_s": statistics.median(each.rate for each in found),
        "litellm_p50_ms": statistics.median(each.quantile(0.5) for each in found) * 1000,
        "litellm_p99_ms": statistics.median(each.quantile(0.99) for each in found) * 1000,
    }


@contextmanager
def _proxy(python: Path) -> Iterator[str]:
    config = python.parent.parent / "config.yaml"
    config.write_text(_LITELLM_CONFIG)
    port = three_free_ports()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            *(python.parent / "litellm", "--config", config, "--host", "127.0.0.1"),
            *("--port", str(port), "--num_workers", "2"),
            # A worker that loads for longer than the usual 5 s would be killed and begin again, for ever.
            *("--timeout_worker_healthcheck", str(round(_PATIENCE))),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(config.parent),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(url, process)
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            live = f"{url}/health/liveliness"
            urllib.request.urlopen(live, timeout=2).close()  # noqa: S310 - the proxy's own address
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
        else:
            return
    raise SystemExit(f"LiteLLM's proxy did not answer at {urlsplit(url).netloc}.")
