"""A circuit breaker for each pool, in the pool's row, so that every process sees the same.

Closed: calls go out. After some calls in a row without an answer it opens: nothing is asked or granted until
a time. Then it is half open: one question at a time goes out, and its answer closes or opens it again.
(M. Nygard, Release It!, "Circuit Breaker".)
"""

from typing import Final

from django.db import connection

from notifications import prepared

# Unanswered calls in a row that open it.
OPENS_AT: Final = 5
# How long it stays open, seconds: doubled for each further unanswered call, up to the longest.
_SHORTEST: Final = 5.0
_LONGEST: Final = 60.0

# Of a pool's row: whether an answer must be written down. At most every few seconds while all is well, so that
# answers cost nothing.
IS_NEWS: Final = """
(unanswered > 0 or answered_at is null or answered_at < now() - interval '5 seconds')
"""
_ANSWERED: Final = f"""
update pool set unanswered = 0, breaker_until = null, answered_at = now(), last_error = ''
where name = %s and {IS_NEWS}
"""  # noqa: S608 - our own text
_UNANSWERED: Final = """
update pool set unanswered = unanswered + 1, last_error = left(%(reason)s, 400),
    breaker_until = case when unanswered + 1 >= %(opens_at)s then now() + make_interval(
        secs => least(%(longest)s, %(shortest)s * 2 ^ least(unanswered + 1 - %(opens_at)s, 10))) end
where name = %(pool)s
returning unanswered = %(opens_at)s
"""


def answered(pool: str) -> None:
    """Note that a server gave a usable answer: the breaker closes."""
    prepared.run(_ANSWERED, [pool])


def unanswered(pool: str, reason: str) -> bool:
    """Note a call without a usable answer; say whether this one opened the breaker. `reason` has no secret."""
    with connection.cursor() as cursor:
        cursor.execute(
            _UNANSWERED,
            {
                "pool": pool,
                "reason": reason,
                "opens_at": OPENS_AT,
                "longest": _LONGEST,
                "shortest": _SHORTEST,
            },
        )
        row = cursor.fetchone()
    return bool(row and row[0])
