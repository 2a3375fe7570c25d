"""What a long history costs: submit, get, list and grant with 10 thousand ended jobs behind them, and with 10 million.

`bin/bench growth` fills each database once and keeps it in the data folder (10 million jobs are about 12 GB and a
quarter of an hour), then asks both in turns, each from a fresh process. JOBS in the environment sets the larger one;
ROUNDS and SECONDS, how often and how long. A hundred jobs are of one owner, in both.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

from bench.kept import Databases, databases

_SMALL: Final = 10_000
_LARGE: Final = int(os.environ.get("JOBS", "10000000"))
_OF_AN_OWNER: Final = 100
_ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
_SECONDS: Final = float(os.environ.get("SECONDS", "10"))
_BATCH: Final = 100_000
_SLOTS: Final = 4
_ROOT: Final = Path(__file__).resolve().parent.parent

_OWNERS: Final = """
insert into account_user (id, password, is_superuser, email, time_zone, is_staff, is_active, joined_at)
select lpad(to_hex(n), 32, '0')::uuid, '', false, n || '@bench.example', 'UTC', false, true, now()
from generate_series(1, %(owners)s) n;
insert into account (owner_id, tier_id, balance, held, live_count, granted_month)
select lpad(to_hex(n), 32, '0')::uuid, 'internal', 1000000000, 0, 0, to_char(now(), 'YYYY-MM')
from generate_series(1, %(owners)s) n;
"""
# A year of jobs as they end, the newest an hour old; each owner's are spread over it. Ids sort by time, as ours do.
_JOBS: Final = """
with made as (
    insert into job (id, owner_id, tier_id, state, attempt, failed_count, version, prompt, model, seconds, size,
        estimate, credits_reserved, credits_charged, created_at, dispatched_at, started_at, finished_at, pool_id,
        progress, video_url, thumbnail_url, error_code, error_message, idempotency_key)
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '70008000'
            || lpad(to_hex(n), 12, '0'))::uuid,
        lpad(to_hex(1 + n %% %(owners)s), 32, '0')::uuid, 'internal', 'succeeded', 1, 0, 4,
        'A lighthouse at blue hour, take ' || n, 'preview', 4, '854x480', 4, 4, 4,
        at, at, at, at + interval '50 s', 'preview', 100, '/previews/of' || n || '.mp4', '', '', '', 'key-' || n
    from (
        select n, now() - interval '1 hour' - (%(jobs)s - n) * (interval '1 year' / %(jobs)s) as at
        from generate_series(%(first)s, %(last)s) n
    ) given returning *
), money as (
    insert into ledger_entry (account_id, job_id, kind, balance_delta, held_delta, house_delta, reason, reference)
    select owner_id, id, 'reserve', -4, 4, 0, 'submission', '' from made union all
    select owner_id, id, 'capture', 0, -4, 4, 'backend', '' from made
)
insert into job_transition (job_id, version, from_state, to_state, attempt, cause, at)
select id, 1, '', 'queued', 0, 'owner', created_at from made union all
select id, 4, 'running', state, 1, 'backend', finished_at from made
"""


def measure() -> dict[str, float]:
    """Give rates on both and what of the small one's rate the large one keeps."""
    found: dict[str, dict[int, list[float]]] = {}
    with databases() as servers:
        sources = {count: filled(servers, count) for count in (_SMALL, _LARGE)}
        for number in range(_ROUNDS):
            for count in sources if number % 2 else reversed(sources):
                copy = servers.copy(sources[count], f"measured_{count}")
                for name, rate in _asked(servers, copy, count).items():
                    found.setdefault(name, {}).setdefault(count, []).append(rate)
    shown = {}
    for name, rates in found.items():
        small, large = (statistics.median(rates[count]) for count in (_SMALL, _LARGE))
        shown[f"{name}_per_s with {_SMALL}"] = small
        shown[f"{name}_per_s with {_LARGE}"] = large
        shown[f"{name}_kept"] = large / small
    return shown


def filled(servers: Databases, count: int) -> str:
    """Give the name of the database with this history; filled now if it is not there."""
    return servers.made(
        f"history_{count}", [sys.executable, "-m", "bench.growth", "fill", str(count)], count=count
    )


def _asked(servers: Databases, name: str, count: int) -> dict[str, float]:
    said = subprocess.run(
        [sys.executable, "-m", "bench.growth", "ask", str(count)],
        cwd=_ROOT, env=servers.environment(name), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def _fill(count: int) -> None:
    import django  # noqa: PLC0415 - only this process needs it

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from jobs import seeds  # noqa: PLC0415

    call_command("migrate", interactive=False, verbosity=0)
    seeds.add_preview_pool()
    owners = max(_OF_AN_OWNER, count // _OF_AN_OWNER)
    with connection.cursor() as cursor:
        cursor.execute("set statement_timeout = 0; set synchronous_commit = off")
        # What is written is right; asking of each row would be most of the time.
        cursor.execute("set session_replication_role = replica")
        cursor.execute(_OWNERS, {"owners": owners})
        for first in range(1, count + 1, _BATCH):
            last = min(first + _BATCH - 1, count)
            cursor.execute(_JOBS, {"owners": owners, "jobs": count, "first": first, "last": last})
        cursor.execute("reset session_replication_role")
        cursor.execute("vacuum analyze")


def _ask(count: int) -> None:
    import django  # noqa: PLC0415 - only this process needs it

    django.setup()
    from jobs import days, requests, submission, transitions  # noqa: PLC0415
    from jobs.api import filters, rows  # noqa: PLC0415
    from jobs.backends.backend import Video  # noqa: PLC0415
    from jobs.idempotency import Claim  # noqa: PLC0415
    from jobs.ids import JobId  # noqa: PLC0415
    from jobs.models import Job, Pool  # noqa: PLC0415
    from scheduler import dispatch  # noqa: PLC0415

    chance = Random(count)
    owners = max(_OF_AN_OWNER, count // _OF_AN_OWNER)
    known = list(
        Job.objects.filter(owner_id__in=[UUID(int=1 + chance.randrange(owners)) for _ in range(500)])
        .order_by("prompt").values_list("id", "owner_id")[:5_000]
    )  # fmt: skip
    wanted = requests.read({"prompt": "A lighthouse at dusk, waves", "seconds": 4})
    all_days = filters.Filter(zone=days.zone("UTC"), day=None)
    video = Video(url="https://videos.example/1.mp4", thumbnail_url="")

    def submit() -> None:
        submission.submit(
            wanted,
            owner_id=UUID(int=1 + chance.randrange(owners)),
            claim=Claim.by_key(f"new {chance.getrandbits(64)}"),
        )

    def get() -> None:
        job_id, owner_id = chance.choice(known)
        rows.find(job_id, owner_id=owner_id)

    def list_() -> None:
        rows.page(all_days, owner_id=chance.choice(known)[1])

    found = {
        "submit": _rate(submit),
        "get": _rate(get),
        "list": _rate(list_),
    }
    Pool.objects.update(slots=_SLOTS)
    grants, took = 0, 0.0
    while took < _SECONDS / 4 and grants < 2_000:
        began = time.perf_counter()
        dispatch.grant_free_slots()
        took += time.perf_counter() - began
        for job_id, attempt in list(
            Job.objects.filter(state="dispatched").values_list("id", "attempt")
        ):
            grants += 1
            transitions.start(JobId(job_id), attempt=attempt)
            transitions.succeed(JobId(job_id), attempt=attempt, video=video)
    print(json.dumps({**found, "grant": grants / took}))


def _rate(act: Callable[[], None]) -> float:
    for _ in range(200):
        act()
    count, ends = 0, time.perf_counter() + _SECONDS / 4
    began = time.perf_counter()
    while time.perf_counter() < ends:
        act()
        count += 1
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    {"fill": _fill, "ask": _ask}[sys.argv[1]](int(sys.argv[2]))
