"""Whether what is kept for a time goes when its time is over."""

from typing import Final

from django.conf import settings
from django.db import connection

from scheduler import sweeps
from videogen.figures.figure import Figure

_DAY: Final = 86_400.0
# The oldest of each by the index that its sweep uses. Images are not here: a job that waits may keep one for long.
_OLDEST: Final = """
select what, extract(epoch from now() - since)::float8 - kept from (values
    ('deliveries', (select min(ended_at) from delivery), %(deliveries)s::float8),
    ('notifications', (select created_at from notification order by id limit 1), %(notifications)s),
    ('idempotency_keys', (select min(created_at) from idempotency_key), %(keys)s),
    ('messages', (select min(received_at) from webhook_message), %(messages)s),
    ('tickets', (select min(valid_until) from ticket), %(tickets)s),
    ('sessions', (select min(expire_date) from django_session), 0),
    ('exports', (select min(finished_at) from account_export), %(exports)s)
) oldest (what, since, kept)
"""


def read() -> list[Figure]:
    """Read the oldest of what is kept for a time: an index entry each."""
    with connection.cursor() as cursor:
        cursor.execute(
            _OLDEST,
            {
                "deliveries": _DAY * settings.DELIVERIES_KEPT_DAYS,
                "notifications": _DAY * settings.NOTIFICATIONS_KEPT_DAYS,
                "keys": settings.IDEMPOTENCY_KEPT_SECONDS,
                "messages": sweeps.MESSAGES_KEPT,
                "tickets": sweeps.TICKETS_KEPT,
                "exports": _DAY * settings.EXPORTS_KEPT_DAYS,
            },
        )
        rows = cursor.fetchall()
    return [
        Figure(
            name="videogen_kept_too_long_seconds",
            about="For how long the oldest row of a kind should have been gone.",
            labels=("what",),
            rows=[(what, max(0.0, over or 0.0)) for what, over in rows],
        ),
    ]
