"""Whole lives of jobs a second: granted, handed over by Celery, made by a server that needs no time, settled, told.

`bin/bench lives` starts a stack of its own and a reference GPU server beside it whose generations take a hundredth of
a second, submits a backlog, and counts how fast it ends. What is told of it must have been told at the end. LIVES and
SLOTS in the environment set how many, and how many at once: an order stays for two seconds or three, as its server is
asked about it once a second.
"""

import os
import time
from typing import Final

from bench import gpus, load
from bench.load import Plan
from bench.stack import Stack, checked, started
from bench.submissions import BODY

_ACCOUNTS: Final = 100
_SLOTS: Final = int(os.environ.get("SLOTS", "512"))
_LIVES: Final = int(os.environ.get("LIVES", "3000"))
# Counted from the first to the last of these shares: before, workers start; after, few are left.
_FROM: Final = 0.1
_UNTIL: Final = 0.9
_PATIENCE: Final = 300.0
_LOOK: Final = 0.25
# Of the server's questions; more than there are lives.
_POLLS: Final = 2_000


def measure() -> dict[str, float]:
    """Give lives a second and the processor time of each, by kind of process."""
    with (
        started(accounts=_ACCOUNTS) as stack,
        gpus.added(
            stack, model="instant", slots=_SLOTS, speed=0.0025, jitter=0, polls_per_second=_POLLS
        ),
    ):
        found = _drained(stack)
        checked(stack)
    return found


def _drained(stack: Stack) -> dict[str, float]:
    body = BODY.replace(b'"seconds"', b'"model": "instant", "seconds"')
    requests = [
        load.request(
            stack.url, "POST", "/api/v1/jobs", key=key, body=body, Idempotency_Key=load.NUMBER
        )
        for key in stack.keys
    ]
    plan = Plan(url=stack.url, requests=requests, connections=16, seconds=1.0, warm_up=0.0)
    while _submitted(stack) < _LIVES:
        (answers,) = load.run(plan)
        if set(answers.statuses) != {202}:
            raise SystemExit(f"Submissions were answered {dict(answers.statuses)}.")
    submitted, already = _submitted(stack), _ended(stack)
    marks = [already + (submitted - already) * share for share in (_FROM, _UNTIL)]
    before, first = _reached(stack, marks[0])
    spent_before = stack.processor_seconds()
    after, last = _reached(stack, marks[1])
    spent = stack.processor_seconds()
    _reached(stack, submitted)
    began = time.monotonic()
    while stack.ask("select exists (select from outbox_event where relayed_at is null)")[0]:
        if time.monotonic() - began > _PATIENCE:
            raise SystemExit("Events of ended jobs were not relayed.")
        time.sleep(_LOOK)
    if untold := stack.ask(_UNTOLD)[0]:
        raise SystemExit(f"{untold} of {submitted} owners' jobs ended without a notification.")
    lives = last - first
    return {
        "lives_per_s": lives / (after - before),
        "backlog": float(submitted),
        **{
            f"cpu_us_{kind.replace('-', '_')}": (spent[kind] - spent_before[kind]) / lives * 1e6
            for kind in spent
        },
    }


_UNTOLD: Final = """
select count(*) from job where state = 'succeeded'
    and not exists (select from notification where subject_id = job.id and name = 'job.succeeded')
"""


def _reached(stack: Stack, count: float) -> tuple[float, int]:
    """Wait until so many have ended; give the moment and how many it were."""
    deadline = time.monotonic() + _PATIENCE
    while (ended := _ended(stack)) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"Only {ended} of {count:.0f} jobs ended within {_PATIENCE:.0f} s.")
        time.sleep(_LOOK)
    return time.monotonic(), ended


def _submitted(stack: Stack) -> int:
    return int(str(stack.ask("select count(*) from job")[0]))


def _ended(stack: Stack) -> int:
    return int(str(stack.ask("select count(*) from job where state = 'succeeded'")[0]))
