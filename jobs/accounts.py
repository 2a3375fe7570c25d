"""Opening an owner's account, and moving it to another tier."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from jobs import lanes, ledger, progress

_OPEN: Final = """
insert into account (owner_id, tier_id, balance, held, live_count, granted_month)
select owner_id, tier.name, 0, 0, 0, '' from unnest(%s::uuid[]) as owner_id, tier where tier.name = %s
on conflict (owner_id) do nothing
"""
_MOVE_ACCOUNT: Final = """
with old as materialized (
    select owner_id, tier_id from account where owner_id = %(owner)s for no key update
)
update account set tier_id = tier.name from old, tier
where account.owner_id = old.owner_id and tier.name = %(tier)s
returning old.tier_id
"""
_LOCK_LANES: Final = "select 1 from lane where owner_id = %s order by line_id for no key update"
_MOVING: Final = """
select lane.line_id, target.id from lane join line on line.id = lane.line_id
join line target on target.kind = line.kind and target.tier_id = %(tier)s
where lane.owner_id = %(owner)s and lane.state > 0 and line.tier_id = %(before)s
order by target.id
"""
# The owner starts level with the others of the new line, as one who comes back does.
_MOVE_WAITING: Final = f"""
with leveled as (
    update lane set tag = greatest(lane.tag, {progress.VIRTUAL_TIME.format(line="lane.line_id")})
    where lane.owner_id = %(owner)s and lane.line_id = %(after)s and lane.state = 0
), moved as (
    update backlog set line_id = %(after)s where owner_id = %(owner)s and line_id = %(line)s
    returning job_id
)
update job set tier_id = %(tier)s from moved where job.id = moved.job_id
"""


def open_account(owner_id: UUID, *, tier: str) -> None:
    """Open an owner's account with this month's credits. Repeating it changes nothing."""
    open_accounts([owner_id], tier=tier)


def open_accounts(owner_ids: Sequence[UUID], *, tier: str) -> None:
    """Open accounts with this month's credits, in one transaction. Raises ValueError for an unknown tier."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select 1 from tier where name = %s", [tier])
        if cursor.fetchone() is None:
            raise ValueError(f"There is no tier {tier!r}.")
        cursor.execute(_OPEN, [list(owner_ids), tier])
        ledger.grant_months(owner_ids, limit=len(owner_ids))


def change_tier(owner_id: UUID, *, tier: str) -> str:
    """Move an account to another tier, and what it has waiting to that tier's lines; give the old one.

    What runs goes on where it was granted, standby stays standby, and a job that is tried again comes back
    to the new line. Raises ValueError when there is no such account or tier.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        values: dict[str, Any] = {"owner": owner_id, "tier": tier}
        cursor.execute(_MOVE_ACCOUNT, values)
        found = cursor.fetchone()
        if found is None:
            raise ValueError(f"There is no account {owner_id}, or no tier {tier!r}.")
        before = str(found[0])
        if before == tier:
            return before
        cursor.execute(_LOCK_LANES, [owner_id])
        cursor.execute(_MOVING, {**values, "before": before})
        moving = cursor.fetchall()
        for line, after in moving:
            lanes.lock(owner_id, after)
            cursor.execute(_MOVE_WAITING, {**values, "line": line, "after": after})
            lanes.mend(owner_id, line)
            lanes.mend(owner_id, after)
    return before
