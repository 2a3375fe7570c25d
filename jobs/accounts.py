"""Opening an owner's account and giving it credits."""

from datetime import UTC, datetime
from uuid import UUID

from django.db import connection, transaction

# One statement: the unique (account, reason) of grants decides, and the balance follows the entry.
_GRANT = """
with entry as (
    insert into ledger_entry (account_id, kind, balance_delta, held_delta, reason)
    values (%(owner)s, 'grant', %(amount)s, 0, %(reason)s)
    on conflict do nothing
    returning account_id, balance_delta
)
update account set balance = balance + entry.balance_delta
from entry where account.owner_id = entry.account_id
"""

_OPEN = """
insert into account (owner_id, tier_id, balance, held, live_count) values (%s, %s, 0, 0, 0)
on conflict (owner_id) do nothing
"""


def open_account(owner_id: UUID, *, tier: str) -> None:
    """Open an owner's account with this month's credits. Repeating it changes nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_OPEN, [owner_id, tier])
        cursor.execute("select monthly_credits from tier where name = %s", [tier])
        found = cursor.fetchone()
        if found is None:
            raise ValueError(f"There is no tier {tier!r}.")
        month = datetime.now(tz=UTC).strftime("%Y-%m")
        grant(owner_id, amount=found[0], reason=f"monthly {month}")


def grant(owner_id: UUID, *, amount: int, reason: str) -> bool:
    """Give credits once per reason; say whether they were given now."""
    with connection.cursor() as cursor:
        cursor.execute(_GRANT, {"owner": owner_id, "amount": amount, "reason": reason})
        return bool(cursor.rowcount == 1)
