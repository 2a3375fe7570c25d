"""Deliveries in the database: planned, claimed by route, and what became of each try. Only this writes them.

Note [Routes]: a route is one channel to one target. Couriers look at routes, not at deliveries, so what waits
for a dead target costs nobody a look; a route's row is locked while something of it is claimed or recorded, so its
limit is exact whatever the number of couriers. Order of locks: endpoint, route, delivery, outbox.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import uuid_utils.compat
from django.db import connection, transaction
from django.db.models.functions import Now

from notifications import crash_points, prepared, routes, wakeup
from notifications.announcements import ACCOUNT_MAIL
from notifications.channel import Channel, Parcel, Planned
from notifications.event import Event
from notifications.models import Delivery, DeliveryState

_COLUMNS: Final = """
    id, channel, target, attempt, try_count, owner_id, name, subject_id, payload, message_id, content
"""
# A route's turn is the earlier of what it had and what is new, but not before its pause ends.
_PLAN: Final = """
with made as (
    insert into delivery (id, event_id, owner_id, name, subject_id, channel, target, message_id,
        content, payload, state, reason, attempt, try_count, replay_count, due_at)
    select given.id, event.id, event.owner_id, event.name, event.subject_id, given.channel, given.target,
        given.message_id, given.content, event.payload, 'scheduled', '', 0, 0, 0,
        now() + make_interval(secs => given.delay)
    from unnest(%(ids)s::uuid[], %(events)s::bigint[], %(channels)s::text[], %(targets)s::text[],
        %(message_ids)s::text[], %(contents)s::text[], %(delays)s::float8[])
        as given (id, event_id, channel, target, message_id, content, delay)
    join outbox_event event on event.id = given.event_id
    on conflict do nothing
    returning channel, target, owner_id, due_at
)
insert into delivery_route as route (channel, target, owner_id, next_at, failure_count)
select channel, target, owner_id, min(due_at), 0 from made
group by channel, target, owner_id order by channel, target
on conflict (channel, target) do update
    set owner_id = excluded.owner_id, next_at = greatest(least(route.next_at, excluded.next_at), route.paused_until)
"""
_WITHHELD: Final = """
insert into delivery (id, event_id, owner_id, name, subject_id, channel, target, message_id, content,
    payload, state, reason, attempt, try_count, replay_count, due_at, ended_at)
select given.id, event.id, event.owner_id, event.name, event.subject_id, given.channel, '', '', '',
    event.payload, 'skipped', given.reason, 0, 0, 0, null, now()
from unnest(%(ids)s::uuid[], %(events)s::bigint[], %(channels)s::text[], %(reasons)s::text[])
    as given (id, event_id, channel, reason)
join outbox_event event on event.id = given.event_id
on conflict do nothing
"""
_CLAIM: Final = f"""
with picked as (
    select d.id from unnest(%(targets)s::text[], %(limits)s::int[]) as route (target, most)
    cross join lateral (
        select id from delivery
        where channel = %(channel)s and target = route.target and state = 'scheduled'
            and due_at <= now()
        order by due_at, id
        limit greatest(0, route.most - (select count(*) from delivery busy
            where busy.channel = %(channel)s and busy.target = route.target
                and busy.claimed_until > now()))
    ) d limit %(room)s
)
update delivery set attempt = attempt + 1, try_count = try_count + 1,
    claimed_until = now() + make_interval(secs => %(claim)s),
    due_at = now() + make_interval(secs => %(claim)s)
from picked where delivery.id = picked.id
returning {_COLUMNS.replace("id,", "delivery.id,", 1)}
"""
_ABANDON: Final = """
update delivery set state = 'abandoned', reason = %s, due_at = null, claimed_until = null,
    ended_at = now()
where channel = %s and target = %s and state = 'scheduled'
"""
# A route that was never used, or whose row is gone, is made again.
_REPLAY_ROUTE: Final = """
insert into delivery_route as route (channel, target, owner_id, failure_count)
select channel, target, owner_id, 0 from delivery where id = %s
on conflict (channel, target) do update set failure_count = route.failure_count
"""
_REPLAY: Final = """
update delivery set state = 'scheduled', reason = '', due_at = now(), ended_at = null,
    try_count = case when state = 'scheduled' then try_count else 0 end,
    replay_count = replay_count + case when state = 'scheduled' then 0 else 1 end
where id = %s and (claimed_until is null or claimed_until < now())
"""
_REPLAY_TURN: Final = """
update delivery_route route set next_at = greatest(now(), route.paused_until)
from delivery d where d.id = %s and d.channel = route.channel and d.target = route.target
"""
_FORGET: Final = """
delete from delivery where id in (select id from delivery
    where ended_at < now() - make_interval(days => %s) order by ended_at limit %s)
"""

# Erases what a person was sent: an owner, and how many rows; gives the rows that are gone.
ERASE: Final = """
with chosen as (select id from delivery where owner_id = %(owner)s order by id desc limit %(limit)s),
logs as (delete from delivery_attempt using chosen where delivery_id = chosen.id)
delete from delivery using chosen where delivery.id = chosen.id returning ''::text as at, ''::text as id
"""


def plan(
    planned: Sequence[tuple[Event, str, Planned]], withheld: Sequence[tuple[Event, str, str]]
) -> None:
    """Make deliveries by event and channel, and write down by which channels events are not told, and why.

    In the caller's transaction; those that exist stay as they are. Their ids sort like their events.
    """
    in_order = sorted([*planned, *withheld], key=lambda one: one[0].id)
    made = [(uuid_utils.compat.uuid7(), *one) for one in in_order]
    if told := [(*one[:3], one[3]) for one in made if isinstance(one[3], Planned)]:
        values: dict[str, Any] = {
            **_columns(told),
            "targets": [one.target for *_, one in told],
            "message_ids": [one.message_id for *_, one in told],
            "contents": [one.content for *_, one in told],
            "delays": [one.delay for *_, one in told],
        }
        prepared.run(_PLAN, values)
        wakeup.wake_on_commit(wakeup.COURIER)
    if untold := [one for one in made if not isinstance(one[3], Planned)]:
        prepared.run(_WITHHELD, {**_columns(untold), "reasons": [one[3] for one in untold]})


def _columns(made: Sequence[tuple[UUID, Event, str, Any]]) -> dict[str, Any]:
    return {
        "ids": [one for one, _, _, _ in made],
        "events": [event.id for _, event, _, _ in made],
        "channels": [channel for _, _, channel, _ in made],
    }


def claim(
    channel: Channel, *, room: int, trusted: bool | None = None, per_owner: int | None = None
) -> list[Parcel]:
    """Take what is due of routes whose turn it is, `room` tries at most. Survives a death of the caller.

    `trusted` picks routes that took what they were sent last, or the others; None picks any. `per_owner` is
    how many tries targets of one owner may have under way in all; couriers that claim in the same
    moment may go over it by what one of them takes.
    """
    if room <= 0:
        return []
    with transaction.atomic(durable=True):
        turns = routes.take_turn(channel, room=room, trusted=trusted, per_owner=per_owner)
        if not turns:
            return []
        targets = [turn.target for turn in turns]
        values: dict[str, Any] = {
            "channel": channel.name,
            "room": room,
            "targets": targets,
            "limits": [turn.share for turn in turns],
            "claim": channel.claim_seconds,
        }
        found = [_parcel(row) for row in prepared.run(_CLAIM, values)]
        routes.set_turns(channel.name, targets, [turn.limit for turn in turns])
        crash_points.reach("courier.claimed_uncommitted")
    crash_points.reach("courier.claimed")
    return found


def begin(
    channel: Channel, planned: Planned, *, owner_id: UUID, name: str, subject_id: UUID
) -> Parcel:
    """Make a delivery of no event that is under way at once, in the hands of a caller who waits for its outcome."""
    made = Delivery(
        id=uuid_utils.compat.uuid7(),
        owner_id=owner_id,
        name=name,
        subject_id=subject_id,
        channel=channel.name,
        target=planned.target,
        message_id=planned.message_id,
        content=planned.content,
        attempt=1,
        try_count=1,
        due_at=Now() + timedelta(seconds=channel.claim_seconds),
        claimed_until=Now() + timedelta(seconds=channel.claim_seconds),
    )
    made.save(force_insert=True)
    return Parcel(
        id=made.id,
        channel=made.channel,
        target=made.target,
        attempt=1,
        try_count=1,
        owner_id=owner_id,
        name=name,
        subject_id=subject_id,
        payload={},
        message_id=made.message_id,
        content=made.content,
    )


def note_account_mail(owner_id: UUID, *, title: str, refusal: str) -> None:
    """Write down a mail about signing in, which goes at once and by no route; `refusal` says why it did not go."""
    state = DeliveryState.SKIPPED if refusal else DeliveryState.DELIVERED
    Delivery.objects.create(
        id=uuid_utils.compat.uuid7(),
        owner_id=owner_id,
        name=ACCOUNT_MAIL,
        subject_id=owner_id,
        channel="email",
        target=str(owner_id),
        message_id="",
        payload={"title": title},
        state=state,
        reason=refusal,
        attempt=1,
        try_count=1,
        due_at=None,
        ended_at=Now(),
    )


def replay(delivery_id: UUID) -> None:
    """Send an ended delivery again with a schedule of its own, or hurry one that waits for its next try."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_REPLAY_ROUTE, [delivery_id])
        cursor.execute(_REPLAY, [delivery_id])
        cursor.execute(_REPLAY_TURN, [delivery_id])
        wakeup.wake_on_commit(wakeup.COURIER)


def abandon(channel: str, target: str, *, reason: str) -> None:
    """Give up everything that waits for a target, in the caller's transaction."""
    with connection.cursor() as cursor:
        routes.lock(channel, target)
        cursor.execute(_ABANDON, [reason, channel, target])
        cursor.execute(
            "update delivery_route set next_at = null where channel = %s and target = %s",
            [channel, target],
        )


def forget(*, days: int, limit: int) -> int:
    """Drop ended deliveries and their log after so many days."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "delete from delivery_attempt where delivery_id in (select id from delivery"
            " where ended_at < now() - make_interval(days => %s) order by ended_at limit %s)",
            [days, limit],
        )
        cursor.execute(_FORGET, [days, limit])
        return int(cursor.rowcount)


def _parcel(row: Sequence[Any]) -> Parcel:
    return Parcel(
        id=row[0],
        channel=row[1],
        target=row[2],
        attempt=row[3],
        try_count=row[4],
        owner_id=row[5],
        name=row[6],
        subject_id=row[7],
        payload=json.loads(row[8]) if isinstance(row[8], str) else row[8],
        message_id=row[9],
        content=row[10],
    )
