"""Routes: whose turn it is, and how each target does. See Note [Routes] in notifications/deliveries.py."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from notifications import delivery_policy, prepared
from notifications.channel import Channel

# One entry of `delivery_route_next` for each channel, however many routes wait.
_DUE: Final = """
select channel.name, extract(epoch from first.next_at - now())::float8
from unnest(%s::text[]) as channel (name)
cross join lateral (
    select next_at from delivery_route
    where channel = channel.name and next_at is not null order by next_at limit 1
) first
"""
# Routes that fail, or never took anything, have few places of their own; of those the least hopeless go first.
_WHOSE_TURN: Final = """
select target, failure_count, owner_id, (select count(*) from delivery busy
    where busy.channel = route.channel and busy.owner_id = route.owner_id
        and busy.claimed_until > now())
from delivery_route route
where channel = %(channel)s and next_at <= now()
    and (%(per_owner)s::int is null or route.owner_id is null or (select count(*) from delivery busy
        where busy.channel = route.channel and busy.owner_id = route.owner_id
            and busy.claimed_until > now()) < %(per_owner)s)
    and (%(trusted)s::bool is null
        or (failure_count = 0 and succeeded_at is not null) = %(trusted)s)
order by failure_count, next_at limit %(room)s for update of route skip locked
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A route that has its turn: what it may have under way, and how much of that its owner has room for now."""

    target: str
    limit: int
    share: int


def next_turns(channels: Iterable[str]) -> dict[str, float]:
    """Give the seconds until some route of each channel has its turn, none and less where one has; else nothing."""
    return dict(prepared.run(_DUE, [list(channels)]))


def take_turn(
    channel: Channel, *, room: int, trusted: bool | None, per_owner: int | None
) -> list[Turn]:
    """Lock routes whose turn it is. `trusted` and `per_owner` as in `deliveries.claim`.

    An owner who has as much under way as they may is passed over, so that what waits for them hides nobody.
    """
    given = {"channel": channel.name, "room": room, "trusted": trusted, "per_owner": per_owner}
    taken: Counter[UUID] = Counter()
    found: list[Turn] = []
    for target, failures, owner_id, busy in prepared.run(_WHOSE_TURN, given):
        limit = share = delivery_policy.at_once(channel.per_target, failures=failures)
        if per_owner is not None and owner_id is not None:
            share = min(limit, per_owner - busy - taken[owner_id])
            taken[owner_id] += share
        if share > 0:
            found.append(Turn(target=target, limit=limit, share=share))
    return found


def lock(channel: str, target: str) -> int:
    """Lock a route; give its failures since the last success. What follows sees what was planned before."""
    rows = prepared.run(_LOCK, [channel, target])
    return int(rows[0][0]) if rows else 0


def set_turns(channel: str, targets: Sequence[str], limits: Sequence[int]) -> None:
    """Say when each of these locked routes has something to do next; `limits` is what each may have under way."""
    values = {"channel": channel, "targets": list(targets), "limits": list(limits)}
    prepared.run(_TURN, values)


def judge(
    channel: str,
    target: str,
    *,
    is_success: bool,
    failures: int,
    jitter: float,
    quiet: float = 0.0,
) -> None:
    """Count a success or a failure of a locked route, and pause it where it fails too often.

    `quiet` is for how many seconds the target wants nothing.
    """
    route: dict[str, Any] = {"channel": channel, "target": target}
    if is_success:
        prepared.run(_SUCCEEDED, route)
    else:
        pause = max(delivery_policy.pause(failures + 1, jitter=jitter), quiet)
        prepared.run(_FAILED, {**route, "pause": pause})


def forgive(channel: str, target: str) -> None:
    """Forget a target's failures, so that what is due goes out at once. In the caller's transaction."""
    with connection.cursor() as cursor:
        lock(channel, target)
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
