"""What an operation looks at, a page at a time: by key, after the last one looked at, and a bounded number of rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from scheduler import stuck
from scheduler.models import Doing, Operation

# What waits in its line, in the order of ids; those that were submitted since are none of its business.
_WAITING: Final = """
with page as materialized (
    select job_id, owner_id, line_id, since from backlog
    where job_id > %(after)s and job_id <= %(end)s and (%(owner)s::uuid is null or owner_id = %(owner)s)
    order by job_id limit %(most)s
)
select page.job_id, job.attempt, job.owner_id,
    (%(tier)s = '' or job.tier_id = %(tier)s) and (%(model)s = '' or job.model = %(model)s)
    and (%(older_than)s = 0 or page.since <= now() - make_interval(mins => %(older_than)s))
from page join job on job.id = page.job_id order by page.job_id
"""
# What holds a slot: no more than there are slots.
_HELD: Final = f"""
select held.job_id, held.attempt, job.owner_id,
    (%(tier)s = '' or job.tier_id = %(tier)s) and (%(model)s = '' or job.model = %(model)s)
    and (%(pool)s = '' or held.pool = %(pool)s) and (%(cause)s = '' or held.cause = %(cause)s)
    and (%(older_than)s = 0 or job.created_at <= now() - make_interval(mins => %(older_than)s))
from ({stuck.STUCK}) held join job on job.id = held.job_id
where held.job_id > %(after)s and held.job_id <= %(end)s
    and (%(owner)s::uuid is null or job.owner_id = %(owner)s)
order by held.job_id limit %(most)s
"""
# Accounts that have something waiting, each once: its lanes lie together in the key.
_ACCOUNTS: Final = """
with page as materialized (
    select distinct owner_id from (
        select owner_id from lane
        where owner_id > %(after)s and (%(owner)s::uuid is null or owner_id = %(owner)s)
        order by owner_id, line_id limit %(most)s
    ) lanes
)
select page.owner_id, 0, page.owner_id, (%(tier)s = '' or account.tier_id = %(tier)s) and exists (
    select 1 from lane where lane.owner_id = page.owner_id and lane.state > 0)
from page join account on account.owner_id = page.owner_id order by page.owner_id
"""
_STATEMENTS: Final = {
    Doing.CANCEL: _WAITING,
    Doing.MOVE_TIER: _ACCOUNTS,
    Doing.PUT_BACK: _HELD,
    Doing.ASK: _HELD,
}
_FIRST: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a page: the job (or the account), its attempt, its owner, and whether the filter takes it."""

    id: UUID
    attempt: int
    owner_id: UUID
    fits: bool


def page(operation: Operation, *, most: int) -> Sequence[Item]:
    """Give the next `most` things after the operation's cursor; none at its end."""
    filters = operation.filters
    with connection.cursor() as cursor:
        cursor.execute(
            _STATEMENTS[Doing(operation.doing)],
            {
                **stuck.values(),
                "after": operation.cursor or _FIRST,
                "end": operation.end,
                "most": most,
                "tier": filters.get("tier", ""),
                "model": filters.get("model", ""),
                "pool": filters.get("pool", ""),
                "cause": filters.get("cause", ""),
                "owner": filters.get("owner") or None,
                "older_than": int(filters.get("older_than") or 0),
            },
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return [Item(*row) for row in rows]
