"""Orders on asynchronous servers: sent once, found again when the answer was lost, followed by id.

Note [One create]: before a create is sent, the attempt says so in the database. Whoever finds an attempt that
was sent and has no id looks for it on the server first; nobody sends it a second time.
"""

import contextlib
import logging
import random
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from jobs import breakers, orphans, transitions
from jobs.backends.backend import AsynchronousBackend, BackendError, Order, Submitted, Unanswered
from jobs.errors import AttemptSuperseded, JobMissing, TransitionRefused
from jobs.failures import FailureKind
from jobs.models import Cause, LearnedBy, Truth
from jobs.recoveries import Repair
from notifications import prepared, wakeup

logger = logging.getLogger(__name__)

# Seconds until the first question about an order that was just taken.
_FIRST_QUESTION: Final = 1.0

_NOTE_SENDING: Final = """
with held as (
    update lease set expires_at = now() + make_interval(secs => %(lease)s), answered_at = now(),
        poll_at = now() + make_interval(secs => %(lease)s)
    from job
    where lease.job_id = %(job)s and lease.attempt = %(attempt)s and job.id = lease.job_id
        and job.cancel_requested_at is null and (job.finish_by is null or job.finish_by > now())
    returning lease.job_id, lease.attempt
)
update attempt set submitted_at = now() from held
where attempt.job_id = held.job_id and attempt.number = held.attempt
    and attempt.submitted_at is null
returning submitted_at
"""
# A message about this order that came before its id was known is matched now, and brings the question forward.
_NOTE_SUBMITTED: Final = f"""
with held as (
    select job_id, attempt from lease where job_id = %(job)s and attempt = %(attempt)s for update
), known as (
    update attempt set backend_job_id = %(id)s, handle = %(handle)s,
        node = case when %(node)s = '' then node else %(node)s end
    from held where attempt.job_id = held.job_id and attempt.number = held.attempt
    returning attempt.job_id
), parked as (
    update webhook_message set job_id = %(job)s, attempt = %(attempt)s, matched_at = now()
    from known
    where webhook_message.pool = %(pool)s and webhook_message.backend_job_id = %(id)s
        and webhook_message.matched_at is null
    returning 1
)
update lease set answered_at = now(), is_hinted = exists (select 1 from parked),
    expires_at = now() + make_interval(secs => %(lease)s),
    poll_at = case when exists (select 1 from parked) then now()
        else now() + make_interval(secs => %(first)s) end
from known where lease.job_id = known.job_id
returning lease.is_hinted,
    exists (select from pool where name = %(pool)s and {breakers.IS_NEWS})
"""  # noqa: S608 - our own text
_PREDECESSOR: Final = """
select job_id, number from attempt
where pool = %s and backend_job_id = %s and backend_job_id <> '' and ended_at is null and (job_id, number) <> (%s, %s)
"""
_ASK_SOON: Final = (
    "update lease set poll_at = now() + interval '1 second' where job_id = %s and attempt = %s"
)


class _Noted(NamedTuple):
    """What was found as a server's id was written down.

    A message waited for it (`is_hinted`); its pool is to be told that a server answered (`is_news`).
    """

    is_hinted: bool
    is_news: bool


def hand_over(order: Order, backend: AsynchronousBackend) -> bool:
    """Send an order that was just picked up; say whether it was wanted, and the attempt owned its slot.

    An answer that did not come leaves the order to the poller, which looks for it. Raises BackendError
    when the server certainly did not take it.
    """
    submitted_at = _note_sending(order)
    if submitted_at is None:
        return False
    order = replace(order, submitted_at=submitted_at)
    try:
        submitted = backend.submit(order)
    except BackendError:
        raise
    except (
        Exception
    ) as silence:  # a driver that breaks may have sent it, like one without an answer
        logger.warning(
            "create_unanswered",
            extra={"job": str(order.job_id), "reason": repr(silence)},
            exc_info=not isinstance(silence, Unanswered),
        )
        breakers.unanswered(order.site.pool, str(silence))
        with connection.cursor() as cursor:
            cursor.execute(_ASK_SOON, [order.job_id, order.attempt])
        return True
    try:
        found = _note_submitted(order, submitted)
    except IntegrityError:
        forget_predecessor(order, submitted.backend_job_id)
        breakers.answered(order.site.pool)
        return adopt(order, submitted)
    if found is None:
        # This attempt is over, and an older one may still think that the id is its own.
        forget_predecessor(order, submitted.backend_job_id)
    if found is None or found.is_news:
        breakers.answered(order.site.pool)
    return _adopted(order, submitted, found)


def forget_predecessor(order: Order, backend_job_id: str) -> None:
    """End the attempt that had an id which its server just gave again: the server no longer knows it."""
    values = [order.site.pool, backend_job_id, order.job_id, order.attempt]
    found = prepared.run(_PREDECESSOR, values)
    if not found:
        return
    [(job_id, attempt)] = found
    logger.warning("id_given_again", extra={"job": str(job_id), "pool": order.site.pool})
    kind = FailureKind.BACKEND_FORGOT
    with contextlib.suppress(AttemptSuperseded, TransitionRefused, JobMissing):
        transitions.end_attempt(
            job_id,
            attempt=attempt,
            failure=kind,
            message=kind.sentence,
            jitter=random.random(),  # noqa: S311 - spreads retries
            repair=Repair(
                cause=Cause.FORGOTTEN, truth=Truth.GONE, lease_seconds=settings.LEASE_SECONDS
            ),
            learned_by=LearnedBy.POLL,
        )


def adopt(order: Order, submitted: Submitted) -> bool:
    """Note the server's id of an order; one whose attempt is over becomes an orphan. Says which it was."""
    try:
        found = _note_submitted(order, submitted)
    except IntegrityError:
        # Another live attempt has this id, which was only found, not given: whoever had it first keeps it.
        logger.warning("id_taken_twice", extra={"job": str(order.job_id)})
        return True
    return _adopted(order, submitted, found)


def _adopted(order: Order, submitted: Submitted, found: _Noted | None) -> bool:
    if found is None:
        orphans.record(
            replace(order, backend_job_id=submitted.backend_job_id, handle=submitted.handle),
            reason="Its attempt had ended when the server took it.",
        )
    elif found.is_hinted:
        wakeup.wake_on_commit(wakeup.POLLER)
    return found is not None


def _note_submitted(order: Order, submitted: Submitted) -> _Noted | None:
    """Write the server's id down; None where the attempt is over. Raises IntegrityError where a live one has it."""
    values: dict[str, Any] = {
        "job": order.job_id,
        "attempt": order.attempt,
        "pool": order.site.pool,
        "id": submitted.backend_job_id,
        "handle": connection.ops.adapt_json_value(dict(submitted.handle), None),
        "node": submitted.node or _host(order.site.url),
        "lease": settings.LEASE_SECONDS,
        "first": _FIRST_QUESTION,
    }
    # One statement, and a transaction of its own unless there is one.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        rows = prepared.run(_NOTE_SUBMITTED, values)
    return _Noted(*rows[0]) if rows else None


def _note_sending(order: Order) -> datetime | None:
    rows = prepared.run(
        _NOTE_SENDING,
        {"job": order.job_id, "attempt": order.attempt, "lease": settings.LEASE_SECONDS},
    )
    return rows[0][0] if rows else None


def _host(url: str) -> str:
    """Name a server that does not name its machines by its own address."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""
