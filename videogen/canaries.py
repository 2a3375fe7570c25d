"""Canaries: a small task for each Celery queue, because a worker that stopped consuming looks alive.

Each travels as the queue's own messages do: that of upkeep from beat, those of GPU queues from the dispatcher's
process. Any task that a worker ran says the same as a canary, so a busy queue gets none.
"""

import logging
import threading
import time
from typing import Final

from django.conf import settings
from django.db import connection
from kombu.exceptions import OperationalError as BrokerUnavailable

from videogen import celery

logger = logging.getLogger(__name__)

TASK: Final = "videogen.sing"
UPKEEP: Final = "upkeep"
# A queue that was not heard for so long gets a canary, seconds.
EVERY: Final = 30.0
# To a queue that stays silent the next one comes ever later, so that nobody finds a pile.
_LATEST: Final = 16 * EVERY
# Between two looks for queues that need one, seconds.
_GLANCE: Final = 5.0
# Any number that no other part of the project locks.
_LOCK: Final = 7004

# The queues of pools that take new work: one for each tier, and one for slots that are reserved.
_KNOW: Final = """
with wanted as (
    select %(upkeep)s as queue
    union all select format('gpu.%%s.%%s', pool.name, tier.name) from pool, tier where pool.state = 'active'
    union all select format('gpu.%%s:reserved', name) from pool where state = 'active' and paid_reserved > 0
), gone as (
    delete from canary where queue not in (select queue from wanted)
)
insert into canary (queue) select queue from wanted order by queue on conflict do nothing
"""
_HEARD: Final = """
insert into canary as c (queue, heard_at) values (%s, now())
on conflict (queue) do update set heard_at = excluded.heard_at
"""
# A worker whose threads all generate takes nothing, and is well: as long as it renews its leases it is heard.
_AGES: Final = """
select queue, extract(epoch from now() - greatest(heard_at, busy.renewed_at, known_at))
from canary left join (
    select pool_id, max(expires_at) - make_interval(secs => %s) as renewed_at
    from lease join pool on pool.name = lease.pool_id
    where picked_up_at is not null group by pool_id, pool.slots having count(*) >= pool.slots
) as busy on starts_with(queue, format('gpu.%%s.', busy.pool_id))
    or queue = format('gpu.%%s:reserved', busy.pool_id)
order by queue
"""

_noted: dict[str, float] = {}
_lock = threading.Lock()


def ages() -> dict[str, float]:
    """Give, for each queue that somebody should consume, the seconds since a task of it last ran."""
    with connection.cursor() as cursor:
        cursor.execute(_AGES, [settings.LEASE_SECONDS])
        return {queue: max(0.0, float(age)) for queue, age in cursor.fetchall()}


def heard(queue: str) -> None:
    """Write down that a task of this queue ran in this process; at most once in `EVERY / 2` seconds."""
    now = time.monotonic()
    with _lock:
        if now - _noted.get(queue, -EVERY) < EVERY / 2:
            return
        _noted[queue] = now
    with connection.cursor() as cursor:
        cursor.execute(_HEARD, [queue])


class Aviary:
    """Sends canaries to GPU queues; one process at a time."""

    def __init__(self) -> None:
        # When each silent queue got its last one, on the monotonic clock, and the pause before the next.
        self._sent: dict[str, tuple[float, float]] = {}
        self._due = 0.0

    def start(self) -> bool:
        """Try to become the one that sends."""
        self._sent.clear()
        with connection.cursor() as cursor:
            cursor.execute("select pg_try_advisory_lock(%s)", [_LOCK])
            return bool(cursor.fetchone()[0])

    def step(self) -> bool:
        """Send to queues that were silent; say whether there were any."""
        if time.monotonic() < self._due:
            return False
        self._due = time.monotonic() + _GLANCE
        with connection.cursor() as cursor:
            cursor.execute(_KNOW, {"upkeep": UPKEEP})
        silent = {queue for queue, age in ages().items() if age >= EVERY and queue != UPKEEP}
        self._sent = {queue: sent for queue, sent in self._sent.items() if queue in silent}
        for queue in sorted(silent):
            at, pause = self._sent.get(queue, (-EVERY, EVERY / 2))
            if time.monotonic() - at >= pause:
                send(queue)
                self._sent[queue] = (time.monotonic(), min(2 * pause, _LATEST))
        return bool(silent)


def send(queue: str) -> bool:
    """Put a canary into a queue; False, and a line in the log, when the broker is away."""
    try:
        celery.app.send_task(TASK, queue=queue, expires=2 * EVERY)
    except (BrokerUnavailable, OSError) as error:
        logger.warning("canary_not_sent", extra={"queue": queue, "reason": type(error).__name__})
        return False
    return True
