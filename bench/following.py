"""What followers cost: reads a second, plain and on 304, and submits while 400 clients wait.

`bin/bench following` runs against the stack of bin/dev, with accounts of its own and the GPU paused: only the API
works. Submits are compared in turns, with and without 200 long polls and 200 streams, and the medians are given.
"""

import asyncio
import json
import os
import shlex
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx

from bench import idle

_WAITERS: Final = 200
_TURNS: Final = 5
_SUBMITS: Final = 60
_READ_SECONDS: Final = 4.0
_CLIENTS: Final = 8
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
    writer, *waiters = _manage(_KEYS.format(state="paused", count=21)).split("KEYS ")[1].split()
    try:
        return asyncio.run(_measure(demo["url"], demo["push_url"], writer, waiters))
    finally:
        _manage(_KEYS.format(state="active", count=0))


async def _measure(url: str, push: str, writer: str, waiters: list[str]) -> dict[str, float]:
    limits = httpx.Limits(max_connections=500, max_keepalive_connections=50)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        alone: list[float] = []
        followed: list[float] = []
        ratios: list[float] = []
        for _ in range(_TURNS):
            quiet = await _submits(client, url, writer)
            async with asyncio.TaskGroup() as group:
                tasks = await _wait(group, client, url, push, waiters)
                busy = await _submits(client, url, writer)
                for task in tasks:
                    task.cancel()
            alone += quiet
            followed += busy
            ratios.append(statistics.median(busy) / statistics.median(quiet))
        return {
            "submit_median_ms": statistics.median(alone) * 1000,
            "submit_median_ms_with_400_followers": statistics.median(followed) * 1000,
            "submit_slower_percent": (statistics.median(ratios) - 1) * 100,
            **await _reads(client, url, writer),
        }


async def _submits(client: httpx.AsyncClient, url: str, key: str) -> list[float]:
    took = []
    for _ in range(_SUBMITS):
        began = time.perf_counter()
        answer = await client.post(
            f"{url}/api/v1/jobs",
            json={"prompt": "A short test", "seconds": 2},
            headers=_bearer(key),
        )
        took.append(time.perf_counter() - began)
        answer.raise_for_status()
    return took


async def _wait(
    group: asyncio.TaskGroup, client: httpx.AsyncClient, url: str, push: str, keys: list[str]
) -> list[asyncio.Task[None]]:
    """Open every long poll and stream, and come back when all of them wait."""
    jobs = {}
    for key in keys:
        answer = await client.post(
            f"{url}/api/v1/jobs", json={"prompt": "Followed", "seconds": 2}, headers=_bearer(key)
        )
        jobs[key] = answer.raise_for_status().json()["id"]
    opened = asyncio.Semaphore(0)
    tasks = []
    for number in range(_WAITERS):
        key = keys[number % len(keys)]
        poll = f"{push}/api/v1/jobs/{jobs[key]}/wait?timeout=30"
        tasks.append(group.create_task(_poll(client, poll, key)))
        tasks.append(group.create_task(_stream(client, f"{push}/api/v1/events", key, opened)))
    for _ in range(_WAITERS):
        await opened.acquire()
    # Long polls say nothing until they end.
    await asyncio.sleep(1)
    return tasks


async def _poll(client: httpx.AsyncClient, address: str, key: str) -> None:
    while True:
        (await client.get(address, headers=_bearer(key))).raise_for_status()


async def _stream(
    client: httpx.AsyncClient, address: str, key: str, opened: asyncio.Semaphore
) -> None:
    headers = {**_bearer(key), "Accept": "text/event-stream"}
    async with client.stream("GET", address, headers=headers) as answer:
        async for line in answer.aiter_lines():
            if line == "event: ready":
                opened.release()


async def _reads(client: httpx.AsyncClient, url: str, key: str) -> dict[str, float]:
    listed = await client.get(f"{url}/api/v1/jobs?limit=50", headers=_bearer(key))
    # What waits is described anew each time; what has ended is known by its version.
    ids = [job["id"] for job in listed.json()["jobs"]]
    while ids:
        await client.post(
            f"{url}/api/v1/jobs/cancellations", json={"filter": {}}, headers=_bearer(key)
        )
        waiting = await client.get(f"{url}/api/v1/jobs?status=live&day=all", headers=_bearer(key))
        ids = [job["id"] for job in waiting.json()["jobs"]]
    listed = await client.get(f"{url}/api/v1/jobs?limit=50", headers=_bearer(key))
    one = f"{url}/api/v1/jobs/{listed.json()['jobs'][0]['id']}"
    found = {}
    for name, address in (("status", one), ("list_of_50", f"{url}/api/v1/jobs?limit=50")):
        tag = (await client.get(address, headers=_bearer(key))).headers["ETag"]
        for suffix, headers in (("", {}), ("_304", {"If-None-Match": tag})):
            found[f"{name}{suffix}_per_s"] = await _rate(
                lambda address=address, headers=headers: client.get(  # type: ignore[misc]
                    address, headers={**_bearer(key), **headers}
                )
            )
    return found


async def _rate(ask: Callable[[], Awaitable[Any]]) -> float:
    count = 0
    end = time.perf_counter() + _READ_SECONDS

    async def repeat() -> None:
        nonlocal count
        while time.perf_counter() < end:
            await ask()
            count += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(_CLIENTS):
            group.create_task(repeat())
    return count / _READ_SECONDS


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _manage(code: str) -> str:
    root = idle.data_dir()
    command = ["bin/manage", "shell", "-c", code]
    environment = {**os.environ, "DATA_DIR": str(root)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(f"{shlex.join(command)} failed: {said.stderr}")
    return said.stdout
