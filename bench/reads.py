"""Reads a second: one job, today's list of 50, and both where the client has them already.

`bin/bench reads` starts a stack of its own with everything alive and two web processes, gives a hundred accounts a day
of ended jobs, and asks in turns, each request with another key. The usual Django way answers the same questions beside
it. SECONDS and ROUNDS as of `bin/bench submissions`.
"""

import asyncio
import json
import os
import statistics
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import uuid4

import psycopg

from bench import days, wrk
from bench.load import Plan, request
from bench.raw import Connection
from bench.stack import Stack, started
from bench.usual import server

_ACCOUNTS: Final = 100
_JOBS: Final = 60
_CLIENTS: Final = 16
_SECONDS: Final = float(os.environ.get("SECONDS", "10"))
_ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
_LIST: Final = "/api/v1/jobs?limit=50"


class _Question(NamedTuple):
    name: str
    status: int
    requests: Sequence[bytes]


def measure() -> dict[str, float]:
    """Measure and give every figure by name, with its unit in the name."""
    with started(accounts=_ACCOUNTS) as stack:
        _fill(stack)
        print(f"  the database: {stack.settings()}", flush=True)
        questions = asyncio.run(_questions(stack))
        with server.started(stack, accounts=_ACCOUNTS) as (usual_url, usual_keys, _):
            usual = asyncio.run(_usual_questions(usual_url, usual_keys))
            found: dict[str, list[float]] = {}
            for _ in range(_ROUNDS):
                for question in questions:
                    before = stack.processor_seconds()
                    rate, p50, p99 = _ask(stack.url, question)
                    spent = stack.processor_seconds()
                    for name, value in {
                        "per_s": rate,
                        "p50_ms": p50 * 1000,
                        "p99_ms": p99 * 1000,
                        "web_us": (spent["web"] - before["web"]) / (rate * _SECONDS) * 1e6,
                        "postgres_us": (spent["postgres"] - before["postgres"])
                        / (rate * _SECONDS)
                        * 1e6,
                    }.items():
                        found.setdefault(f"{question.name}_{name}", []).append(value)
                for question in usual:
                    rate, _, _ = _ask(usual_url, question)
                    found.setdefault(f"usual_way_{question.name}_per_s", []).append(rate)
    return {name: statistics.median(values) for name, values in found.items()}


def _ask(url: str, question: _Question) -> tuple[float, float, float]:
    plan = Plan(url=url, requests=question.requests, connections=_CLIENTS, seconds=_SECONDS)
    return wrk.run(plan, status=question.status)


def _fill(stack: Stack) -> None:
    with psycopg.connect(stack.database, autocommit=True) as connection:
        owners = connection.execute(
            "select owner_id from account where tier_id = 'internal' order by owner_id desc limit %s",
            [_ACCOUNTS],
        ).fetchall()
        # Rows as they are read; nobody lived these jobs, so that there is no history to check afterwards.
        for (owner,) in owners:
            values = {"owner": owner, "endpoint": uuid4(), "jobs": _JOBS}
            connection.execute(days.FILL.encode(), values)
        connection.execute("vacuum analyze")


async def _questions(stack: Stack) -> list[_Question]:
    """Ask everything once, for the tags, and to see that it is answered as it should be."""
    connection = await Connection.to(stack.url)
    asked: dict[str, list[bytes]] = {}
    for key in stack.keys:
        _, headers, body = await connection.ask("GET", _LIST, key=key)
        jobs = json.loads(body)["jobs"]
        if len(jobs) != 50:
            raise SystemExit(f"A list has {len(jobs)} jobs; 50 were expected.")
        path = f"/api/v1/jobs/{jobs[0]['id']}"
        _, of_job, _ = await connection.ask("GET", path, key=key)
        for name, address, tag in (
            ("status", path, None),
            ("status_304", path, of_job["etag"]),
            ("list", _LIST, None),
            ("list_304", _LIST, headers["etag"]),
        ):
            known: dict[str, Any] = {"If_None_Match": tag} if tag else {}
            status, _, _ = await connection.ask("GET", address, key=key, **known)
            if status != (304 if tag else 200):
                raise SystemExit(f"{address} was answered {status}.")
            asked.setdefault(name, []).append(request(stack.url, "GET", address, key=key, **known))
    connection.close()
    return [
        _Question(name, 304 if name.endswith("304") else 200, every)
        for name, every in asked.items()
    ]


async def _usual_questions(url: str, keys: Sequence[str]) -> list[_Question]:
    """Submit 60 jobs for a few accounts and ask for the last of them, and for 50."""
    connection = await Connection.to(url)
    body = json.dumps({"prompt": "A lighthouse at dusk, waves", "seconds": 4}).encode()
    one, many = [], []
    for key in keys[:10]:
        for _ in range(_JOBS):
            _, _, answer = await connection.ask(
                "POST", "/api/jobs", key=key, scheme="Token", body=body
            )
        path = f"/api/jobs/{json.loads(answer)['id']}"
        one.append(request(url, "GET", path, key=key, scheme="Token"))
        many.append(request(url, "GET", "/api/jobs?limit=50", key=key, scheme="Token"))
    connection.close()
    return [_Question("status", 200, one), _Question("list", 200, many)]
