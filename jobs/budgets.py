"""How often each server is asked, over all processes: every request about orders is counted in its pool's row.

Note [Budgets]: the generic cell rate algorithm (ITU-T I.371) on `pool.polled_until`. The poller spends what is
there for questions of one request. Whatever may need more (a page after a page, a look before a cancel), and
whoever else asks (sweeps, orphans, health checks), passes a gate before each request and waits there for its turn.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection

from jobs.backends import http
from jobs.backends.backend import OverBudget

# Unused questions are kept for a moment, so that a loop that comes by a few times a second can spend them.
_KEPT_SECONDS: Final = 0.25
# The rest of a budget is what a moment's questions may come on top of: no second has more than the budget.
_SHARE: Final = 1 / (1 + _KEPT_SECONDS)
# How long a gate lets its request wait, seconds.
PATIENCE: Final = 10.0

# Of a pool's row: requests a second, and the time up to which they are used up.
RATE: Final = f"(polls_per_second * {_SHARE})"
USED_UNTIL: Final = f"""greatest(polled_until, now() - make_interval(
    secs => greatest({_KEPT_SECONDS}, 1 / {RATE})))"""

SPEND: Final = f"""
update pool set polled_until = {USED_UNTIL} + make_interval(secs => %s / {RATE}) where name = %s
"""
# A server that may be asked once in a minute is waited for that long.
_RESERVE: Final = f"""
with wanted as (
    select name, {USED_UNTIL} + make_interval(secs => %(requests)s / {RATE}) as until,
        now() + make_interval(secs => greatest(%(patience)s, 2 * %(requests)s / {RATE})) as latest
    from pool where name = %(pool)s for no key update
), spent as (
    update pool set polled_until = until from wanted
    where pool.name = wanted.name and until <= latest
    returning 1
)
select greatest(0, extract(epoch from until - now()))::float8, exists (select 1 from spent)
from wanted
"""


def reserve(pool: str, requests: int = 1, *, patience: float = PATIENCE) -> float:
    """Take so many requests from a pool's budget; give the seconds until they may be sent.

    Raises OverBudget, and takes nothing, when that is too long.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RESERVE, {"pool": pool, "requests": requests, "patience": patience})
        row = cursor.fetchone()
    if row is None:
        # A pool that is only thought about, or was removed.
        return 0.0
    wait, is_taken = row
    if not is_taken:
        raise OverBudget(pool)
    return float(wait)


@contextmanager
def asking(pool: str, *, prepaid: int = 0, patience: float = PATIENCE) -> Iterator[None]:
    """Let each request of this block wait for its turn, but for so many that were reserved before.

    Uses the thread's database connection only when more is asked. Requests raise OverBudget.
    """
    left = prepaid

    def wait() -> None:
        nonlocal left
        if left:
            left -= 1
        else:
            time.sleep(reserve(pool, patience=patience))

    with http.through(wait):
        yield
