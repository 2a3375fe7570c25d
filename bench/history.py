"""A year of jobs that all ended, in every table that keeps something of a job, for as long as it is kept.

`python -m bench.history COUNT` fills the database of the environment. A hundred jobs are of one owner, spread over the
year; the newest is an hour old. Ids sort by time, as ours do, and every invariant holds. 10 million jobs are 32 GB.
"""

import os
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from bench.bulk import Filling
from bench.kept import Databases

OF_AN_OWNER: Final = 100
_YEAR: Final = 365 * 86_400
# The last job was submitted so long before the filling began.
_AGO: Final = timedelta(hours=1)
_BYTES_OF_A_JOB: Final = 3_300
_CREDITS: Final = 1_000_000_000

# Of the number of a job: `k` counts those of its owner, `made` is when it was submitted, seconds since 1970.
_JOB: Final = """
select n, (n - 1) / {owners} as k, lpad(to_hex(1 + (n - 1) % {owners}), 32, '0') as owner, made,
    to_timestamp(made) as at,
    lpad(to_hex((made * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0') as id
from (
    select n, {newest} - ({jobs} - n) * {step}::float8 as made from {numbers} offset 0
) timed offset 0
"""
_OWNER: Final = "select n, lpad(to_hex(n), 32, '0') as owner from {numbers}"
# What is written down at each of a job's moves: version, states, attempt, cause, seconds after the submission.
_MOVE: Final = f"""
select * from ({_JOB}) job cross join (values
    (1, '', 'queued', 'submitted', 0, 'owner', interval '0 s'),
    (2, 'queued', 'dispatched', 'dispatched', 1, 'grant', interval '1 s'),
    (3, 'dispatched', 'running', 'started', 1, 'backend', interval '2 s'),
    (4, 'running', 'succeeded', 'succeeded', 1, 'backend', interval '50 s')
) move (version, before, after, told, attempt, cause, later)
"""
_ENTRY: Final = f"""
select * from ({_JOB}) job cross join (values
    (0, 'grant', {_CREDITS}, 0, -{_CREDITS}, 'bench', 'bench', interval '-1 s'),
    (1, 'reserve', -4, 4, 0, 'submission', '', interval '0 s'),
    (2, 'capture', 0, -4, 4, 'backend', '', interval '50 s')
) entry (part, kind, balance, held, house, reason, reference, later)
where part > 0 or k = 0
"""
_END: Final = """'{"state": "succeeded", "attempt": 1, "version": 4, "took": 50}'"""

# By table: how many days its rows are kept (0: for good), what a row is made from, and its columns.
_OF_OWNERS: Final[dict[str, dict[str, str]]] = {
    "account_user": {
        "id": "owner", "password": "''", "is_superuser": "false", "email": "n || '@bench.example'",
        "time_zone": "'UTC'", "is_staff": "false", "is_active": "true", "joined_at": "now()",
    },
    "account": {
        "owner_id": "owner", "tier_id": "'internal'", "balance": f"{_CREDITS} - 4 * {OF_AN_OWNER}",
        "held": "0", "live_count": "0", "granted_month": "to_char(now(), 'YYYY-MM')",
    },
    "lane": {
        "owner_id": "owner", "state": "0", "tag": "0",
        "line_id": "(select id from line where tier_id = 'internal' and kind = 'preview')",
    },
    "feed_head": {"owner_id": "owner", "sequence": f"4 * {OF_AN_OWNER}"},
    "delivery_route": {
        "channel": "'email'", "target": "owner", "owner_id": "owner", "failure_count": "0",
        "succeeded_at": "now()",
    },
}  # fmt: skip
_OF_JOBS: Final[dict[str, tuple[int, str, dict[str, str]]]] = {
    "job": (0, _JOB, {
        "id": "id", "owner_id": "owner", "tier_id": "'internal'", "state": "'succeeded'", "attempt": "1",
        "failed_count": "0", "version": "4", "model": "'preview'", "seconds": "4", "size": "'854x480'",
        "prompt": "'A lighthouse at blue hour, the beam sweeping over a flat sea, take ' || n",
        "estimate": "4", "idempotency_key": "'key-' || n", "credits_reserved": "4", "credits_charged": "4",
        "created_at": "at", "dispatched_at": "at + interval '1 s'", "started_at": "at + interval '2 s'",
        "finished_at": "at + interval '50 s'", "pool_id": "'preview'", "progress": "100",
        "video_url": "'https://videos.example/' || n || '.mp4'",
        "thumbnail_url": "'https://videos.example/' || n || '.jpg'", "error_code": "''", "error_message": "''",
    }),
    "job_transition": (0, _MOVE, {
        "id": "4 * (n - 1) + version", "job_id": "id", "version": "version", "from_state": "before",
        "to_state": "after", "attempt": "attempt", "cause": "cause", "at": "at + later",
    }),
    "attempt": (0, _JOB, {
        "id": "n", "job_id": "id", "number": "1", "pool": "'preview'", "slot": "1 + n % 64",
        "worker": "'gpu@bench'", "node": "'bench'", "backend_job_id": "'video_' || n",
        "submitted_at": "at + interval '1 s'", "learned_by": "'poll'", "granted_at": "at + interval '1 s'",
        "started_at": "at + interval '2 s'", "ended_at": "at + interval '50 s'", "outcome": "'succeeded'",
        "detail": "''",
    }),
    "ledger_entry": (0, _ENTRY, {
        "id": "3 * (n - 1) + part + 1", "account_id": "owner", "kind": "kind",
        "job_id": "case when part = 0 then '\\N' else id end", "balance_delta": "balance",
        "held_delta": "held", "house_delta": "house", "reason": "reason", "reference": "reference",
        "recorded_at": "at + later",
    }),
    "outbox_event": (0, _MOVE, {
        "id": "4 * (n - 1) + version", "name": "'job.' || told", "subject_id": "id", "owner_id": "owner",
        "payload": "case version when 4 then " + _END + " else "
            "format('{\"state\": \"%s\", \"attempt\": %s, \"version\": %s}', after, attempt, version) end",
        "recorded_at": "at + later", "sequence": "4 * k + version",
        "relayed_at": "at + later + interval '20 ms'",
    }),
    "notification": (90, _JOB, {
        "id": "n", "event_id": "4 * n", "owner_id": "owner", "name": "'job.succeeded'", "subject_id": "id",
        "payload": _END, "created_at": "at + interval '51 s'",
        "read_at": "case when n % 10 = 0 then '\\N' else (at + interval '9 min')::text end",
    }),
    "delivery": (30, _JOB, {
        "id": "id", "event_id": "4 * n", "owner_id": "owner", "name": "'job.succeeded'", "subject_id": "id",
        "channel": "'email'", "target": "owner", "message_id": "'<' || id || '@bench.example>'",
        "content": "''", "payload": _END, "state": "'delivered'", "reason": "''", "due_at": "'\\N'",
        "attempt": "1", "try_count": "1", "replay_count": "0", "created_at": "at + interval '51 s'",
        "ended_at": "at + interval '52 s'",
    }),
    "delivery_attempt": (30, _JOB, {
        "id": "n", "delivery_id": "id", "number": "1", "outcome": "'delivered'", "reason": "''",
        "request": "'{}'", "answer": "''", "started_at": "at + interval '51 s'", "took_ms": "40",
    }),
    "idempotency_key": (7, _JOB, {
        "owner_id": "owner", "key": "'key-' || n", "job_id": "id", "created_at": "at",
        "fingerprint": "'\\\\x' || encode(sha256(n::text::bytea), 'hex')",
    }),
    "webhook_message": (7, _JOB, {
        "id": "n", "pool": "'preview'", "message_id": "'m' || n", "backend_job_id": "'video_' || n",
        "received_at": "at + interval '50 s'", "job_id": "id", "attempt": "1",
        "matched_at": "at + interval '50 s'",
    }),
}  # fmt: skip


def filled(databases: Databases, count: int) -> str:
    """Give the name of the database with this history; filled now if it is not there."""
    return databases.loaded(
        f"history_{count}", "bench.history", count=count, size=count * _BYTES_OF_A_JOB,
        of=repr((_OF_OWNERS, _OF_JOBS)),
    )  # fmt: skip


def job_of(number: int, count: int, *, newest: datetime) -> tuple[UUID, UUID]:
    """Give the id and the owner of a job by its number, from when the last one was submitted, as `_JOB` makes them."""
    last = (newest + _AGO).timestamp() - _AGO.total_seconds()
    made = last - (count - number) * (_YEAR / count)
    owner = UUID(int=1 + (number - 1) % (count // OF_AN_OWNER))
    return UUID(f"{round(made * 1000):012x}70008000{number:012x}"), owner


def fill(url: str, count: int) -> None:
    """Fill a migrated database, or go on with one that was cut off. `count` is a multiple of a hundred."""
    owners = count // OF_AN_OWNER
    filling = Filling(url, [*_OF_OWNERS, *_OF_JOBS])
    constants = {
        "owners": owners, "jobs": count, "step": _YEAR / count,
        "newest": filling.began_at() - _AGO.total_seconds(),
    }  # fmt: skip
    filling.strip()
    for table, columns in _OF_OWNERS.items():
        filling.load(table, columns, _OWNER, first=1, last=owners)
    for table, (days, rows, columns) in _OF_JOBS.items():
        first = 1 + (count - count * days // 365 if days else 0)
        filling.load(table, columns, _put(rows, constants), first=first, last=count)
    filling.dress()
    filling.finish()


def _put(rows: str, constants: Mapping[str, float]) -> str:
    for name, value in constants.items():
        rows = rows.replace(f"{{{name}}}", str(value))
    return rows


def main(count: int) -> None:
    """Migrate the database of the environment and fill it."""
    if count % OF_AN_OWNER:
        raise SystemExit(f"JOBS has to be a multiple of {OF_AN_OWNER}.")
    import django  # noqa: PLC0415 - nothing here needs it when it is imported

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from jobs import seeds  # noqa: PLC0415

    call_command("migrate", interactive=False, verbosity=0)
    seeds.add_preview_pool()
    fill(os.environ["DATABASE_URL"], count)


if __name__ == "__main__":
    main(int(sys.argv[1]))
