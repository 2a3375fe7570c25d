"""Notices that wait: kept until their time, then sent, several to one target as one summary.

Each is in one summary at most, and a person's daily mail of one time is made once: one sweep at a time, one
statement, a unique key, and a target's held notices all together or not at all.
"""

from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from notifications import crash_points, wakeup
from notifications.announcements import SUMMARY

# What was held just before its time is written within so many seconds of it, and so in the same summary.
GRACE: Final = 15
_LOCK: Final = "select pg_try_advisory_xact_lock(7104, 0)"
# Targets are taken in the order of time; `delivery_held` serves it. A daily notice that comes after its summary was
# made waits for the next one. Summaries go alone, so none is in another.
_RELEASE: Final = """
with turn as (
    select channel, target from (
        select channel, target, min(due_at) as since from delivery
        where state = 'held' and due_at <= now() - make_interval(secs => %(grace)s)
        group by channel, target order by since limit %(limit)s
    ) first
), ready as (
    select d.id, d.owner_id, d.channel, d.target, d.name = %(summary)s as is_summary, d.is_daily,
        d.is_daily and exists (select 1 from delivery told where told.event_id is null
            and told.channel = d.channel and told.target = d.target and told.name = %(summary)s
            and told.message_id = '<' || md5(d.owner_id || d.channel || d.target || d.due_at)
                || '@' || %(host)s || '>') as is_late,
        d.due_at
    from delivery d join turn using (channel, target)
    where d.state = 'held' and d.due_at <= now() - make_interval(secs => %(grace)s)
), grouped as (
    select owner_id, channel, target, gen_random_uuid() as id, count(*) as n,
        bool_or(is_daily) as is_daily, max(due_at) as due_at
    from ready where not is_late and not is_summary group by owner_id, channel, target
), late as (
    update delivery set due_at = delivery.due_at + interval '1 day'
    from ready where delivery.id = ready.id and ready.is_late
), merged as (
    update delivery set state = 'merged', due_at = null, ended_at = now(), summary_id = grouped.id,
        reason = 'It is in a summary.'
    from ready join grouped using (owner_id, channel, target)
    where delivery.id = ready.id and not ready.is_late and not ready.is_summary
        and (grouped.n > 1 or grouped.is_daily)
), alone as (
    update delivery set state = 'scheduled', due_at = now(), is_daily = false, reason = ''
    from ready left join grouped using (owner_id, channel, target)
    where delivery.id = ready.id and not ready.is_late
        and (ready.is_summary or grouped.n = 1 and not grouped.is_daily)
    returning delivery.channel, delivery.target, delivery.owner_id
), made as (
    insert into delivery (id, owner_id, name, subject_id, channel, target, message_id, content,
        payload, state, reason, attempt, try_count, replay_count, due_at, is_daily)
    select id, owner_id, %(summary)s, id, channel, target,
        '<' || md5(owner_id || channel || target || due_at) || '@' || %(host)s || '>', '',
        jsonb_build_object('count', n, 'daily', is_daily), 'scheduled', '', 0, 0, 0, now(), false
    from grouped where n > 1 or is_daily
    returning channel, target, owner_id
), routed as (
    insert into delivery_route as route (channel, target, owner_id, next_at, failure_count)
    select distinct channel, target, owner_id, now(), 0
    from (select * from alone union all select * from made) freed order by channel, target
    on conflict (channel, target) do update
        set next_at = greatest(least(route.next_at, excluded.next_at), route.paused_until)
)
select count(*) from ready
"""

# Waits for a sweep that is under way, which takes no rows of people in any order.
_WAIT: Final = "select pg_advisory_xact_lock(7104, 0)"
_LET_GO: Final = """
update delivery set due_at = now() - make_interval(secs => %(grace)s), is_daily = false
where owner_id = %(owner)s and state = 'held' and (is_daily and %(daily)s or not is_daily and %(quiet)s)
"""


def release(*, limit: int) -> int:
    """Send what waited long enough, of at most `limit` targets; give how many notices that were. Safe at any time."""
    values: dict[str, Any] = {
        "grace": GRACE,
        "limit": limit,
        "summary": SUMMARY,
        "host": urlsplit(settings.PUBLIC_URL).hostname,
    }
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_LOCK)
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_RELEASE, values)
        (count,) = cursor.fetchone()
        if count:
            wakeup.wake_on_commit(wakeup.COURIER)
        crash_points.reach("holds.released_uncommitted")
    crash_points.reach("holds.released")
    return int(count)


def let_go(owner_id: UUID, *, of_daily_mail: bool, of_quiet_hours: bool) -> None:
    """Let the next sweep send what an owner's daily mail or quiet hours hold back. In the caller's transaction."""
    values: dict[str, Any] = {
        "owner": owner_id,
        "grace": GRACE,
        "daily": of_daily_mail,
        "quiet": of_quiet_hours,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WAIT)
        cursor.execute(_LET_GO, values)
