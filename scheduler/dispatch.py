"""Granting slots: the only writer of leases, and of how far tiers and lines have come.

Leadership keeps dispatchers from working against each other; it is not what keeps a slot from being given
twice. That is the unique (pool, slot) of the leases.
"""

import logging
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from kombu.exceptions import OperationalError as BrokerUnavailable

from jobs import grants, queues
from scheduler import board, fairness, snapshot
from scheduler.board import Board, Memory
from scheduler.metrics import GRANTS
from scheduler.rows import Picked, Share, Snapshot, Turn

logger = logging.getLogger(__name__)

# Any number that no other part of the project locks.
_LEADER_LOCK: Final = 7001
# Grants of one transaction: more cost less each, fewer are published sooner.
BATCH: Final = 10
# A granted attempt that no worker took within so many seconds is announced again.
_RING_AFTER: Final = 3.0

_UNTAKEN: Final = """
select lease.job_id, lease.attempt, lease.pool_id, line.tier_id,
    lease.slot > pool.slots - pool.paid_reserved
from lease join line on line.id = lease.line_id join pool on pool.name = lease.pool_id
where lease.picked_up_at is null and lease.granted_at < now() - make_interval(secs => %s)
    and lease.expires_at > now()
order by lease.granted_at limit 500
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorbell:
    """What a worker is told: which attempt waits for it, on the queue of its pool and tier."""

    job_id: UUID
    attempt: int
    pool: str
    tier: str
    is_reserved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one transaction granted, and whether there may be more."""

    doorbells: list[Doorbell]
    is_cut: bool


def lead() -> bool:
    """Become the leader on this connection; False while another dispatcher is."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", [_LEADER_LOCK])
        return bool(cursor.fetchone()[0])


def grant_free_slots() -> list[Doorbell]:
    """Give all free slots to those whose turn it is; publish nothing yet."""
    granted = []
    memory = Memory()
    while True:
        batch = grant_batch(memory)
        granted += batch.doorbells
        if not batch.is_cut:
            return granted
        memory = Memory()


def grant_batch(memory: Memory, *, most: int = BATCH) -> Batch:
    """Read, decide and write one batch, in one transaction; publish nothing yet."""
    seen = board.read(memory)
    if not seen.free:
        return Batch(doorbells=[], is_cut=False)
    with transaction.atomic(durable=True):
        found = snapshot.take(seen, memory, most=most)
        picked = fairness.pick(found, most=most)
        columns = {**_of_grants(picked, found), **_of_progress(picked, found)}
        granted = _write(seen, columns) if any(columns.values()) else []
    for doorbell in granted:
        GRANTS.labels(pool=doorbell.pool, tier=doorbell.tier).inc()
    return Batch(doorbells=granted, is_cut=picked.is_cut)


def ring(doorbells: list[Doorbell]) -> None:
    """Tell workers, after the commit. What is lost here is rung again by `untaken`."""
    for at, doorbell in enumerate(doorbells):
        try:
            current_app.send_task(
                "jobs.run_attempt",
                args=[str(doorbell.job_id), doorbell.attempt],
                queue=queues.of_reserved(doorbell.pool)
                if doorbell.is_reserved
                else queues.of(doorbell.pool, doorbell.tier),
                # Later than this the lease is over, and with it the attempt.
                expires=settings.LEASE_SECONDS,
            )
        except (BrokerUnavailable, OSError) as error:
            logger.warning(
                "doorbells_not_rung",
                extra={"reason": type(error).__name__, "count": len(doorbells) - at},
            )
            return


def untaken() -> list[Doorbell]:
    """Find granted attempts that no worker took: the message was lost, or nobody listens."""
    with connection.cursor() as cursor:
        cursor.execute(_UNTAKEN, [_RING_AFTER])
        return [
            Doorbell(job_id=job, attempt=attempt, pool=pool, tier=tier, is_reserved=is_reserved)
            for job, attempt, pool, tier, is_reserved in cursor.fetchall()
        ]


def _write(seen: Board, columns: dict[str, Any]) -> list[Doorbell]:
    reserved = {pool.pool: pool.reserved for pool in seen.free}
    return [
        Doorbell(
            job_id=job, attempt=attempt, pool=pool, tier=tier, is_reserved=slot in reserved[pool]
        )
        for job, attempt, pool, slot, tier in grants.write(used=seen.used, **columns)
    ]


def _of_grants(picked: Picked, found: Snapshot) -> dict[str, list[Any]]:
    """Give the columns of the grants, and of the lanes that they change or that must be closed."""
    lanes = {(grant.owner_id, grant.line_id) for grant in picked.grants}
    lanes |= {
        (head.owner_id, head.line_id) for head in found.heads if head.room == 0 or not head.jobs
    }
    ordered = sorted(lanes)
    return {
        "jobs": [grant.job_id for grant in picked.grants],
        "pools": [grant.pool for grant in picked.grants],
        "slots": [grant.slot for grant in picked.grants],
        "steps": [grant.step for grant in picked.grants],
        "lane_owners": [owner for owner, _ in ordered],
        "lane_lines": [line for _, line in ordered],
    }


def _of_progress(picked: Picked, found: Snapshot) -> dict[str, list[Any]]:
    """Give the columns of lines, shares, turns and floors that moved."""
    lines = {
        number: moved
        for number, moved in sorted(picked.lines.items())
        if moved != (found.lines[number].virtual_time, found.lines[number].was_promoted)
    }
    shares = {
        key
        for key, at in picked.reached.items()
        if at != found.shares.get(key, Share()).reached or key in picked.lifts
    }
    turns = {
        key: turn
        for key, turn in sorted(picked.turns.items())
        if turn != found.turns.get(key, Turn())
    }
    before = {pool.pool: pool.floor for pool in found.free}
    floors = {pool: at for pool, at in sorted(picked.floors.items()) if at != before[pool]}
    ordered = sorted(shares)
    return {
        "lines": list(lines),
        "virtual_times": [at for at, _ in lines.values()],
        "promoted": [is_promoted for _, is_promoted in lines.values()],
        "share_pools": [pool for pool, _ in ordered],
        "share_tiers": [tier for _, tier in ordered],
        "lifts": [picked.lifts.get(key, 0.0) for key in ordered],
        "reached": [picked.reached[key] for key in ordered],
        "turn_pools": [pool for pool, _ in turns],
        "turn_lines": [line for _, line in turns],
        "ledgers": [turn.ledger for turn in turns.values()],
        "waiting": [turn.was_waiting for turn in turns.values()],
        "floor_pools": list(floors),
        "floors": list(floors.values()),
    }
