"""How many retries each pool may cause: the policy's budget, kept in one row per pool."""

from typing import Final

from django.db import connection

from jobs import retry_policy

_READ: Final = """
select p.slots, b.tokens, extract(epoch from now() - b.updated_at)::float8
from pool p left join retry_budget b on b.pool_id = p.name
where p.name = %s
"""
_LOCK: Final = "select 1 from retry_budget where pool_id = %s for no key update"
_OPEN: Final = """
insert into retry_budget (pool_id, tokens) select name, %s from pool where name = %s
on conflict do nothing
"""
_WRITE: Final = "update retry_budget set tokens = %s, updated_at = now() where pool_id = %s"


def spend(pool: str) -> float:
    """Take one retry from a pool's budget, under its lock; give the seconds to wait for it."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [pool])
        cursor.execute(_READ, [pool])
        slots, tokens, idle = cursor.fetchone()
        if tokens is None:
            cursor.execute(_OPEN, [retry_policy.full_budget(slots=slots), pool])
            cursor.execute(_LOCK, [pool])
            cursor.execute(_READ, [pool])
            slots, tokens, idle = cursor.fetchone()
        # A transaction that began before the one whose budget it reads sees time run backwards.
        left, wait = retry_policy.spend(tokens=tokens, idle_seconds=max(0.0, idle), slots=slots)
        cursor.execute(_WRITE, [left, pool])
    return wait
