"""Every way that credits move.

Grants are statements of their own; a reservation and a settlement are parts of the statement that
creates or ends a job, so that money and state change together or not at all. Each entry has three
legs that sum to zero: the owner's balance, what live jobs hold, the house.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import connection

from notifications import outbox, wakeup

# Somebody gave credits with a reason, not the plan by the month.
GIVEN: Final = "credits.given"

# Parts of the submit statement: `entered` is the account with room, `created` the new job. What was submitted
# is counted with what it costs: by the minute, and by the day.
RESERVE_BALANCE: Final = """
    update account a set balance = a.balance - %(credits)s, held = a.held + %(credits)s,
        live_count = a.live_count + 1,
        submitted_until = greatest(a.submitted_until, statement_timestamp()) + entered.spacing,
        day = entered.today,
        day_jobs = 1 + case when a.day >= entered.today then a.day_jobs else 0 end,
        day_gpu_seconds = %(estimate)s
            + case when a.day >= entered.today then a.day_gpu_seconds else 0 end
    from entered where a.owner_id = entered.owner_id
"""
RESERVE_ENTRY: Final = """
    insert into ledger_entry
        (account_id, job_id, kind, balance_delta, held_delta, house_delta, reason, reference)
    select owner_id, id, 'reserve', -credits_reserved, credits_reserved, 0, 'submission', '' from created
"""
# Parts of the statement of moves: `moved` are the jobs after them. One settlement a job, by a unique index.
SETTLE_ENTRY: Final = """
    insert into ledger_entry
        (account_id, job_id, kind, balance_delta, held_delta, house_delta, reason, reference)
    select owner_id, id,
        case when after = 'succeeded' or credits_charged > 0 then 'capture' else 'release' end,
        credits_reserved - credits_charged, -credits_reserved, credits_charged, cause, ''
    from moved where ends
"""
# What was never granted is no use of its day.
SETTLE_BALANCE: Final = """
    update account set balance = balance + ended.reserved - ended.charged,
        held = held - ended.reserved, live_count = live_count - ended.jobs,
        day_gpu_seconds = greatest(day_gpu_seconds - coalesce((
            select sum(estimate) from moved
            where moved.owner_id = account.owner_id and ends and attempt = 0
                and (created_at at time zone 'UTC')::date = account.day), 0), 0)
    from (
        select owner_id, sum(credits_reserved) as reserved, sum(credits_charged) as charged,
            count(*) as jobs
        from moved where ends group by owner_id
    ) ended
    where account.owner_id = ended.owner_id
"""

# The unique (account, reference) of grants decides, and the balance follows the entry.
_GRANT: Final = f"""
with entry as (
    insert into ledger_entry
        (account_id, kind, balance_delta, held_delta, house_delta, reason, reference)
    values (%(owner)s, 'grant', %(amount)s, 0, -%(amount)s, %(reason)s, %(reference)s)
    on conflict do nothing
    returning account_id, balance_delta
), told as (
    {outbox.INSERT}
    select '{GIVEN}', account_id, account_id,
        jsonb_build_object('credits', balance_delta, 'reason', %(reason)s::text) from entry
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
        is_given = bool(cursor.rowcount == 1)
    if is_given:
        wakeup.wake_on_commit(wakeup.RELAY)
    return is_given


def grant_months(owner_ids: Sequence[UUID] | None = None, *, limit: int) -> int:
    """Give this month's credits to accounts that lack them, at most `limit`; say how many there were.

    `owner_ids` names the accounts; None means any.
    """
    owners = None if owner_ids is None else list(owner_ids)
    with connection.cursor() as cursor:
        cursor.execute(_GRANT_MONTHS, {"owners": owners, "limit": limit})
        return int(cursor.rowcount)
