"""How many of today's jobs look how: counted by the database, whatever their number."""

from typing import Any, Final

from django.db import connection
from django.http import HttpRequest

from jobs import callers, days
from jobs.web import cards

# Beyond this the tally is of the newest; no plan allows so many a day.
_MOST: Final = 20_000

# Live jobs of earlier days count too; the account's counter says whether any are to be looked for.
_TALLY: Final = """
with today as (
    select id, state, attempt, cancel_requested_at from job
    where owner_id = %(owner)s and created_at >= %(start)s and created_at < %(end)s
        and hidden_at is null
    order by created_at desc, id desc limit %(most)s
), older as (
    select id, state, attempt, cancel_requested_at from job
    where owner_id = %(owner)s and created_at < %(start)s
        and state in ('queued', 'dispatched', 'running')
    order by created_at desc, id desc
    limit (
        select greatest(0, live_count - (
            select count(*) from today where state in ('queued', 'dispatched', 'running')
        )) from account where owner_id = %(owner)s
    )
)
select case
    when state = 'succeeded' then 'ready'
    when state in ('failed', 'canceled', 'expired') then
        case when exists (select from late_result where job_id = shown.id) then 'late'
            when state = 'failed' then 'failed'
            when state = 'canceled' then 'cancelled' else 'expired' end
    when cancel_requested_at is not null then 'cancelling'
    when state = 'running' then 'running'
    when state = 'dispatched' then 'starting'
    when attempt > 0 then 'retrying'
    else 'waiting' end as look, count(*)
from (select * from today union all select * from older) shown group by look
"""


def today(request: HttpRequest) -> list[cards.Count]:
    """Count the caller's jobs of today, and older ones that still live, by look."""
    caller = callers.of(request)
    start, end = days.bounds(days.day("today", zone=caller.zone), zone=caller.zone)
    values: dict[str, Any] = {"owner": caller.owner_id, "start": start, "end": end, "most": _MOST}
    with connection.cursor() as cursor:
        cursor.execute(_TALLY, values)
        return cards.in_tally_order(dict(cursor.fetchall()))
