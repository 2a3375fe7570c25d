"""Granting slots: the only writer of leases, and the only one who closes lanes.

Leadership keeps dispatchers from working against each other; it is not what keeps a slot from being given
twice. That is the unique (pool, slot) of the leases.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from kombu.exceptions import OperationalError as BrokerUnavailable

from jobs import lanes, queues
from jobs.grants import GRANT
from scheduler import fairness, snapshot
from scheduler.metrics import GRANTS
from scheduler.rows import Grant, Snapshot

logger = logging.getLogger(__name__)

# Any number that no other part of the project locks.
_LEADER_LOCK: Final = 7001
# A granted attempt that no worker took within so many seconds is announced again.
_RING_AFTER: Final = 3.0

# After the grants: every lane that was read moves its tag, and is ready, at its limit, or empty. The
# statement starts after the lanes were locked, so it sees what a submit before it added.
_SETTLE_LANES: Final = f"""
update lane set tag = lane.tag + moved.step,
    state = case
        when head.job_id is null then 0
        when tier.running_limit <=
            (select count(*) from lease where lease.owner_id = lane.owner_id) then 2
        else 1 end,
    {lanes.LEFT.format(work="moved.cost")}
from unnest(%s::uuid[], %s::smallint[], %s::float8[], %s::float8[])
    as moved (owner_id, line_id, step, cost)
join account on account.owner_id = moved.owner_id join tier on tier.name = account.tier_id
left join lateral (
    select job_id, cost, since from backlog b
    where b.owner_id = moved.owner_id and b.line_id = moved.line_id order by job_id limit 1
) head on true
where lane.owner_id = moved.owner_id and lane.line_id = moved.line_id
"""
_ADVANCE_LINES: Final = """
update line set virtual_time = greatest(virtual_time, granted.tag)
from unnest(%s::smallint[], %s::float8[]) as granted (line_id, tag) where line.id = granted.line_id
"""
_UNTAKEN: Final = """
select lease.job_id, lease.attempt, lease.pool_id, job.tier_id
from lease join job on job.id = lease.job_id
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


def lead() -> bool:
    """Become the leader on this connection; False while another dispatcher is."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", [_LEADER_LOCK])
        return bool(cursor.fetchone()[0])


def grant_free_slots() -> list[Doorbell]:
    """Give free slots to those whose turn it is, in one transaction; publish nothing yet."""
    free, held = snapshot.free_slots()
    if not free:
        return []
    with transaction.atomic(durable=True):
        found = snapshot.take(free, held)
        grants = fairness.pick(found).grants
        granted = _write(grants) if grants else []
        if found.heads:
            _settle_lanes(found, grants)
    for doorbell in granted:
        GRANTS.labels(pool=doorbell.pool, tier=doorbell.tier).inc()
    return granted


def ring(doorbells: list[Doorbell]) -> None:
    """Tell workers, after the commit. What is lost here is rung again by `untaken`."""
    for at, doorbell in enumerate(doorbells):
        try:
            current_app.send_task(
                "jobs.run_attempt",
                args=[str(doorbell.job_id), doorbell.attempt],
                queue=queues.of(doorbell.pool, doorbell.tier),
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
            Doorbell(job_id=job, attempt=attempt, pool=pool, tier=tier)
            for job, attempt, pool, tier in cursor.fetchall()
        ]


def _write(grants: Sequence[Grant]) -> list[Doorbell]:
    with connection.cursor() as cursor:
        cursor.execute(
            GRANT,
            {
                "jobs": [grant.job_id for grant in grants],
                "pools": [grant.pool for grant in grants],
                "slots": [grant.slot for grant in grants],
                "lease": settings.LEASE_SECONDS,
            },
        )
        return [
            Doorbell(job_id=job, attempt=attempt, pool=pool, tier=tier)
            for job, attempt, pool, tier in cursor.fetchall()
        ]


def _settle_lanes(found: Snapshot, grants: Sequence[Grant]) -> None:
    steps = {(head.owner_id, head.line_id): 0.0 for head in found.heads}
    costs = dict(steps)
    reached: dict[int, float] = {}
    for grant in grants:
        steps[grant.owner_id, grant.line_id] += grant.step
        costs[grant.owner_id, grant.line_id] += grant.cost
        reached[grant.line_id] = max(reached.get(grant.line_id, grant.tag), grant.tag)
    with connection.cursor() as cursor:
        cursor.execute(
            _SETTLE_LANES,
            [
                [owner for owner, _ in steps],
                [line for _, line in steps],
                list(steps.values()),
                list(costs.values()),
            ],
        )
        if reached:
            cursor.execute(_ADVANCE_LINES, [list(reached), list(reached.values())])
