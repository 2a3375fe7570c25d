"""Work on a server that no live attempt owns: written down, stopped where that is possible, and counted.

It comes from creates that were not answered, attempts that ended while their server was away, and cancels
that a server does not obey. Its video, should one be ready, is kept as a late result.
"""

import logging
import time
from dataclasses import replace
from typing import Any, Final

from django.db import InterfaceError, OperationalError, connection

from jobs import budgets, late_results, orders, remote_ids
from jobs.backends import registry
from jobs.backends.backend import (
    AsynchronousBackend,
    BackendError,
    Cancellation,
    Finished,
    Order,
    OverBudget,
    Submitted,
    is_asynchronous,
)
from jobs.metrics import ORPHANS

logger = logging.getLogger(__name__)

# Tries before an orphan is given up, and the seconds before the next one, doubled each time.
_TRIES: Final = 8
_FIRST_PAUSE: Final = 5.0
# A pass ends after so many seconds.
_LONGEST_PASS: Final = 10.0
# How long a request waits for its turn in its server's budget, seconds.
_PATIENCE: Final = 2.0
# A create that was not answered may still arrive: so many looks before it is believed that it never did.
_LOOKS: Final = 4

_RECORD: Final = """
insert into orphan (pool, job_id, attempt, backend_job_id, handle, reason, outcome)
values (%(pool)s, %(job)s, %(attempt)s, %(id)s, %(handle)s, left(%(reason)s, 300), '')
on conflict (job_id, attempt) do update set backend_job_id = excluded.backend_job_id,
    handle = excluded.handle, due_at = now(), outcome = '', tries = 0
where orphan.backend_job_id = '' and excluded.backend_job_id <> ''
returning (xmax = 0)
"""
# Claimed by moving its time: whoever dies with it leaves it to the next.
_CLAIM: Final = f"""
with due as (
    select id from orphan where due_at <= now() order by due_at limit %(limit)s
    for update skip locked
), claimed as (
    update orphan set tries = orphan.tries + 1,
        due_at = now() + make_interval(secs => %(pause)s * 2 ^ least(orphan.tries, 8))
    from due where orphan.id = due.id
    returning orphan.id, orphan.job_id, orphan.attempt, orphan.backend_job_id,
        orphan.handle as given, orphan.tries
)
select {orders.COLUMNS}, o.id, o.backend_job_id, o.given, o.tries
from claimed o join job j on j.id = o.job_id
join attempt a on a.job_id = o.job_id and a.number = o.attempt
join pool p on p.name = a.pool
order by o.id
"""
_CLOSE_OF_REMOVED_POOLS: Final = """
update orphan set outcome = 'unknown', due_at = null
where due_at <= now() and not exists (select 1 from pool where pool.name = orphan.pool)
"""
_CLOSE: Final = "update orphan set outcome = %s, due_at = null where id = %s"
_AGAIN: Final = """
update orphan set tries = greatest(tries - 1, 0), due_at = now() + make_interval(secs => %s)
where id = %s
"""
_NAME: Final = "update orphan set backend_job_id = %s, handle = %s where id = %s"


def record(order: Order, *, reason: str) -> bool:
    """Write down work that may go on without an owner; say whether it was unknown. Safe to repeat."""
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD,
            {
                "pool": order.site.pool,
                "job": order.job_id,
                "attempt": order.attempt,
                "id": order.backend_job_id,
                "handle": connection.ops.adapt_json_value(dict(order.handle), None),
                "reason": reason,
            },
        )
        row = cursor.fetchone()
    is_new = bool(row and row[0])
    if is_new:
        ORPHANS.labels(pool=order.site.pool, outcome="found").inc()
        logger.warning(
            "orphan_found",
            extra={"job": str(order.job_id), "pool": order.site.pool, "reason": reason},
        )
    return is_new


def stop_due(*, limit: int) -> int:
    """Look for and stop what is due; say how many were closed."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE_OF_REMOVED_POOLS)
        cursor.execute(_CLAIM, {"limit": limit, "pause": _FIRST_PAUSE})
        rows = cursor.fetchall()
    closed, ends_at = 0, time.monotonic() + _LONGEST_PASS
    for row in rows:
        # The rest come again when they are due: servers that hang must not hold up other sweeps.
        if time.monotonic() > ends_at:
            break
        closed += _guarded(row)
    return closed


def _guarded(row: tuple[Any, ...]) -> bool:
    try:
        return _stop(row)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # one orphan that cannot be stopped must not keep the others from it
        logger.exception("orphan_not_stopped", extra={"job": str(row[0])})
        return False


def _stop(row: tuple[Any, ...]) -> bool:
    orphan_id, backend_job_id, given, tries = row[orders.COUNT :]
    order = replace(orders.of_row(row), backend_job_id=backend_job_id, handle=orders.handle(given))
    backend = registry.backend(order.site.driver)
    if not is_asynchronous(backend):
        return _close(orphan_id, order, "unknown")
    try:
        with budgets.asking(order.site.pool, patience=_PATIENCE):
            outcome = _outcome(orphan_id, order, backend, tries=tries)
    except OverBudget:
        # Nothing was tried.
        _put_off(orphan_id)
        return False
    except BackendError as error:
        logger.info("orphan_not_stopped", extra={"job": str(order.job_id), "reason": str(error)})
        outcome = ""
    if not outcome and tries >= _TRIES:
        outcome = "given_up"
    return bool(outcome) and _close(orphan_id, order, outcome)


def _outcome(orphan_id: int, order: Order, backend: AsynchronousBackend, *, tries: int) -> str:
    if not order.backend_job_id:
        found = next(iter(remote_ids.free(order, backend.candidates(order))), None)
        if found is None:
            return "never_there" if backend.capabilities.can_find and tries >= _LOOKS else ""
        _name(orphan_id, found)
        order = replace(order, backend_job_id=found.backend_job_id, handle=found.handle)
    sighting = backend.look(order)
    if isinstance(sighting, Finished):
        video = orders.published(order, sighting.video)
        late_results.keep(order.job_id, attempt=order.attempt, video=video)
        return Cancellation.ENDED
    return backend.cancel(order)


def _put_off(orphan_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_AGAIN, [_FIRST_PAUSE, orphan_id])


def _name(orphan_id: int, found: Submitted) -> None:
    handle = connection.ops.adapt_json_value(dict(found.handle), None)
    with connection.cursor() as cursor:
        cursor.execute(_NAME, [found.backend_job_id, handle, orphan_id])


def _close(orphan_id: int, order: Order, outcome: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE, [outcome, orphan_id])
    ORPHANS.labels(pool=order.site.pool, outcome=outcome).inc()
    logger.info("orphan_closed", extra={"job": str(order.job_id), "outcome": outcome})
    return True
