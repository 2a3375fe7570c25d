"""From the outbox to whoever listens: feed order, subscribers, then sockets.

Events are claimed by state, never by "id above the last one seen": ids become visible out of order.
A relay owns shards of owners by advisory locks on its own connection, so each owner's events keep one
order whatever the number of relays. Events are marked as relayed with the claim of the next: a crash before
it pushes again, which readers drop by sequence. What one subscriber cannot hear is parked for it, and
everything else goes on.
"""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction

from notifications import crash_points, live, parking, prepared, subscriptions, traces
from notifications.event import Event
from notifications.metrics import RELAY_LAG, RELAYED
from notifications.models.outbox_event import SHARD_COUNT
from notifications.subscriptions import Listener

logger = logging.getLogger(__name__)

# As the statement's limit has it.
BATCH: Final = 200
# It gathers events for so long after a step that had some, and for so much longer by each of them, seconds: what comes
# alone is told at once, of what comes all the time many are told together.
_PAUSE: Final = 0.005
_PAUSE_EACH: Final = 0.001
_LONGEST_PAUSE: Final = 0.01
# Events are looked for so often without being told of, seconds.
_REST: Final = 1.0
# Shards of a relay that died are looked for so often, seconds.
_LOOK_EVERY: Final = 1.0
# A subscriber that fails for the database's sake, by a lock or a timeout, gets so many tries before it is parked.
_PATIENCE: Final = 3
# First key of the advisory locks; the second is the shard.
_LOCK_CLASS: Final = 7101

# Marks what was pushed, and claims and numbers what comes next; a batch with one of certain names is left alone. The
# limit is no parameter: a plan for any number of events would read the whole table to find them again.
_NUMBER: Final = """
with marked as (
    update outbox_event set relayed_at = now() where id = any(%(pushed)s::bigint[])
), claimed as materialized (
    select id, name, subject_id, owner_id, payload, recorded_at, sequence
    from outbox_event where relayed_at is null and shard = any(%(shards)s::smallint[])
        and id <> all(%(pushed)s::bigint[])
    order by id limit 200 for update skip locked
), quiet as (
    select not exists (select from claimed where name = any(%(but)s::text[])) as is_so
), reserved as (
    insert into feed_head (owner_id, sequence)
    select owner_id, count(*) from claimed
    where sequence is null and (select is_so from quiet) group by owner_id order by owner_id
    on conflict (owner_id) do update set sequence = feed_head.sequence + excluded.sequence
    returning owner_id, sequence as last
), numbered as (
    select id, last + 1 - row_number() over (partition by owner_id order by id desc) as sequence
    from claimed join reserved using (owner_id) where claimed.sequence is null
), written as (
    update outbox_event set sequence = numbered.sequence
    from numbered where outbox_event.id = numbered.id
)
select is_so, case when is_so then (
    select json_agg(json_build_array(id, name, subject_id, owner_id, payload, recorded_at,
        coalesce(claimed.sequence, numbered.sequence)) order by id)
    from claimed left join numbered using (id)
) end, (select extract(epoch from now() - min(recorded_at))::float8 from claimed)
from quiet
"""
_MARK: Final = "update outbox_event set relayed_at = now() where id = any(%s)"


# An event as the statement gives it.
_Row = list[Any]


class Relay:
    """One relay: the shards it owns, and the step that its loop repeats."""

    def __init__(self) -> None:
        self._shards: set[int] = set()
        self._looked_at = 0.0
        self._failures: Counter[tuple[int, str]] = Counter()
        # Events of the last step, which are not marked yet, and whether subscribers heard any: then they are likely to
        # hear some of the next.
        self._pushed: list[int] = []
        self._was_heard = False

    @property
    def rest(self) -> float:
        """Give the seconds for which nothing is due that nobody wakes it for."""
        if len(self._shards) == SHARD_COUNT:
            return _REST
        return self._looked_at + _LOOK_EVERY - time.monotonic()

    @property
    def pause(self) -> float:
        """Give the seconds to gather events for after a step that had some."""
        if len(self._pushed) >= BATCH:
            return _PAUSE
        return min(_LONGEST_PAUSE, _PAUSE + _PAUSE_EACH * len(self._pushed))

    def acquire_shards(self) -> int:
        """Take every shard that no other relay holds; give how many this one has.

        The locks belong to the database session, so a lost connection loses them too.
        """
        self._looked_at = time.monotonic()
        with connection.cursor() as cursor:
            for shard in range(SHARD_COUNT):
                if shard in self._shards:
                    continue
                cursor.execute("select pg_try_advisory_lock(%s, %s)", [_LOCK_CLASS, shard])
                if cursor.fetchone()[0]:
                    self._shards.add(shard)
        return len(self._shards)

    def forget_shards(self) -> None:
        """Start over after the connection was lost."""
        self._shards.clear()
        self._pushed.clear()

    def step(self) -> int:
        """Relay one batch; give how many events it had."""
        if len(self._shards) < SHARD_COUNT and time.monotonic() - self._looked_at > _LOOK_EVERY:
            self.acquire_shards()
        if not self._shards:
            return 0
        crash_points.reach("relay.before_claim")
        rows = self._claim()
        self._was_heard = any(subscriptions.listeners(name) for _, name, *_ in rows)
        if not rows:
            return 0
        crash_points.reach("relay.committed")
        live.send([(UUID(row[3]), partial(_message, row)) for row in rows])
        crash_points.reach("relay.pushed")
        self._pushed = [number for number, *_ in rows]
        _note(rows)
        return len(rows)

    def close(self) -> None:
        """Mark what was pushed last: nobody need push it again."""
        prepared.run(_MARK, [self._pushed])
        self._note_marked()

    def _note_marked(self) -> None:
        if self._pushed:
            self._pushed = []
            crash_points.reach("relay.marked")

    def _claim(self) -> list[_Row]:
        """Give the next batch, numbered and heard; in a transaction only where a subscriber hears some of it."""
        if not self._was_heard:
            rows = self._number(but=subscriptions.names())
            self._note_marked()
            if rows is not None:
                return rows
        rows = self._told()
        self._note_marked()
        return rows

    def _told(self) -> list[_Row]:
        """Number a batch and tell subscribers; event by event where it failed together."""
        try:
            return self._tell_subscribers(carefully=False)
        except InterfaceError:
            raise
        except Exception:  # whatever it was, the next line tells whose fault it is
            if not connection.is_usable():
                raise
            logger.warning("batch_failed", exc_info=True)
            return self._tell_subscribers(carefully=True)

    def _tell_subscribers(self, *, carefully: bool) -> list[_Row]:
        """Number a batch and let subscribers hear it, in one transaction; `carefully`, each event in a savepoint."""
        with transaction.atomic(durable=True):
            rows = self._number() or []
            crash_points.reach("relay.claimed")
            events = [_event(row) for row in rows if subscriptions.listeners(row[1])]
            for hear, heard in subscriptions.shared_out(events):
                if not carefully:
                    hear(heard)
                    continue
                for event in heard:
                    self._hear_or_park(event, hear)
            crash_points.reach("relay.heard")
        return rows

    def _hear_or_park(self, event: Event, hear: Listener) -> None:
        try:
            with transaction.atomic():
                hear([event])
        except OperationalError as error:
            self._failures[event.id, parking.name_of(hear)] += 1
            if self._failures[event.id, parking.name_of(hear)] < _PATIENCE:
                raise
            parking.park(event, hear, error)
        except InterfaceError:
            raise
        except Exception as error:  # noqa: BLE001 - one subscriber's bug stops neither the others nor the shard
            parking.park(event, hear, error)

    def _number(self, *, but: Sequence[str] = ()) -> list[_Row] | None:
        """Claim a batch and give each event its number in its feed; None if one has any of these names."""
        values = {"shards": sorted(self._shards), "but": list(but), "pushed": self._pushed}
        ((is_done, rows, lag),) = prepared.run(_NUMBER, values)
        if not is_done:
            return None
        if rows:
            RELAY_LAG.observe(lag)
        return rows or []


def _note(rows: Sequence[_Row]) -> None:
    for name, count in Counter(name for _, name, *_ in rows).items():
        RELAYED.labels(name=name).inc(count)
    if traces.is_on:
        for event in map(_event, rows):
            traces.note(f"relay {event.name}", event.subject_id, since=event.recorded_at)


def _event(row: _Row) -> Event:
    number, name, subject_id, owner_id, payload, recorded_at, sequence = row
    return Event(
        id=number,
        name=name,
        subject_id=UUID(subject_id),
        owner_id=UUID(owner_id),
        payload=payload,
        recorded_at=datetime.fromisoformat(recorded_at),
        sequence=sequence,
    )


def _message(row: _Row) -> dict[str, object]:
    event = _event(row)
    return {"type": "feed.events", "events": [event.as_message()], "head": event.sequence}
