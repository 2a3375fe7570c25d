"""Webhooks of backends: verified, stored once, matched, and never believed: they only make us look sooner."""

import base64
import logging
import secrets
from collections.abc import Mapping
from functools import cache
from typing import Final

from django.db import connection

from jobs import budgets, orders
from jobs.backends import registry
from jobs.backends.backend import Forged, is_asynchronous
from jobs.ids import JobId
from jobs.metrics import WEBHOOKS
from jobs.models import Pool
from notifications import sealing, wakeup
from notifications.sealing import CannotOpen

logger = logging.getLogger(__name__)

# How long a request for a key waits for its turn in its server's budget, seconds.
_PATIENCE: Final = 1.0
# A message whose attempt is known brings its next question forward, whatever it says.
_STORE: Final = """
with about as (
    select job_id, number from attempt
    where (%(job)s::uuid is not null and job_id = %(job)s and number = %(attempt)s
            and pool = %(pool)s)
        or (%(job)s::uuid is null and pool = %(pool)s and backend_job_id = %(id)s
            and ended_at is null)
    limit 1
), stored as (
    insert into webhook_message as m (pool, message_id, backend_job_id, job_id, attempt, matched_at)
    values (%(pool)s, %(message)s, %(id)s, (select job_id from about),
        (select number from about), case when exists (select 1 from about) then now() end)
    on conflict (pool, message_id) do update set count = m.count + 1
    returning (xmax = 0) as is_new
), sooner as (
    update lease set poll_at = now(), is_hinted = true
    from about, stored
    where stored.is_new and lease.job_id = about.job_id and lease.attempt = about.number
        and lease.poll_at is not null
    returning 1
)
select is_new, exists (select 1 from about) from stored
"""
# The id that a create's lost answer would have told, where the address itself says which attempt it is about.
_LEARN_ID: Final = """
update attempt set backend_job_id = %s
where job_id = %s and number = %s and pool = %s and backend_job_id = '' and ended_at is null
    and submitted_at is not null
"""


def receive(
    pool_name: str, token: str, *, headers: Mapping[str, str], body: bytes, now: float
) -> bool:
    """Take one delivery; false when it is not from the pool's server, and then nothing was written.

    Raises BackendError or OverBudget when that cannot be told now: the server should send it again. What must be
    asked for to tell it, such as a key, counts in the pool's budget.

    `headers` have lower-case names, `now` is in Unix seconds. A message that came before is counted and
    changes nothing; one whose attempt is not known is parked until a create's answer tells its id.
    """
    about = orders.of_token(token) if token else None
    found = Pool.objects.filter(name=pool_name).first()
    is_address = found is not None and _takes_webhooks(found) and (not token or about is not None)
    # An address that is none is refused after as much work as a wrong signature at one.
    pool = found if found is not None and is_address else _nobody()
    try:
        with budgets.asking(pool.name, patience=_PATIENCE):
            hint = registry.asynchronous(pool.driver).hint(
                orders.site_of(pool), headers, body, now=now
            )
    except (Forged, CannotOpen) as error:
        reason = str(error) if is_address else "no such address"
        return _refused(found.name if found else "unknown", reason)
    if not is_address:
        return _refused("unknown", "no such address")
    if not hint.message_id or not hint.backend_job_id:
        return _refused(pool_name, "it names no job")
    _store(pool_name, hint.message_id, hint.backend_job_id, about)
    return True


def _takes_webhooks(pool: Pool) -> bool:
    return is_asynchronous(registry.backend(pool.driver))


def _nobody() -> Pool:
    """Give a pool whose secret nobody has. It is made anew, as one that is read from the database is."""
    return Pool(
        name="",
        driver="openai_videos",
        sealed_key=_sealed_by_chance(),
        sealed_webhook_secret=_sealed_by_chance(),
    )


@cache
def _sealed_by_chance() -> str:
    return sealing.seal(f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}")


def forget(*, older_than_seconds: float, limit: int) -> int:
    """Delete old messages; say how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from webhook_message where id in (select id from webhook_message"
            " where received_at < now() - make_interval(secs => %s)"
            " order by received_at limit %s)",
            [older_than_seconds, limit],
        )
        return int(cursor.rowcount)


def _store(
    pool: str, message_id: str, backend_job_id: str, about: tuple[JobId, int] | None
) -> None:
    job_id, attempt = about or (None, None)
    with connection.cursor() as cursor:
        if about:
            cursor.execute(_LEARN_ID, [backend_job_id, job_id, attempt, pool])
        cursor.execute(
            _STORE,
            {
                "pool": pool,
                "message": message_id[:255],
                "id": backend_job_id[:255],
                "job": job_id,
                "attempt": attempt,
            },
        )
        is_new, is_matched = cursor.fetchone()
    if is_new and is_matched:
        wakeup.wake_on_commit(wakeup.POLLER)
    outcome = ("matched" if is_matched else "parked") if is_new else "repeated"
    WEBHOOKS.labels(pool=pool, outcome=outcome).inc()


def _refused(pool: str, reason: str) -> bool:
    WEBHOOKS.labels(pool=pool, outcome="refused").inc()
    logger.warning("webhook_refused", extra={"pool": pool, "reason": reason})
    return False
