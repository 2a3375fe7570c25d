"""Doorbells: the messages that tell GPU workers which attempts wait for them, and which of these were lost.

A message is written here as Celery and kombu write it (their protocol 2, and the envelope of their Redis transport),
and a batch goes out in one round trip: putting each together anew cost more than the grant. What lies in a queue is not
rung again, however long its worker needs.
"""

import json
import logging
import re
from base64 import b64encode
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID, uuid4

import redis
from django.conf import settings
from django.db import connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs import queues

logger = logging.getLogger(__name__)

_TASK: Final = "jobs.run_attempt"
# A granted attempt that no worker took within so many seconds is looked for.
_LOOK_AFTER: Final = 3.0
# Messages of a queue that are looked through, the oldest first: more than the slots of any pool.
_MOST: Final = 5_000
# Grants do not wait for a Redis that is away, seconds.
_PATIENCE: Final = 1.0
_CONTENT: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_ID: Final = re.compile(rb'"correlation_id": ?"([^"]+)"')

_UNTAKEN: Final = """
select lease.job_id, lease.attempt, lease.pool_id, line.tier_id,
    lease.slot > pool.slots - pool.paid_reserved
from lease join line on line.id = lease.line_id join pool on pool.name = lease.pool_id
where lease.picked_up_at is null and lease.granted_at < now() - make_interval(secs => %s)
    and lease.expires_at > now()
order by lease.granted_at limit 2000
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorbell:
    """What a worker is told: which attempt waits for it, on the queue of its pool and tier."""

    job_id: UUID
    attempt: int
    pool: str
    tier: str
    is_reserved: bool = False

    @property
    def queue(self) -> str:
        """Name the queue that it is rung on."""
        return (
            queues.of_reserved(self.pool) if self.is_reserved else queues.of(self.pool, self.tier)
        )

    @property
    def name(self) -> str:
        """Name its message: the same each time that it is rung."""
        return f"{self.job_id}.{self.attempt}"


def ring(doorbells: Sequence[Doorbell]) -> None:
    """Tell workers, after the commit, in one round trip. What is lost here is rung again, once it is found `lost`."""
    if not doorbells:
        return
    # Later than this the lease is over, and with it the attempt.
    expires = datetime.now(UTC) + timedelta(seconds=settings.LEASE_SECONDS)
    by_queue: dict[str, list[bytes]] = defaultdict(list)
    for doorbell in doorbells:
        by_queue[doorbell.queue].append(message(doorbell, expires=expires))
    pipeline = _broker().pipeline(transaction=False)
    for queue, messages in by_queue.items():
        pipeline.lpush(queue, *messages)
    try:
        pipeline.execute()
    except (redis.RedisError, OSError) as error:
        logger.warning(
            "doorbells_not_rung",
            extra={"reason": type(error).__name__, "count": len(doorbells)},
        )


def lost() -> list[Doorbell]:
    """Find granted attempts that no worker took, of which no message lies in a queue any more.

    None while Redis is away: nobody could be told.
    """
    waiting = untaken()
    names = sorted({doorbell.queue for doorbell in waiting})
    pipeline = _broker().pipeline(transaction=False)
    for name in names:
        pipeline.lrange(name, -_MOST, -1)
    try:
        found: list[list[bytes]] = pipeline.execute() if names else []
    except (redis.RedisError, OSError) as error:
        logger.warning("doorbells_not_looked_for", extra={"reason": type(error).__name__})
        return []
    lying = {met[1] for queue in found for one in queue if (met := _ID.search(one))}
    return [doorbell for doorbell in waiting if doorbell.name.encode() not in lying]


def untaken() -> list[Doorbell]:
    """Find granted attempts that no worker took: the message waits or was lost, or nobody listens."""
    with connection.cursor() as cursor:
        cursor.execute(_UNTAKEN, [_LOOK_AFTER])
        return [
            Doorbell(job_id=job, attempt=attempt, pool=pool, tier=tier, is_reserved=is_reserved)
            for job, attempt, pool, tier, is_reserved in cursor.fetchall()
        ]


def message(doorbell: Doorbell, *, expires: datetime) -> bytes:
    """Write the message of a doorbell as Celery would send it."""
    args = [str(doorbell.job_id), doorbell.attempt]
    body = b64encode(json.dumps([args, {}, _CONTENT]).encode()).decode()
    name = doorbell.name
    headers = {
        **_HEADERS,
        "id": name,
        "root_id": name,
        "argsrepr": repr(args),
        "expires": expires.isoformat(),
    }
    properties = {
        **_PROPERTIES,
        "correlation_id": name,
        "delivery_info": {"exchange": "", "routing_key": doorbell.queue},
        "delivery_tag": str(uuid4()),
    }
    return json.dumps(
        {**_ENVELOPE, "body": body, "headers": headers, "properties": properties}
    ).encode()


_ENVELOPE: Final = {"content-encoding": "utf-8", "content-type": "application/json"}
_HEADERS: Final[dict[str, Any]] = {
    "lang": "py",
    "task": _TASK,
    "shadow": None,
    "eta": None,
    "group": None,
    "group_index": None,
    "retries": 0,
    "timelimit": [None, None],
    "parent_id": None,
    "kwargsrepr": "{}",
    "origin": "dispatcher",
    "ignore_result": True,
    "replaced_task_nesting": 0,
    "stamped_headers": None,
    "stamps": {},
}
_PROPERTIES: Final[dict[str, Any]] = {
    "reply_to": "",
    "delivery_mode": 2,
    "priority": 0,
    "body_encoding": "base64",
}


@cache
def _broker() -> "redis.Redis":
    """Give this process's connections to the broker. One try more: the connection may be an old one."""
    return redis.Redis.from_url(
        settings.CELERY_BROKER_URL,
        socket_timeout=_PATIENCE,
        socket_connect_timeout=_PATIENCE,
        health_check_interval=25,
        retry=Retry(NoBackoff(), 1),
    )
