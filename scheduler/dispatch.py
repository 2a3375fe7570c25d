"""Granting slots: the only writer of leases, and of how far tiers and lines have come.

Leadership keeps dispatchers from working against each other; it is not what keeps a slot from being given
twice. That is the unique (pool, slot) of the leases, and the number of the row of progress.
"""

from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction

from jobs import grants, journal
from scheduler import board, fairness, progress, snapshot
from scheduler.board import Board, Memory
from scheduler.doorbells import Doorbell
from scheduler.metrics import GRANTS
from scheduler.rows import Picked, Snapshot

# Any number that no other part of the project locks.
_LEADER_LOCK: Final = 7001
# Grants of one transaction: more cost less each, fewer are published sooner.
BATCH: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one transaction granted, whether there may be more, and whether anybody waited."""

    doorbells: list[Doorbell]
    is_cut: bool
    # Whether somebody waits who may run.
    has_waiting: bool
    # Kinds for which there was a free slot when it was read.
    open_kinds: frozenset[str]


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
        return _batch(seen, [], is_cut=False)
    with transaction.atomic(durable=True):
        found = snapshot.take(seen, memory, most=most)
        picked = fairness.pick(found, most=most)
        columns = _of_grants(picked, found)
        after = progress.moved(seen.progress, picked)
        granted = []
        if any(columns.values()) or after != seen.progress:
            granted = _write(seen, {**columns, **progress.columns(seen.progress, after)})
    for doorbell in granted:
        GRANTS.labels(pool=doorbell.pool, tier=doorbell.tier).inc()
        journal.moved(
            doorbell.job_id,
            attempt=doorbell.attempt,
            before="queued",
            to="dispatched",
            cause="grant",
            pool=doorbell.pool,
        )
    return _batch(seen, granted, is_cut=picked.is_cut)


def _batch(seen: Board, doorbells: list[Doorbell], *, is_cut: bool) -> Batch:
    return Batch(
        doorbells=doorbells,
        is_cut=is_cut,
        has_waiting=bool(seen.ready),
        open_kinds=seen.open_kinds,
    )


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
