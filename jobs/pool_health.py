"""Whether pools are well: asked regularly, taken out after failing in a row, let back in carefully.

Note [Quarantine]: a pool whose last attempts all failed by its own fault takes nothing new until a time. Then its
server is asked; when it answers, the pool is on probation: one slot, until an attempt succeeds. A failure on
probation quarantines it again, for longer. Where only one machine of a pool fails, only that machine is out.
"""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from django.db import connection

from jobs import breakers, budgets, orders, pools
from jobs.backends import registry
from jobs.backends.backend import BackendError, Health, OverBudget
from jobs.failures import FailureKind, Fault
from jobs.models import Pool, PoolState
from notifications.sealing import CannotOpen

logger = logging.getLogger(__name__)

ACTOR: Final = "health check"
# Failed attempts in a row that take a pool or a machine out; on probation one is enough.
FAILURES_IN_A_ROW: Final = 5
# How long it is out, seconds: doubled with each time in a row.
_FIRST: Final = 30
_LONGEST: Final = 900
# Servers that one pass asks.
_ASKED_AT_ONCE: Final = 32
# What the question costs at most, requests, and how long it waits for its turn, seconds.
_REQUESTS: Final = 2
_PATIENCE: Final = 5.0
# Moves that are looked back on.
_LOOK_BACK: Final = 5_000
BAD: Final = sorted(
    kind.value for kind in FailureKind if kind.fault in {Fault.BACKEND, Fault.OURS} and kind.counts
)

# The latest attempts that ended since a pool's state began, and how many of them failed by the pool's fault. What
# a server forgot in one restart is one failure: later ones of it were sent before the first was noticed.
_ENDED: Final = """
with all_ended as (
    select a.pool, a.node, a.ended_at, a.outcome = any(%(bad)s) as is_bad, a.detail,
        a.outcome = 'backend_forgot' and a.submitted_at < lag(a.ended_at)
            over (partition by a.pool, a.outcome order by a.ended_at) as is_same_restart
    from job_transition t
    join attempt a on a.job_id = t.job_id and a.number = t.attempt
    where t.id > (select coalesce(max(id), 0) from job_transition) - %(moves)s
        and t.from_state in ('dispatched', 'running') and t.to_state <> 'running'
        and a.ended_at is not null and a.outcome <> all (%(neutral)s)
), ended as (
    select * from all_ended where is_same_restart is not true
)
"""
_BY_POOL: Final = f"""{_ENDED}
, latest as (
    select e.pool, e.is_bad, e.detail,
        row_number() over (partition by e.pool order by e.ended_at desc) as place
    from ended e join pool p on p.name = e.pool and e.ended_at > p.state_since
    where p.state = 'active'
)
select p.name, p.is_on_probation, p.quarantines,
    count(*) filter (where latest.place <= %(row)s and latest.is_bad),
    bool_or(not latest.is_bad and latest.place = 1),
    max(latest.detail) filter (where latest.place = 1)
from latest join pool p on p.name = latest.pool
group by p.name
"""
_BY_NODE: Final = f"""{_ENDED}
, latest as (
    select e.pool, e.node, e.is_bad, e.detail,
        row_number() over (partition by e.pool, e.node order by e.ended_at desc) as place
    from ended e
    left join node n on n.pool_name = e.pool and n.name = e.node
    where e.node <> '' and (n.quarantined_until is null or e.ended_at > n.quarantined_until)
        and e.ended_at > now() - interval '1 hour'
), nodes as (
    select pool, node, count(*) filter (where place <= %(row)s and is_bad) as bad,
        bool_or(not is_bad and place = 1) as is_well, max(detail) filter (where place = 1) as detail
    from latest group by pool, node
)
select bad.pool, bad.node, bad.detail from nodes bad
where bad.bad >= %(row)s
    and exists (select 1 from nodes w where w.pool = bad.pool and w.node <> bad.node and w.is_well)
"""
_PUT_NODE_OUT: Final = """
insert into node (pool_name, name, reason, quarantined_until, quarantines)
values (%(pool)s, %(node)s, left(%(reason)s, 300), now() + make_interval(secs => %(first)s), 1)
on conflict (pool_name, name) do update set reason = excluded.reason, quarantined_at = now(),
    quarantines = node.quarantines + 1,
    quarantined_until = now() + make_interval(
        secs => least(%(longest)s, %(first)s * 2 ^ least(node.quarantines, 8)))
where node.quarantined_until < now()
"""
_CLAIM_CHECKS: Final = """
update pool set checked_at = now()
where name in (select name from pool
    where coalesce(checked_at, '-infinity') < now() - make_interval(secs => %s) and url <> ''
    order by checked_at nulls first limit %s for no key update skip locked)
returning name
"""
# Only when something is new.
_TOLD: Final = """
update pool set told_slots = t.slots, told_models = t.models
from (select %s::int as slots, %s::varchar[] as models) t
where name = %s and (told_slots, told_models) is distinct from (t.slots, t.models)
"""
_OVER: Final = "select name from pool where state = 'quarantined' and quarantined_until <= now()"


def check_servers(*, every_seconds: float) -> int:
    """Ask each server how it is, once in so many seconds over all processes; say how many were asked.

    They are asked side by side, so that those that hang cost this pass one patience and no more.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_CHECKS, [every_seconds, _ASKED_AT_ONCE])
        names = [name for (name,) in cursor.fetchall()]
    if not names:
        return 0
    asked = [
        (pool, wait)
        for pool in Pool.objects.filter(name__in=names)
        if (wait := _turn(pool)) is not None
    ]
    if not asked:
        return 0
    with ThreadPoolExecutor(len(asked)) as threads:
        for (pool, _), found in zip(asked, threads.map(_ask_in_turn, asked), strict=True):
            _note(pool, found)
    return len(asked)


def ask(pool: Pool) -> bool:
    """Ask one server how it is, and tell the breaker; say whether it answered."""
    with budgets.asking(pool.name):
        found = _ask(pool)
    _note(pool, found)
    return isinstance(found, Health)


def _turn(pool: Pool) -> float | None:
    """Reserve what a question costs; None when the server is asked as often as it may be anyway."""
    try:
        return budgets.reserve(pool.name, _REQUESTS, patience=_PATIENCE)
    except OverBudget:
        return None


def _ask_in_turn(asked: tuple[Pool, float]) -> Health | str:
    pool, wait = asked
    time.sleep(wait)
    try:
        with budgets.asking(pool.name, prepaid=_REQUESTS):
            return _ask(pool)
    finally:
        connection.close()


def _ask(pool: Pool) -> Health | str:
    """Give what the server says of itself, or why there was no good answer. For threads."""
    try:
        return registry.backend(pool.driver).health(orders.site_of(pool))
    except (BackendError, CannotOpen, OverBudget) as error:
        return str(error)
    except Exception as bug:  # a broken driver must not keep the other pools from it
        logger.exception("driver_broke", extra={"pool": pool.name})
        return f"The driver broke: {bug!r}"


def _note(pool: Pool, found: Health | str) -> None:
    if isinstance(found, Health):
        breakers.answered(pool.name)
        with connection.cursor() as cursor:
            cursor.execute(_TOLD, [found.slots, list(found.models), pool.name])
    elif breakers.unanswered(pool.name, found):
        logger.warning("breaker_opened", extra={"pool": pool.name, "reason": found})


def judge_pools() -> int:
    """Quarantine pools that fail in a row, end the probation of those that succeed; say how many changed."""
    changed = 0
    for name, is_on_probation, quarantines, bad, is_well, detail in _rows(_BY_POOL):
        if is_on_probation and is_well:
            pools.change(
                name, actor=ACTOR, reason="", is_on_probation=False, quarantines=0, state_reason=""
            )
            changed += 1
        elif bad >= (1 if is_on_probation else FAILURES_IN_A_ROW):
            _put_out(name, quarantines, bad, detail)
            changed += 1
    return changed


def judge_nodes() -> int:
    """Take single machines out that fail in a row while others of their pool do not; say how many."""
    taken_out = 0
    for pool, node, detail in _rows(_BY_NODE):
        reason = f"{FAILURES_IN_A_ROW} attempts failed in a row. The last one: {detail}"
        with connection.cursor() as cursor:
            cursor.execute(
                _PUT_NODE_OUT,
                {
                    "pool": pool,
                    "node": node,
                    "reason": reason,
                    "first": _FIRST,
                    "longest": _LONGEST,
                },
            )
            taken_out += cursor.rowcount
        logger.warning("node_quarantined", extra={"pool": pool, "node": node})
    return taken_out


def let_back_in() -> int:
    """Let quarantined pools back on probation when their time is over and their server answers; say how many."""
    back = 0
    for (name,) in _rows(_OVER):
        pool = Pool.objects.get(name=name)
        if pool.url and not ask(pool):
            continue
        pools.change(
            name,
            actor=ACTOR,
            reason="Its time is over and its server answers: one slot, until a video succeeds.",
            state=PoolState.ACTIVE,
            is_on_probation=True,
            quarantined_until=None,
        )
        back += 1
    return back


def is_quarantined(pool: str, node: str) -> bool:
    """Say whether this machine takes nothing from the pool at the moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists (select 1 from node where pool_name = %s and name = %s"
            " and quarantined_until > now())",
            [pool, node],
        )
        return bool(cursor.fetchone()[0])


def _put_out(name: str, quarantines: int, bad: int, detail: str) -> None:
    seconds = min(_LONGEST, _FIRST * 2**quarantines)
    failed = (
        "The first attempt on probation failed"
        if quarantines
        else f"{bad} attempts failed in a row"
    )
    pools.change(
        name,
        actor=ACTOR,
        reason=f"{failed}. The last one: {detail}"[:300],
        state=PoolState.QUARANTINED,
        is_on_probation=False,
        quarantines=quarantines + 1,
        quarantined_until=_in(seconds),
    )
    logger.warning("pool_quarantined", extra={"pool": name, "seconds": seconds})


def _in(seconds: int) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("select now() + make_interval(secs => %s)", [seconds])
        return cursor.fetchone()[0]


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "bad": BAD,
                # Ends that say nothing about the pool.
                "neutral": [
                    "canceled",
                    "expired",
                    "invalid_request",
                    "content_policy",
                    "worker_stopped",
                ],
                "moves": _LOOK_BACK,
                "row": FAILURES_IN_A_ROW,
            },
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
