"""A backlog of any size, filled by COPY: a few owners have most of it, in lines of three tiers and two kinds.

`python -m bench.backlog COUNT OWNERS` migrates the database of the environment and fills it.
"""

import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

_OWNERS = 50_000
# Reserved for each job.
_CREDITS = 4
# Of a hundred owners so many are of each tier.
_TIERS = {"free": 70, "pro": 25, "enterprise": 5}
_KINDS = ("large", "small")

_ACCOUNTS = """
insert into account_user (id, password, is_superuser, email, time_zone, is_staff, is_active, joined_at)
select id, '', false, id || '@bench.example', 'UTC', false, true, now() from unnest(%(ids)s::uuid[]) id;
insert into account (owner_id, tier_id, balance, held, live_count, granted_month)
select id, tier, 1000000000, 0, 0, to_char(now(), 'YYYY-MM')
from unnest(%(ids)s::uuid[], %(tiers)s::text[]) as given (id, tier);
"""
_JOBS = """
copy job (id, owner_id, tier_id, state, attempt, failed_count, version, prompt, model, seconds, size,
    estimate, credits_reserved, credits_charged, progress, video_url, thumbnail_url, error_code,
    error_message) from stdin
"""
_WAITING = "copy backlog (job_id, owner_id, line_id, cost, since) from stdin"
_LANES = (
    """
insert into lane (owner_id, line_id, state, tag, work, jobs, head_id, head_cost, head_since)
select b.owner_id, b.line_id, 1, random() * 100, b.work, b.jobs, head.job_id, head.cost, head.since
from (select owner_id, line_id, sum(cost) as work, count(*) as jobs from backlog
    group by owner_id, line_id) b
cross join lateral (select job_id, cost, since from backlog
    where owner_id = b.owner_id and line_id = b.line_id order by job_id limit 1) head
""",
    f"""
update account set live_count = b.found, held = {_CREDITS} * b.found
from (select owner_id, count(*) as found from backlog group by owner_id) b
where account.owner_id = b.owner_id
""",
    "vacuum analyze",
)
_EMPTY = "truncate job, backlog, lane, lease, slot_use, progress cascade"


def add_owners() -> list[uuid.UUID]:
    """Add the accounts, a pool for each kind and one for both, and their lines."""
    from django.db import connection  # noqa: PLC0415 - after django.setup

    from jobs import pools  # noqa: PLC0415

    for name, kinds in (("a", ["large"]), ("b", ["small"]), ("c", ["large", "small"])):
        pools.put(
            name,
            {
                "driver": "preview",
                "slots": 0,
                "model_names": kinds,
                "seconds": [4],
                "sizes": ["854x480"],
            },
            actor="bench",
        )
    random = Random(1)
    ids = [uuid.UUID(int=number + 1) for number in range(_OWNERS)]
    tiers = random.choices(list(_TIERS), list(_TIERS.values()), k=_OWNERS)
    with connection.cursor() as cursor:
        cursor.execute(_ACCOUNTS, {"ids": ids, "tiers": tiers})
    return ids


def fill(owners: list[uuid.UUID], count: int, *, among: int) -> None:
    """Let so many jobs wait, of as many of the owners; a few of them have most (cubic skew)."""
    from django.db import connection  # noqa: PLC0415 - after django.setup

    random = Random(2)
    with connection.cursor() as cursor:
        cursor.execute(_EMPTY)
        cursor.execute(
            "select tier_id, model, line.id from line join offering on offering.kind_id = line.kind"
        )
        lines = {(tier, kind): number for tier, kind, number in cursor.fetchall()}
        cursor.execute("select owner_id, tier_id from account")
        tiers = dict(cursor.fetchall())
        # Foreign keys are known to hold, and a million checks are not what is measured.
        cursor.execute("set session_replication_role = replica")
        cursor.execute("set statement_timeout = 0")
        rows = list(_rows(random, owners[:among], count, tiers, lines))
        with cursor.copy(_JOBS) as copy:
            for job_id, owner, tier, kind, cost, _ in rows:
                given = (
                    job_id,
                    owner,
                    tier,
                    "queued",
                    0,
                    0,
                    1,
                    "A whale",
                    kind,
                    4,
                    "854x480",
                    cost,
                )
                copy.write_row((*given, _CREDITS, 0, 0, "", "", "", ""))
        with cursor.copy(_WAITING) as copy:
            for number, (job_id, owner, _, _, cost, line) in enumerate(rows):
                copy.write_row((job_id, owner, line, cost, _since(number / count)))
        cursor.execute("reset session_replication_role")
        for statement in _LANES:
            cursor.execute(statement)
        cursor.execute("reset statement_timeout")


def _since(part: float) -> str:
    """Give a moment in the hours before a fixed one: everything waited long, and the first the longest."""
    return str(datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=20_000 * (1 - part)))


def _rows(
    random: Random,
    owners: list[uuid.UUID],
    count: int,
    tiers: dict[uuid.UUID, str],
    lines: dict[tuple[str, str], int],
) -> Iterator[tuple[Any, ...]]:
    for number in range(count):
        # Everyone has one first, so that as many lanes are ready as there can be.
        place = number if number < len(owners) else int(len(owners) * random.random() ** 3)
        owner = owners[place]
        tier, kind = tiers[owner], random.choice(_KINDS)
        cost = random.lognormvariate(3.4, 0.9)
        yield (
            uuid.UUID(int=(0x7 << 76) | (number << 80)),
            owner,
            tier,
            kind,
            cost,
            lines[tier, kind],
        )


def main(count: int, among: int) -> None:
    """Make the tables, the owners and the backlog."""
    import django  # noqa: PLC0415 - nothing here needs it when it is imported

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    call_command("migrate", interactive=False, verbosity=0)
    fill(add_owners(), count, among=among)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
