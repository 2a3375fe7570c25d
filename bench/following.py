"""What followers cost: reads a second, plain and on 304, and submits while 400 clients wait.

`bin/bench following` runs against the stack of bin/dev, with accounts of its own and the GPU paused: only the API
works. Submits are timed in turns, with and without 200 long polls and 200 streams, which are a process of their own.
Because other programs share the machine, the processor time of a read in the web process is given beside the rate.
"""

import asyncio
import json
import os
import shlex
import statistics
import subprocess
import time
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from typing import Any, Final

import psutil

from bench import idle
from bench.raw import Connection

_WAITERS: Final = 200
_ACCOUNTS: Final = 20
_TURNS: Final = 8
_SUBMITS: Final = 60
_READ_SECONDS: Final = 3.0
_CLIENTS: Final = 4
_JOB: Final = json.dumps({"prompt": "A short test", "seconds": 2}).encode()
_ALL: Final = json.dumps({"filter": {}}).encode()
_KEYS: Final = """
import secrets
from jobs.models import Pool
from videogen.accounts import keys
from videogen.accounts.models import User
Pool.objects.update(state={state!r})
users = [User.objects.create_user(f"{{secrets.token_hex(6)}}@bench.example", None, tier="internal")
         for _ in range({count})]
print("KEYS", *[keys.create(user, name="bench") for user in users])
"""


def measure() -> dict[str, float]:
    """Measure and give every figure by name, with its unit in the name."""
    demo = json.loads((idle.data_dir() / "demo.json").read_text())
    said = _manage(_KEYS.format(state="paused", count=_ACCOUNTS + 1))
    writer, *waiters = said.split("KEYS ")[1].split()
    try:
        return {
            **_submits_with_and_without(demo["url"], demo["push_url"], writer, waiters),
            **asyncio.run(_reads(demo["url"], writer)),
        }
    finally:
        _manage(_KEYS.format(state="active", count=0))


def _submits_with_and_without(
    url: str, push: str, writer: str, waiters: list[str]
) -> dict[str, float]:
    jobs = asyncio.run(_submitted(url, waiters))
    alone: list[float] = []
    followed: list[float] = []
    process = get_context("spawn")
    for _ in range(_TURNS):
        alone += asyncio.run(_submits(url, writer))
        waiting, leave = process.Event(), process.Event()
        others = process.Process(target=_follow, args=(push, jobs, waiting, leave))
        others.start()
        waiting.wait(60)
        followed += asyncio.run(_submits(url, writer))
        leave.set()
        others.join()
    quiet, busy = statistics.median(alone), statistics.median(followed)
    return {
        "submit_median_ms": quiet * 1000,
        "submit_median_ms_with_400_followers": busy * 1000,
        "submit_slower_percent": (busy / quiet - 1) * 100,
    }


async def _submitted(url: str, keys: list[str]) -> dict[str, str]:
    connection = await Connection.to(url)
    jobs = {}
    for key in keys:
        status, _, body = await connection.ask("POST", "/api/v1/jobs", key=key, body=_JOB)
        _expect(status, 202)
        jobs[key] = json.loads(body)["id"]
    return jobs


async def _submits(url: str, key: str) -> list[float]:
    connection = await Connection.to(url)
    took = []
    for _ in range(_SUBMITS):
        began = time.perf_counter()
        status, _, _ = await connection.ask("POST", "/api/v1/jobs", key=key, body=_JOB)
        took.append(time.perf_counter() - began)
        _expect(status, 202)
    connection.close()
    return took


def _follow(push: str, jobs: dict[str, str], waiting: Event, leave: Event) -> None:
    """Keep 200 long polls and 200 streams open, in a process of their own, until told to leave."""
    asyncio.run(_followers(push, jobs, waiting, leave))


async def _followers(push: str, jobs: dict[str, str], waiting: Event, leave: Event) -> None:
    pairs = list(jobs.items())
    opened = []
    for number in range(_WAITERS):
        key, job_id = pairs[number % len(pairs)]
        poll, stream = await Connection.to(push), await Connection.to(push)
        poll.begin("GET", f"/api/v1/jobs/{job_id}/wait?timeout=30", key=key)
        stream.begin("GET", "/api/v1/events", key=key, Accept="text/event-stream")
        await stream.reader.readuntil(b"event: ready")
        opened += [poll, stream]
    # Long polls say nothing while they wait.
    await asyncio.sleep(1)
    waiting.set()
    await asyncio.to_thread(leave.wait, 25)
    for connection in opened:
        connection.close()


async def _reads(url: str, key: str) -> dict[str, float]:
    connection = await Connection.to(url)
    more = True
    while more:
        # What waits is described anew each time; what has ended is known by its version.
        status, _, body = await connection.ask(
            "POST", "/api/v1/jobs/cancellations", key=key, body=_ALL
        )
        _expect(status, 200)
        more = json.loads(body)["more"]
    _, _, body = await connection.ask("GET", "/api/v1/jobs?limit=50", key=key)
    one = json.loads(body)["jobs"][0]["id"]
    found = {}
    for name, path in (("status", f"/api/v1/jobs/{one}"), ("list_of_50", "/api/v1/jobs?limit=50")):
        _, headers, _ = await connection.ask("GET", path, key=key)
        for suffix, status, known in (
            ("", 200, {}),
            ("_304", 304, {"If_None_Match": headers["etag"]}),
        ):
            rate, cpu = await _rate(url, path, key=key, status=status, known=known)
            found[f"{name}{suffix}_per_s"] = rate
            found[f"{name}{suffix}_cpu_us"] = cpu
    return found


async def _rate(
    url: str, path: str, *, key: str, status: int, known: dict[str, Any]
) -> tuple[float, float]:
    count = 0
    end = time.perf_counter() + _READ_SECONDS
    before = _web_seconds()

    async def repeat() -> None:
        nonlocal count
        connection = await Connection.to(url)
        while time.perf_counter() < end:
            found, _, _ = await connection.ask("GET", path, key=key, **known)
            _expect(found, status)
            count += 1
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(_CLIENTS):
            group.create_task(repeat())
    return count / _READ_SECONDS, (_web_seconds() - before) / count * 1e6


def _web_seconds() -> float:
    """Give the processor time that the web processes have used."""
    supervisor = psutil.Process(int((idle.data_dir() / "run" / "supervisord.pid").read_text()))
    web = [
        one for one in supervisor.children() if "videogen.servers web" in " ".join(one.cmdline())
    ]
    every = [*web, *(child for one in web for child in one.children(recursive=True))]
    return float(sum(sum(one.cpu_times()[:2]) for one in every))


def _expect(status: int, wanted: int) -> None:
    if status != wanted:
        raise SystemExit(f"A request was answered {status} instead of {wanted}.")


def _manage(code: str) -> str:
    command = ["bin/manage", "shell", "-c", code]
    environment = {**os.environ, "DATA_DIR": str(idle.data_dir())}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(f"{shlex.join(command)} failed: {said.stderr}")
    return said.stdout
