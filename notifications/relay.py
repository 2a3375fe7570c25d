"""From the outbox to whoever listens: feed order, subscribers, then sockets.

Events are claimed by state, never by "id above the last one seen": ids become visible out of order.
A relay owns shards of owners by advisory locks on its own connection, so each owner's events keep one
order whatever the number of relays. A crash between the two commits pushes again, which readers drop
by sequence. What one subscriber cannot hear is parked for it, and everything else goes on.
"""

import json
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction

from notifications import crash_points, live, parking, prepared, subscriptions, traces
from notifications.event import Event
from notifications.metrics import RELAY_LAG, RELAYED
from notifications.models.outbox_event import SHARD_COUNT
from notifications.subscriptions import Listener

logger = logging.getLogger(__name__)

BATCH: Final = 200
# Events are looked for so often without being told of, seconds.
_REST: Final = 1.0
# Shards of a relay that died are looked for so often, seconds.
_LOOK_EVERY: Final = 1.0
# A subscriber that fails for the database's sake, by a lock or a timeout, gets so many tries before it is parked.
_PATIENCE: Final = 3
# First key of the advisory locks; the second is the shard.
_LOCK_CLASS: Final = 7101

_CLAIM: Final = """
select id, name, subject_id, owner_id, payload, recorded_at, sequence,
    extract(epoch from now() - recorded_at)::float8
from outbox_event where relayed_at is null and shard = any(%s)
order by id limit %s for update skip locked
"""
_NEWS: Final = """
select exists (select 1 from outbox_event where relayed_at is null and shard = any(%s))
"""
_RESERVE_NUMBERS: Final = """
insert into feed_head (owner_id, sequence)
select * from unnest(%s::uuid[], %s::bigint[]) order by 1
on conflict (owner_id) do update set sequence = feed_head.sequence + excluded.sequence
returning owner_id, sequence
"""
_NUMBER: Final = """
update outbox_event set sequence = given.sequence
from unnest(%s::bigint[], %s::bigint[]) as given (id, sequence) where outbox_event.id = given.id
"""
_RELAYED: Final = "update outbox_event set relayed_at = now() where id = any(%s)"


class Relay:
    """One relay: the shards it owns, and the step that its loop repeats."""

    def __init__(self) -> None:
        self._shards: set[int] = set()
        self._looked_at = 0.0
        self._failures: Counter[tuple[int, str]] = Counter()
        # Whether the last step found events: then the next one claims without asking first.
        self._was_busy = False

    @property
    def rest(self) -> float:
        """Give the seconds for which nothing is due that nobody wakes it for."""
        if len(self._shards) == SHARD_COUNT:
            return _REST
        return self._looked_at + _LOOK_EVERY - time.monotonic()

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

    def step(self) -> int:
        """Relay one batch; give how many events it had."""
        if len(self._shards) < SHARD_COUNT and time.monotonic() - self._looked_at > _LOOK_EVERY:
            self.acquire_shards()
        if not self._shards or not (self._was_busy or self._has_news()):
            return 0
        crash_points.reach("relay.before_claim")
        try:
            events = self._tell_subscribers(carefully=False)
        except InterfaceError:
            raise
        except Exception:  # whatever it was, the next line tells whose fault it is
            if not connection.is_usable():
                raise
            logger.warning("batch_failed", exc_info=True)
            events = self._tell_subscribers(carefully=True)
        self._was_busy = bool(events)
        if not events:
            return 0
        crash_points.reach("relay.committed")
        live.send((event.owner_id, _message(event)) for event in events)
        crash_points.reach("relay.pushed")
        prepared.run(_RELAYED, [[event.id for event in events]])
        crash_points.reach("relay.marked")
        for event in events:
            RELAYED.labels(name=event.name).inc()
            traces.note(f"relay {event.name}", event.subject_id, since=event.recorded_at)
        return len(events)

    def _has_news(self) -> bool:
        """Ask whether there is anything to claim: one statement instead of a transaction."""
        ((is_there,),) = prepared.run(_NEWS, [sorted(self._shards)])
        return bool(is_there)

    def _tell_subscribers(self, *, carefully: bool) -> list[Event]:
        """Number a batch and let subscribers hear it, in one transaction; `carefully`, each event in a savepoint."""
        with transaction.atomic(durable=True):
            events = self._number_batch()
            crash_points.reach("relay.claimed")
            for hear, heard in subscriptions.shared_out(events):
                if not carefully:
                    hear(heard)
                    continue
                for event in heard:
                    self._hear_or_park(event, hear)
            crash_points.reach("relay.heard")
        return events

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

    def _number_batch(self) -> list[Event]:
        rows = prepared.run(_CLAIM, [sorted(self._shards), BATCH])
        if not rows:
            return []
        new: dict[UUID, list[int]] = defaultdict(list)
        for row in rows:
            if row[6] is None:
                new[row[3]].append(row[0])
        numbers = {row[0]: row[6] for row in rows if row[6] is not None}
        if new:
            owners = sorted(new, key=str)
            reserved = prepared.run(_RESERVE_NUMBERS, [owners, [len(new[o]) for o in owners]])
            for owner, last in reserved:
                first = last - len(new[owner]) + 1
                numbers |= {event: first + at for at, event in enumerate(new[owner])}
            given = [event for ids in new.values() for event in ids]
            prepared.run(_NUMBER, [given, [numbers[event] for event in given]])
        RELAY_LAG.observe(rows[0][7])
        return [_event(row, sequence=numbers[row[0]]) for row in rows]


def _event(row: Sequence[Any], *, sequence: int) -> Event:
    payload = row[4]
    return Event(
        id=row[0],
        name=row[1],
        subject_id=row[2],
        owner_id=row[3],
        payload=json.loads(payload) if isinstance(payload, str) else payload,
        recorded_at=row[5],
        sequence=sequence,
    )


def _message(event: Event) -> dict[str, object]:
    return {"type": "feed.events", "events": [event.as_message()], "head": event.sequence}
