"""Slots and health of each pool."""

from typing import Final

from django.db import connection

from jobs.models import PoolState
from videogen.figures.figure import Figure

_POOLS: Final = """
select name, state, slots, coalesce(usual_slots, slots),
    (select count(*) from lease where lease.pool_id = pool.name),
    (coalesce(breaker_until > now(), false))::int, is_on_probation::int,
    (select count(*) from node where node.pool_name = pool.name and quarantined_until > now())
from pool order by name
"""


def read() -> list[Figure]:
    """Read every pool, with its leases."""
    with connection.cursor() as cursor:
        cursor.execute(_POOLS)
        pools = cursor.fetchall()
    return [
        Figure(
            name="videogen_slots",
            about="Slots of a pool: now, usually, and held by attempts.",
            labels=("pool", "kind"),
            rows=[
                (pool[0], kind, count)
                for pool in pools
                for kind, count in zip(("total", "usual", "held"), pool[2:5], strict=True)
            ],
        ),
        Figure(
            name="videogen_pool_state",
            about="1 for the state that a pool is in, 0 for the others.",
            labels=("pool", "state"),
            rows=[(pool[0], state, int(pool[1] == state)) for pool in pools for state in PoolState],
        ),
        Figure(
            name="videogen_pool_breaker_open",
            about="1 while a pool's server is left alone because it did not answer.",
            labels=("pool",),
            rows=[(pool[0], pool[5]) for pool in pools],
        ),
        Figure(
            name="videogen_pool_on_probation",
            about="1 while a pool that came back from quarantine gets one slot.",
            labels=("pool",),
            rows=[(pool[0], pool[6]) for pool in pools],
        ),
        Figure(
            name="videogen_quarantined_nodes",
            about="Machines that take nothing of a pool because their attempts failed in a row.",
            labels=("pool",),
            rows=[(pool[0], pool[7]) for pool in pools],
        ),
    ]
