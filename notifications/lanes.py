"""Lanes: whose turn it is, and how each target does. See Note [Lanes] in notifications/deliveries.py."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import connection

from notifications import delivery_policy

_DUE: Final = "select distinct channel from delivery_lane where next_at <= now()"
# Lanes that fail, or never took anything, have few places of their own; of those the least hopeless go first.
_WHOSE_TURN: Final = """
select target, failure_count from delivery_lane
where channel = %(channel)s and next_at <= now()
    and (%(trusted)s::bool is null
        or (failure_count = 0 and succeeded_at is not null) = %(trusted)s)
order by failure_count, next_at limit %(room)s for update skip locked
"""
# When a lane has something to do next: a place becomes free, or something is due; not before its pause ends.
_TURN: Final = """
update delivery_lane lane set next_at =
    case when turn.at is not null then greatest(lane.paused_until, turn.at) end
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
where lane.channel = %(channel)s and lane.target = given.target
"""
_LOCK: Final = """
select failure_count from delivery_lane where channel = %s and target = %s for update
"""
_SUCCEEDED: Final = """
update delivery_lane set failure_count = 0, succeeded_at = now(), paused_until = null
where channel = %(channel)s and target = %(target)s
"""
_FAILED: Final = """
update delivery_lane set failure_count = failure_count + 1,
    paused_until = case when %(pause)s > 0 then now() + make_interval(secs => %(pause)s) end
where channel = %(channel)s and target = %(target)s
"""
_FORGIVE: Final = """
update delivery_lane lane set failure_count = 0, paused_until = null, next_at = (
    select min(due_at) from delivery d
    where d.channel = lane.channel and d.target = lane.target and d.state = 'scheduled')
where channel = %s and target = %s
"""
_REMOVE: Final = "delete from delivery_lane where channel = %s and target = %s"
_MEND: Final = """
update delivery_lane lane set next_at = greatest(late.due_at, lane.paused_until)
from (select channel, target, min(due_at) as due_at from delivery
    where state = 'scheduled' and due_at < now() - interval '30 seconds' group by channel, target) late
where lane.channel = late.channel and lane.target = late.target
    and (lane.next_at is null or lane.next_at > greatest(late.due_at, lane.paused_until, now()))
"""


def due_channels() -> set[str]:
    """Give the channels in which some lane has its turn."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return {row[0] for row in cursor.fetchall()}


def take_turn(
    cursor: Any, channel: str, *, room: int, trusted: bool | None
) -> list[tuple[str, int]]:
    """Lock lanes whose turn it is; give their targets and failures. `trusted` as in `deliveries.claim`."""
    cursor.execute(_WHOSE_TURN, {"channel": channel, "room": room, "trusted": trusted})
    found: list[tuple[str, int]] = cursor.fetchall()
    return found


def lock(cursor: Any, channel: str, target: str) -> int:
    """Lock a lane; give its failures since the last success. What follows sees what was planned before."""
    cursor.execute(_LOCK, [channel, target])
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def set_turns(cursor: Any, channel: str, targets: Sequence[str], limits: Sequence[int]) -> None:
    """Say when each of these locked lanes has something to do next; `limits` is what each may have under way."""
    cursor.execute(_TURN, {"channel": channel, "targets": list(targets), "limits": list(limits)})


def judge(
    cursor: Any, channel: str, target: str, *, is_success: bool, failures: int, jitter: float
) -> None:
    """Count a success or a failure of a locked lane, and pause it where it fails too often."""
    lane: dict[str, Any] = {"channel": channel, "target": target}
    if is_success:
        cursor.execute(_SUCCEEDED, lane)
    else:
        pause = delivery_policy.pause(failures + 1, jitter=jitter)
        cursor.execute(_FAILED, {**lane, "pause": pause})


def forgive(channel: str, target: str) -> None:
    """Forget a target's failures, so that what is due goes out at once. In the caller's transaction."""
    with connection.cursor() as cursor:
        lock(cursor, channel, target)
        cursor.execute(_FORGIVE, [channel, target])


def remove(channel: str, target: str) -> None:
    """Forget a lane whose target is no more. In the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_REMOVE, [channel, target])


def mend() -> int:
    """Give a turn to lanes whose due deliveries nobody looks at; none, unless something went wrong."""
    with connection.cursor() as cursor:
        cursor.execute(_MEND)
        return int(cursor.rowcount)
