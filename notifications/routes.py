"""Routes: whose turn it is, and how each target does. See Note [Routes] in notifications/deliveries.py."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import connection

from notifications import delivery_policy

_DUE: Final = "select distinct channel from delivery_route where next_at <= now()"
# Routes that fail, or never took anything, have few places of their own; of those the least hopeless go first.
_WHOSE_TURN: Final = """
select target, failure_count from delivery_route
where channel = %(channel)s and next_at <= now()
    and (%(trusted)s::bool is null
        or (failure_count = 0 and succeeded_at is not null) = %(trusted)s)
order by failure_count, next_at limit %(room)s for update skip locked
"""
# When a route has something to do next: a place becomes free, or something is due; not before its pause ends.
_TURN: Final = """
update delivery_route route set next_at =
    case when turn.at is not null then greatest(route.paused_until, turn.at) end
from unnest(%(targets)s::text[], %(limits)s::int[]) as given (target, most)
cross join lateral (
    select count(*) as n, min(claimed_until) as until from delivery b
    where b.channel = %(channel)s and b.target = given.target and b.claimed_until > now()
) busy
cross join lateral (
    select case when busy.n >= given.most then busy.until else (
        select min(due_at) from delivery d
        where d.channel = %(channel)s and d.target = given.target and d.state = 'scheduled'
    ) end as at
) turn
where route.channel = %(channel)s and route.target = given.target
"""
_LOCK: Final = """
select failure_count from delivery_route where channel = %s and target = %s for update
"""
_SUCCEEDED: Final = """
update delivery_route set failure_count = 0, succeeded_at = now(), paused_until = null
where channel = %(channel)s and target = %(target)s
"""
_FAILED: Final = """
update delivery_route set failure_count = failure_count + 1,
    paused_until = case when %(pause)s > 0 then now() + make_interval(secs => %(pause)s) end
where channel = %(channel)s and target = %(target)s
"""
_FORGIVE: Final = """
update delivery_route route set failure_count = 0, paused_until = null, next_at = (
    select min(due_at) from delivery d
    where d.channel = route.channel and d.target = route.target and d.state = 'scheduled')
where channel = %s and target = %s
"""
_REMOVE: Final = "delete from delivery_route where channel = %s and target = %s"
_MEND: Final = """
update delivery_route route set next_at = greatest(late.due_at, route.paused_until)
from (select channel, target, min(due_at) as due_at from delivery
    where state = 'scheduled' and due_at < now() - interval '30 seconds' group by channel, target) late
where route.channel = late.channel and route.target = late.target
    and (route.next_at is null or route.next_at > greatest(late.due_at, route.paused_until, now()))
"""


def due_channels() -> set[str]:
    """Give the channels in which some route has its turn."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return {row[0] for row in cursor.fetchall()}


def take_turn(
    cursor: Any, channel: str, *, room: int, trusted: bool | None
) -> list[tuple[str, int]]:
    """Lock routes whose turn it is; give their targets and failures. `trusted` as in `deliveries.claim`."""
    cursor.execute(_WHOSE_TURN, {"channel": channel, "room": room, "trusted": trusted})
    found: list[tuple[str, int]] = cursor.fetchall()
    return found


def lock(cursor: Any, channel: str, target: str) -> int:
    """Lock a route; give its failures since the last success. What follows sees what was planned before."""
    cursor.execute(_LOCK, [channel, target])
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def set_turns(cursor: Any, channel: str, targets: Sequence[str], limits: Sequence[int]) -> None:
    """Say when each of these locked routes has something to do next; `limits` is what each may have under way."""
    cursor.execute(_TURN, {"channel": channel, "targets": list(targets), "limits": list(limits)})


def judge(
    cursor: Any, channel: str, target: str, *, is_success: bool, failures: int, jitter: float
) -> None:
    """Count a success or a failure of a locked route, and pause it where it fails too often."""
    route: dict[str, Any] = {"channel": channel, "target": target}
    if is_success:
        cursor.execute(_SUCCEEDED, route)
    else:
        pause = delivery_policy.pause(failures + 1, jitter=jitter)
        cursor.execute(_FAILED, {**route, "pause": pause})


def forgive(channel: str, target: str) -> None:
    """Forget a target's failures, so that what is due goes out at once. In the caller's transaction."""
    with connection.cursor() as cursor:
        lock(cursor, channel, target)
        cursor.execute(_FORGIVE, [channel, target])


def remove(channel: str, target: str) -> None:
    """Forget a route whose target is no more. In the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_REMOVE, [channel, target])


def mend() -> int:
    """Give a turn to routes whose due deliveries nobody looks at; none, unless something went wrong."""
    with connection.cursor() as cursor:
        cursor.execute(_MEND)
        return int(cursor.rowcount)
