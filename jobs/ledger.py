"""Every way that credits move.

Grants are statements of their own; a reservation and a settlement are parts of the statement that
creates or ends a job, so that money and state change together or not at all. Each entry has three
legs that sum to zero: the owner's balance, what live jobs hold, the house.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import connection

# Parts of the submit statement: `entered` is the account with room, `created` the new job.
RESERVE_BALANCE: Final = """
    update account a set balance = a.balance - %(credits)s, held = a.held + %(credits)s,
        live_count = a.live_count + 1
    from entered where a.owner_id = entered.owner_id
"""
RESERVE_ENTRY: Final = """
    insert into ledger_entry
        (account_id, job_id, kind, balance_delta, held_delta, house_delta, reason, reference)
    select owner_id, id, 'reserve', -%(credits)s, %(credits)s, 0, 'submission', '' from created
"""
# Parts of a move's statement: `moved` is the job after the move. One settlement a job, by a unique index.
SETTLE_ENTRY: Final = """
    insert into ledger_entry
        (account_id, job_id, kind, balance_delta, held_delta, house_delta, reason, reference)
    select owner_id, id,
        case when %(to)s = 'succeeded' or credits_charged > 0 then 'capture' else 'release' end,
        credits_reserved - credits_charged, -credits_reserved, credits_charged, %(cause)s, ''
    from moved where %(ends)s
"""
SETTLE_BALANCE: Final = """
    update account set balance = balance + credits_reserved - credits_charged,
        held = held - credits_reserved, live_count = live_count - 1
    from moved where account.owner_id = moved.owner_id and %(ends)s
"""

# The unique (account, reference) of grants decides, and the balance follows the entry.
_GRANT: Final = """
with entry as (
    insert into ledger_entry
        (account_id, kind, balance_delta, held_delta, house_delta, reason, reference)
    values (%(owner)s, 'grant', %(amount)s, 0, -%(amount)s, %(reason)s, %(reference)s)
    on conflict do nothing
    returning account_id, balance_delta
)
update account set balance = balance + entry.balance_delta
from entry where account.owner_id = entry.account_id
"""
# Accounts that lack this month's credits; the month is UTC's, by the database's clock.
_GRANT_MONTHS: Final = """
with this as (
    select to_char(now() at time zone 'UTC', 'YYYY-MM') as month
), due as materialized (
    select a.owner_id, t.name, t.monthly_credits, this.month
    from this cross join account a join tier t on t.name = a.tier_id
    where a.granted_month < this.month
        and (%(owners)s::uuid[] is null or a.owner_id = any(%(owners)s))
    order by a.granted_month, a.owner_id limit %(limit)s
    for no key update of a skip locked
), entry as (
    insert into ledger_entry
        (account_id, kind, balance_delta, held_delta, house_delta, reason, reference)
    select owner_id, 'grant', monthly_credits, 0, -monthly_credits,
        'Monthly credits of the ' || name || ' plan', 'monthly ' || month
    from due
    on conflict do nothing
    returning account_id, balance_delta
)
update account set granted_month = due.month,
    balance = balance + coalesce(entry.balance_delta, 0)
from due left join entry on entry.account_id = due.owner_id
where account.owner_id = due.owner_id
"""


def grant(owner_id: UUID, *, amount: int, reason: str, reference: str) -> bool:
    """Give credits once per reference; say whether they were given now. `reason` is for people."""
    if amount < 0:
        raise ValueError(f"A grant gives credits; {amount} would take some away.")
    with connection.cursor() as cursor:
        cursor.execute(
            _GRANT,
            {"owner": owner_id, "amount": amount, "reason": reason, "reference": reference},
        )
        return bool(cursor.rowcount == 1)


def grant_months(owner_ids: Sequence[UUID] | None = None, *, limit: int) -> int:
    """Give this month's credits to accounts that lack them, at most `limit`; say how many there were.

    `owner_ids` names the accounts; None means any.
    """
    owners = None if owner_ids is None else list(owner_ids)
    with connection.cursor() as cursor:
        cursor.execute(_GRANT_MONTHS, {"owners": owners, "limit": limit})
        return int(cursor.rowcount)
