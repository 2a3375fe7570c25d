"""Submissions a second: of the product, of the usual Django way, of PostgreSQL alone, in turns on one machine.

`bin/bench submissions` starts a stack of its own with dispatcher, relay, poller, courier and workers alive, and 1,000
accounts. Nothing is switched off; every 202 is a row afterwards, and every invariant holds. Videos are made by a
reference GPU server that renders nothing: a real one does not stand on this machine. Nor does anything work off what
the usual way enqueues. SECONDS and ROUNDS in the environment set how long and how often: 10 and 3 by default, 60 for
the figures of docs/performance.md.
"""

import json
import os
import statistics
from collections.abc import Callable, Sequence
from typing import Final

from bench import alone, gpus, load
from bench.load import Found, Plan
from bench.stack import Stack, checked, set_up, started
from bench.usual import server

_ACCOUNTS: Final = 1_000
_CLIENTS: Final = 16
# Slots, and seconds of work for a second of video.
_MODEL: Final = "elsewhere"
_SLOTS: Final = 64
_GPU_SPEED: Final = 7.5
# Half of the videos take half a minute or less, one of a hundred two minutes: of equal ones, whole waves end together.
_JITTER: Final = 0.6
_SECONDS: Final = float(os.environ.get("SECONDS", "10"))
_ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
_WARM_UP: Final = 5.0
# Of the open loop, submissions a second.
_RATE: Final = 500.0
BODY: Final = json.dumps({"prompt": "A lighthouse at dusk, waves", "seconds": 4}).encode()
_OURS: Final = BODY.replace(b'"seconds"', f'"model": "{_MODEL}", "seconds"'.encode())


def measure() -> dict[str, float]:
    """Measure and give every figure by name, with its unit in the name."""
    with (
        started(accounts=_ACCOUNTS) as stack,
        gpus.added(
            stack, model=_MODEL, slots=_SLOTS, speed=_GPU_SPEED, jitter=_JITTER, polls_per_second=10
        ),
    ):
        set_up(stack)
        print(
            f"  {_SLOTS} slots of GPUs elsewhere, half a minute to two a video, are granted all the while",
            flush=True,
        )
        print(f"  the database: {stack.settings()}", flush=True)
        with server.started(stack, accounts=_ACCOUNTS) as (usual_url, usual_keys, _):
            ours: list[Found] = []
            usual: list[Found] = []
            raw: list[float] = []
            spent: list[dict[str, float]] = []
            open_loop: list[Found] = []
            # Keys are known, statements prepared and every slot taken before anything is measured.
            _at(stack.url, "/api/v1/jobs", stack.keys, rate=None, body=_OURS, seconds=_WARM_UP)
            _at(usual_url, "/api/jobs", usual_keys, rate=None, seconds=_WARM_UP)
            for _ in range(_ROUNDS):
                open_loop.append(_ours(stack, rate=_RATE)[0])
                found, seconds = _ours(stack, rate=None)
                ours.append(found)
                spent.append(seconds)
                usual.append(_at(usual_url, "/api/jobs", usual_keys, rate=None))
                raw.append(alone.rate(stack, seconds=round(_SECONDS), clients=8))
        checked(stack)
    rate = statistics.median(found.rate for found in ours)
    return {
        "submissions_per_s": rate,
        "submissions_p50_ms": _median(ours, lambda found: found.quantile(0.5) * 1000),
        "submissions_p99_ms": _median(ours, lambda found: found.quantile(0.99) * 1000),
        "usual_way_per_s": statistics.median(found.rate for found in usual),
        "times_the_usual_way": statistics.median(
            one.rate / other.rate for one, other in zip(ours, usual, strict=True)
        ),
        "postgresql_alone_per_s": statistics.median(raw),
        "share_of_postgresql": statistics.median(
            one.rate / other for one, other in zip(ours, raw, strict=True)
        ),
        "open_loop_500_p50_ms": _median(open_loop, lambda found: found.quantile(0.5) * 1000),
        "open_loop_500_p99_ms": _median(open_loop, lambda found: found.quantile(0.99) * 1000),
        **{
            f"cpu_us_{kind.replace('-', '_')}": statistics.median(one[kind] for one in spent)
            for kind in spent[0]
        },
    }


def _ours(stack: Stack, *, rate: float | None) -> tuple[Found, dict[str, float]]:
    """Submit to the product; give what came back, and microseconds of each kind of process a submission."""
    before, was = _jobs(stack), stack.processor_seconds()
    found = _at(stack.url, "/api/v1/jobs", stack.keys, rate=rate, body=_OURS)
    spent = {
        kind: (seconds - was[kind]) / max(1, _jobs(stack) - before) * 1e6
        for kind, seconds in stack.processor_seconds().items()
    }
    rows = _jobs(stack) - before
    if rows < found.statuses[202]:
        raise SystemExit(f"{found.statuses[202]} submissions were accepted, and {rows} are there.")
    return found, spent


def _at(
    url: str,
    path: str,
    keys: Sequence[str],
    *,
    rate: float | None,
    body: bytes = BODY,
    seconds: float = _SECONDS,
) -> Found:
    scheme = "Token" if path == "/api/jobs" else "Bearer"
    requests = [
        load.request(
            url, "POST", path, key=key, scheme=scheme, body=body, Idempotency_Key=load.NUMBER
        )
        for key in keys
    ]
    (found,) = load.run(
        Plan(url=url, requests=requests, connections=_CLIENTS, seconds=seconds, rate=rate)
    )
    if set(found.statuses) != {202}:
        raise SystemExit(f"{path} answered {dict(found.statuses)}; only 202 was expected.")
    return found


def _jobs(stack: Stack) -> int:
    return int(str(stack.ask("select count(*) from job")[0]))


def _median(rounds: Sequence[Found], figure: Callable[[Found], float]) -> float:
    return statistics.median(figure(found) for found in rounds)
