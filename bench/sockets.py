"""5,000 open pages on one push process and 500 events a second: what a socket weighs, how late an event comes.

`bin/bench sockets` starts a stack of its own with everything alive, opens a socket for each of 5,000 accounts from a
process of its own, writes events by the outbox, and compares clocks: when the row was written, and when the page had
it, relay and all between. SOCKETS, RATE and SECONDS in the environment set how many.
"""

import os
import random
import statistics
import time
from typing import Final

import psutil
import psycopg

from bench import open_pages
from bench.stack import Stack, checked, set_up, started

_SOCKETS: Final = int(os.environ.get("SOCKETS", "5000"))
_RATE: Final = int(os.environ.get("RATE", "500"))
_SECONDS: Final = float(os.environ.get("SECONDS", "10"))
_RECORD: Final = """
insert into outbox_event (name, subject_id, owner_id, payload)
select 'job.started', gen_random_uuid(), owner, jsonb_build_object('version', 1)
from unnest(%s::uuid[]) owner
returning id
"""
_NUMBERED: Final = """
select owner_id::text, sequence, extract(epoch from recorded_at)::float8
from outbox_event where id = any(%s)
"""


def measure() -> dict[str, float]:
    """Measure and give every figure by name, with its unit in the name."""
    with started(accounts=_SOCKETS) as stack:
        set_up(stack)
        found = _measure(stack)
        checked(stack)
    return found


def _measure(stack: Stack) -> dict[str, float]:
    push = psutil.Process(stack.running.pid_of("push"))
    with psycopg.connect(stack.database, autocommit=True) as connection:
        owners = open_pages.owners_of(connection, stack.keys)
        empty = push.memory_full_info().pss
        with open_pages.opened(str(stack.running.demo["push_url"]), stack.keys) as pages:
            # Each socket is looked at once, and garbage of the opening goes.
            time.sleep(3)
            full = push.memory_full_info().pss
            before = push.cpu_times()
            ids = _record(connection, owners)
            spent = sum(push.cpu_times()[:2]) - sum(before[:2])
            came = pages.came(len(ids))
            rows = connection.execute(_NUMBERED, [ids]).fetchall()
    took = []
    numbers = {owner: number for number, owner in enumerate(owners)}
    for owner, sequence, recorded_at in rows:
        if (at := came.get((numbers[owner], sequence))) is None:
            raise SystemExit(f"Event {sequence} of {owner} came to no page.")
        took.append((at - recorded_at) * 1000)
    return {
        "sockets": float(_SOCKETS),
        "events_per_s": _RATE,
        "memory_per_socket_kb": (full - empty) / _SOCKETS / 1000,
        "write_to_page_p50_ms": statistics.median(took),
        "write_to_page_p99_ms": statistics.quantiles(took, n=100)[-1],
        "push_cpu_us_per_event": spent / len(ids) * 1e6,
    }


def _record(connection: "psycopg.Connection[tuple[object, ...]]", owners: list[str]) -> list[int]:
    """Write events at an even rate, a few in each transaction; wake the relay as the product does. Give their ids."""
    from notifications import wakeup  # noqa: PLC0415 - Django is set up by now

    chance, ids, sent = random.Random(5), [], 0
    began = time.monotonic()
    while (passed := time.monotonic() - began) < _SECONDS:
        if due := int(passed * _RATE) - sent:
            chosen = chance.sample(owners, min(due, len(owners)))
            ids += [int(str(row[0])) for row in connection.execute(_RECORD, [chosen])]
            wakeup.wake(wakeup.RELAY)
            sent += len(chosen)
        time.sleep(0.004)
    return ids
