"""Webhooks of backends: verified, stored once, matched, and never believed: they only make us look sooner."""

import logging
from collections.abc import Mapping
from typing import Final

from django.db import connection

from jobs import orders
from jobs.backends import registry
from jobs.backends.backend import Forged, is_asynchronous
from jobs.ids import JobId
from jobs.metrics import WEBHOOKS
from jobs.models import Pool
from notifications.sealing import CannotOpen

logger = logging.getLogger(__name__)

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

    Raises BackendError when that cannot be told now: the server should send it again.

    `headers` have lower-case names, `now` is in Unix seconds. A message that came before is counted and
    changes nothing; one whose attempt is not known is parked until a create's answer tells its id.
    """
    about = orders.of_token(token) if token else None
    pool = Pool.objects.filter(name=pool_name).first()
    backend = registry.backend(pool.driver) if pool else None
    if pool is None or backend is None or not is_asynchronous(backend) or (token and not about):
        return _refused(pool_name if pool else "unknown", "no such address")
    try:
        hint = backend.hint(orders.site_of(pool), headers, body, now=now)
    except (Forged, CannotOpen) as error:
        return _refused(pool_name, str(error))
    if not hint.message_id or not hint.backend_job_id:
        return _refused(pool_name, "it names no job")
    _store(pool_name, hint.message_id, hint.backend_job_id, about)
    return True


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
    outcome = ("matched" if is_matched else "parked") if is_new else "repeated"
    WEBHOOKS.labels(pool=pool, outcome=outcome).inc()


def _refused(pool: str, reason: str) -> bool:
    WEBHOOKS.labels(pool=pool, outcome="refused").inc()
    logger.warning("webhook_refused", extra={"pool": pool, "reason": reason})
    return False
