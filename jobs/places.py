"""What of an owner's live jobs stands in line, as parts of statements.

Count only while the account was locked by an earlier statement: then no job of the owner can end between the
count and the limit's check, which would be made with a newer row than the count.
"""

from typing import Final

from jobs.requests import STANDBY

# Live jobs that take no place of the plan: those that hold a slot, and those that wait on standby.
NOT_IN_LINE: Final = f"""(
    (select count(*) from lease where lease.owner_id = %(owner)s)
    + (select count(*) from backlog join line on line.id = backlog.line_id
        where backlog.owner_id = %(owner)s and line.tier_id = '{STANDBY}'))"""
WAITING_ON_STANDBY: Final = f"""(
    select count(*) from backlog join line on line.id = backlog.line_id
    where backlog.owner_id = %(owner)s and line.tier_id = '{STANDBY}')"""
STANDBY_LIMIT: Final = f"(select queued_limit from tier where name = '{STANDBY}')"
# What an owner may have waiting on standby, whatever the plan.
ON_STANDBY: Final = f"{WAITING_ON_STANDBY} < coalesce({STANDBY_LIMIT}, 2147483647)"
