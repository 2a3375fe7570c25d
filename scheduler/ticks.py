"""Claiming a tick, so that none, one or five beats give the same result."""

from typing import Final

from django.db import connection

_CLAIM: Final = """
insert into tick as t (name, slot) values
    (%(name)s, floor(extract(epoch from now()) / %(period)s))
on conflict (name) do update set slot = excluded.slot, claimed_at = now()
where t.slot < excluded.slot
returning 1
"""


def claim(name: str, *, period: float) -> bool:
    """Take the current period (seconds, database clock) of a task; False when somebody has it."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"name": name, "period": period})
        return cursor.fetchone() is not None
