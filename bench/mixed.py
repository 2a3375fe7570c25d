"""Everything at once: 300 submissions and 1,500 reads a second, while slots are granted and pages hear of it.

`bin/bench mixed` starts a stack of its own with everything alive and a reference GPU server whose generations take a
second, keeps both open loops for SECONDS, and reads from the rows how long a slot that was given back stayed empty
while jobs waited, and how long after the row was written a page had each event.
"""

import json
import os
import statistics
import time
from typing import Final

import psycopg

from bench import gpus, load, open_pages
from bench.load import Found, Plan
from bench.stack import Stack, checked, started
from bench.submissions import BODY

_ACCOUNTS: Final = 1_000
# Accounts that have a page open.
_PAGES: Final = 200
_SLOTS: Final = 16
_SUBMISSIONS: Final = float(os.environ.get("SUBMISSIONS", "300"))
_READS: Final = float(os.environ.get("READS", "1500"))
_SECONDS: Final = float(os.environ.get("SECONDS", "10"))
_WARM_UP: Final = 2.0
# Of each slot: from its attempt's end to the next grant.
_EMPTY: Final = """
select extract(epoch from next_at - ended_at)::float8 * 1000 from (
    select ended_at, lead(granted_at) over (partition by pool, slot order by granted_at) as next_at
    from attempt where pool = 'quick'
) held
where ended_at > to_timestamp(%s) and next_at <= to_timestamp(%s)
"""
_EVENTS: Final = """
select owner_id::text, sequence, extract(epoch from recorded_at)::float8 from outbox_event
where owner_id = any(%s::uuid[]) and recorded_at between to_timestamp(%s) and to_timestamp(%s)
order by id
"""
_KNOWN: Final = "select count(*) from outbox_event where owner_id = any(%s::uuid[])"
_UNSENT: Final = "select exists (select from outbox_event where relayed_at is null)"


def measure() -> dict[str, float]:
    """Measure and give every figure by name, with its unit in the name."""
    with (
        started(accounts=_ACCOUNTS) as stack,
        gpus.added(stack, model="quick", slots=_SLOTS, speed=0.25, jitter=0.1, polls_per_second=50),
    ):
        found = _measure(stack)
        checked(stack)
    return found


def _measure(stack: Stack) -> dict[str, float]:
    url, keys = stack.url, stack.keys
    body = BODY.replace(b'"seconds"', b'"model": "quick", "seconds"')
    submits = [
        load.request(url, "POST", "/api/v1/jobs", key=key, body=body, Idempotency_Key=load.NUMBER)
        for key in keys
    ]
    plan = Plan(url=url, requests=submits, connections=16, seconds=2.0, rate=_SUBMISSIONS)
    load.run(plan)
    with psycopg.connect(stack.database, autocommit=True) as connection:
        owners = open_pages.owners_of(connection, keys)
        reads = [
            load.request(url, "GET", f"/api/v1/jobs/{job}", key=keys[owners.index(owner)])
            for job, owner in connection.execute(
                "select distinct on (owner_id) id::text, owner_id::text from job where owner_id = any(%s::uuid[])",
                [owners],
            ).fetchall()
        ]
        shown = owners[:_PAGES]
        while connection.execute(_UNSENT).fetchone() == (True,):
            time.sleep(0.2)
        with open_pages.opened(str(stack.running.demo["push_url"]), keys[:_PAGES]) as pages:
            # What was told before they were open they cannot have heard.
            (known,) = connection.execute(_KNOWN, [shown]).fetchone() or (0,)
            began = time.time() + _WARM_UP
            written, read = load.run(
                Plan(url=url, requests=submits, connections=16, seconds=_SECONDS, rate=_SUBMISSIONS, warm_up=_WARM_UP),
                Plan(url=url, requests=reads, connections=16, seconds=_SECONDS, rate=_READS, warm_up=_WARM_UP),
            )  # fmt: skip
            ended = began + _SECONDS
            while connection.execute(_UNSENT).fetchone() == (True,):
                time.sleep(0.2)
            (now,) = connection.execute(_KNOWN, [shown]).fetchone() or (0,)
            # What was relayed last is on its way.
            time.sleep(1)
            came = pages.came(int(str(now)) - int(str(known)))
        empty = [float(str(ms)) for (ms,) in connection.execute(_EMPTY, [began, ended]).fetchall()]
        events = connection.execute(_EVENTS, [shown, began, ended]).fetchall()
    for found, status in ((written, 202), (read, 200)):
        if set(found.statuses) != {status}:
            raise SystemExit(f"Answered {dict(found.statuses)}; only {status} was expected.")
    number = {owner: at for at, owner in enumerate(shown)}
    if lost := [one for one in events if (number[str(one[0])], int(str(one[1]))) not in came]:
        raise SystemExit(f"{len(lost)} of {len(events)} events came to no page.")
    heard = [
        (came[number[str(owner)], int(str(sequence))] - float(str(at))) * 1000
        for owner, sequence, at in events
    ]
    print(f"  {json.dumps({'grants': len(empty), 'events': len(heard)})}", flush=True)
    return {
        **_figures("submission", written),
        **_figures("read", read),
        "slot_empty_p50_ms": statistics.median(empty),
        "slot_empty_p99_ms": statistics.quantiles(empty, n=100)[-1],
        "write_to_page_p50_ms": statistics.median(heard),
        "write_to_page_p99_ms": statistics.quantiles(heard, n=100)[-1],
    }


def _figures(name: str, found: Found) -> dict[str, float]:
    return {
        f"{name}s_per_s": found.rate,
        f"{name}_p50_ms": found.quantile(0.5) * 1000,
        f"{name}_p99_ms": found.quantile(0.99) * 1000,
    }
