"""Opening an owner's account."""

from collections.abc import Sequence
from uuid import UUID

from django.db import connection, transaction

from jobs import ledger

_OPEN = """
insert into account (owner_id, tier_id, balance, held, live_count, granted_month)
select owner_id, tier.name, 0, 0, 0, '' from unnest(%s::uuid[]) as owner_id, tier where tier.name = %s
on conflict (owner_id) do nothing
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
