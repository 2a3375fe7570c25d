"""What a page costs the server for an owner of 10,000 jobs in a day: milliseconds, the fastest of several."""

import time
from typing import Final

from bench import private

_JOBS: Final = 10_000
_TIMES: Final = 15

# A day of jobs as they end: each with its reservation and charge, its notification and its last move.
_FILL: Final = """
with made as (
    insert into job (id, owner_id, tier_id, state, attempt, failed_count, version, prompt, model, seconds,
        size, estimate, credits_reserved, credits_charged, created_at, dispatched_at, started_at, finished_at,
        pool_id, progress, video_url, thumbnail_url, error_code, error_message)
    select gen_random_uuid(), %(owner)s, 'internal', state, 1, 0, 4,
        repeat('A lighthouse at blue hour, the beam sweeping over a flat sea. ', 3) || n, 'preview', 4, '854x480',
        4, 4, case when state = 'succeeded' then 4 else 0 end,
        at, at + interval '1 s', at + interval '2 s', at + interval '50 s', 'preview', 100,
        case when state = 'succeeded' then '/previews/of' || n || '.mp4' else '' end, '', '',
        case when state = 'failed' then 'The model ran out of memory.' else '' end
    from (
        select n, case when n %% 20 = 0 then 'failed' else 'succeeded' end as state,
            greatest(date_trunc('day', now()), now() - n * interval '1 s') as at
        from generate_series(1, %(jobs)s) n
    ) given returning *
), money as (
    insert into ledger_entry (account_id, job_id, kind, balance_delta, held_delta, house_delta, reason, reference)
    select owner_id, id, 'reserve', -4, 4, 0, 'submission', '' from made
), moved as (
    insert into job_transition (job_id, version, from_state, to_state, attempt, cause, at)
    select id, 1, '', 'queued', 0, 'owner', created_at from made union all
    select id, 4, 'running', state, 1, 'backend', finished_at from made
), told as (
    insert into notification (event_id, owner_id, name, subject_id, payload)
    select row_number() over (), owner_id, 'job.' || state, id, '{}' from made
)
select count(*) from made
"""


def measure() -> dict[str, float]:
    """Fill a day and ask for every page."""
    with private.application():
        from django.db import connection  # noqa: PLC0415 - after django.setup
        from django.test import Client  # noqa: PLC0415

        from jobs.models import Job  # noqa: PLC0415
        from videogen.accounts.models import User  # noqa: PLC0415

        owner = private.add_owner("pages")
        with connection.cursor() as cursor:
            cursor.execute(_FILL, {"owner": owner, "jobs": _JOBS})
            cursor.execute("vacuum analyze")
        client = Client(SERVER_NAME="localhost")
        client.force_login(User.objects.get(pk=owner))
        some_job = Job.objects.filter(owner_id=owner, state="succeeded").first()
        assert some_job is not None  # noqa: S101 - it was made above
        addresses = {
            "studio": "/",
            "studio again (JSON)": "/",
            "one card (JSON)": f"/jobs/{some_job.id}/card",
            "job": f"/jobs/{some_job.id}/",
            "history": "/history",
            "history of the day": "/history?day=today",
            "history, failed": "/history?state=failed",
            "history, text in one": "/history?q=sea.+9999",
            "history, text in none": "/history?q=nothing+has+this",
            "usage, nothing remembered": "/usage",
            "usage": "/usage",
            "notifications": "/notifications",
            "numbers (JSON)": "/numbers",
        }
        found: dict[str, float] = {}
        for name, address in addresses.items():
            wall, processor = _cost(client, name, address)
            found |= {f"{name}, ms": wall, f"{name}, Python ms": processor}
        return found


def _cost(client: object, name: str, address: str) -> tuple[float, float]:
    from django.core.cache import cache  # noqa: PLC0415 - after django.setup
    from django.test import Client  # noqa: PLC0415

    if not isinstance(client, Client):
        raise TypeError(client)
    accept = "application/json" if "JSON" in name else "text/html"
    client.get(address, headers={"accept": accept})
    took, worked = [], []
    for _ in range(_TIMES):
        if "nothing remembered" in name:
            cache.clear()
        began, worked_before = time.perf_counter(), time.process_time()
        answer = client.get(address, headers={"accept": accept})
        took.append(1_000 * (time.perf_counter() - began))
        worked.append(1_000 * (time.process_time() - worked_before))
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answered {answer.status_code}")
    # The others were slowed by something else on the machine.
    return min(took), min(worked)
