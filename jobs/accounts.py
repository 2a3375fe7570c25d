"""Opening an owner's account."""

from uuid import UUID

from django.db import connection, transaction

from jobs import ledger

_OPEN = """
insert into account (owner_id, tier_id, balance, held, live_count, granted_month)
select %s, tier.name, 0, 0, 0, '' from tier where tier.name = %s
on conflict (owner_id) do nothing
"""


def open_account(owner_id: UUID, *, tier: str) -> None:
    """Open an owner's account with this month's credits. Repeating it changes nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_OPEN, [owner_id, tier])
        ledger.grant_months(limit=1, owner_id=owner_id)
        cursor.execute("select 1 from account where owner_id = %s", [owner_id])
        if cursor.fetchone() is None:
            raise ValueError(f"There is no tier {tier!r}.")
