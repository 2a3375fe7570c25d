"""Repairs by state, on the database's clock. Running one twice, or never for a while, loses nothing."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction

from jobs import (
    batch_ends,
    idempotency,
    images,
    inbox,
    kinds,
    lanes,
    ledger,
    orphans,
    progress,
    reconcile,
    transitions,
)
from jobs.errors import JobMissing, TransitionRefused
from notifications import retention, wakeup
from scheduler import run_times
from scheduler.metrics import REPAIRS

logger = logging.getLogger(__name__)

# Rows repaired in one go; the loop goes on until a batch is not full.
_BATCH: Final = 200
# Batches in one tick, so that a tick ends and the next one goes on.
_BATCHES: Final = 20
# Between two questions about one attempt, seconds.
_ASK_AGAIN_AFTER: Final = 30.0
# A pass that asks servers ends after so many seconds, and the next tick goes on.
_LONGEST_PASS: Final = 20.0
# Orphans looked for in one go: each may wait for a server.
_ORPHANS: Final = 20
# What waits in a server's own line is given up only after so many times what is hopeless.
_WAITING_STRETCH: Final = 4.0
# Messages of backends are kept for so many seconds.
MESSAGES_KEPT: Final = 7 * 86_400.0

_SILENT: Final = """
select expires_at::text, job_id, attempt, picked_up_at is not null from lease
where expires_at < now() and (expires_at, job_id) > (%s, %s)
order by expires_at, job_id limit %s
"""
_LONG: Final = """
select lease.job_id, lease.attempt, job.estimate, r.count, r.p99,
    extract(epoch from now() - coalesce(a.started_at, lease.picked_up_at))::float8,
    a.started_at is not null
from lease
join job on job.id = lease.job_id
join attempt a on a.job_id = lease.job_id and a.number = lease.attempt
left join run_time r on r.pool_name = lease.pool_id and r.model = job.model
    and r.seconds = job.seconds and r.size = job.size
where lease.job_id > %(after)s and lease.expires_at >= now()
    and coalesce(a.started_at, lease.picked_up_at) < now() - make_interval(secs => %(grace)s)
    and (lease.questioned_at is null
        or lease.questioned_at < now() - make_interval(secs => %(again)s))
order by lease.job_id limit %(limit)s
"""
_PAST_START: Final = """
select id from job where finished_at is null and start_by <= now() and state = 'queued'
    and not exists (select 1 from attempt
        where attempt.job_id = job.id and attempt.started_at is not null)
order by start_by limit %s
"""
_AWAY: Final = "select name from pool where breaker_until > now()"
_PAST_FINISH: Final = """
select id from job where finished_at is null and finish_by <= now() and state = 'queued'
order by finish_by limit %s
"""
_DUE: Final = """
select job.id, job.owner_id, line.id
from job join account on account.owner_id = job.owner_id
left join offering on (offering.model, offering.seconds, offering.size)
    = (job.model, job.seconds, job.size)
join line on line.kind = coalesce(offering.kind_id, %s) and line.tier_id =
    case when job.tier_id = 'standby' then job.tier_id else account.tier_id end
where job.finished_at is null and job.due_at <= now() and job.state = 'queued'
order by job.due_at limit %s
"""
# A job that was canceled meanwhile gets no backlog row: its state is checked under its lock.
_RETURN: Final = f"""
with due as (
    update job set due_at = null, tier_id = (select tier_id from line where id = %(line)s)
    where id = %(job)s and state = 'queued' and due_at <= now()
    returning id, owner_id, estimate, created_at, attempt
), waiting as (
    insert into backlog (job_id, owner_id, line_id, cost, since, tried_pool, tried_slot)
    select due.id, due.owner_id, %(line)s, due.estimate, due.created_at, last.pool, last.slot
    from due left join attempt last on last.job_id = due.id and last.number = due.attempt
    on conflict do nothing
    returning job_id, owner_id, line_id, cost, since
)
insert into lane as l
    (owner_id, line_id, state, tag, work, jobs, head_id, head_cost, head_since)
select w.owner_id, w.line_id, 1, {progress.VIRTUAL_TIME.format(line="w.line_id")}, w.cost, 1, w.job_id, w.cost, w.since
from waiting w
on conflict (owner_id, line_id) do update set {lanes.JOINED}
"""
# Lanes that say "at the limit" although it is not so: the limit was raised. Those that are being written
# are left to the next tick.
_REOPEN: Final = f"""
with held_back as materialized (
    select owner_id, line_id from lane where state = 2
        and exists (select 1 from account join tier on tier.name = account.tier_id
            where account.owner_id = lane.owner_id and (tier.running_limit is null
                or tier.running_limit >
                    (select count(*) from lease where lease.owner_id = lane.owner_id)))
    for no key update skip locked
)
update lane set state = 1,
    tag = greatest(lane.tag, {progress.VIRTUAL_TIME.format(line="lane.line_id")})
from held_back
where lane.owner_id = held_back.owner_id and lane.line_id = held_back.line_id
"""
# Learned anew from the latest moves, so that no mark of what was read must be kept. A few generations of
# today do not overrule the many that were learned from before.
_LEARN: Final = """
with recent as (
    select a.pool, j.model, j.seconds, j.size,
        extract(epoch from a.ended_at - a.started_at)::float8 as took
    from job_transition t
    join attempt a on a.job_id = t.job_id and a.number = t.attempt
    join job j on j.id = t.job_id
    where t.id > (select coalesce(max(id), 0) from job_transition) - %(moves)s
        and t.to_state = 'succeeded' and a.outcome = 'succeeded' and a.started_at is not null
)
insert into run_time as known (pool_name, model, seconds, size, count, p10, median, p90, p99)
select pool, model, seconds, size, count(*),
    percentile_disc(0.1) within group (order by took),
    percentile_disc(0.5) within group (order by took),
    percentile_disc(0.9) within group (order by took),
    percentile_disc(0.99) within group (order by took)
from recent group by pool, model, seconds, size
on conflict (pool_name, model, seconds, size) do update set
    count = excluded.count, p10 = excluded.p10, median = excluded.median, p90 = excluded.p90,
    p99 = excluded.p99, updated_at = now()
where excluded.count >= least(known.count, 20)
"""
# Moves that learning looks back on.
_LOOK_BACK: Final = 20_000
# Tickets are kept for so many seconds past their time, so that their use can be looked up.
TICKETS_KEPT: Final = 86_400.0
_FORGET_TICKETS: Final = """
delete from ticket where id in (
    select id from ticket where valid_until < now() - make_interval(secs => %s)
    order by valid_until limit %s
)
"""
_FIRST: Final = ("-infinity", "00000000-0000-0000-0000-000000000000")


def rescue_silent_workers(jitter: Callable[[], float]) -> int:
    """Recover attempts whose lease ran out: their worker died, hangs, or never took them."""
    rescued, after, ends_at = 0, _FIRST, time.monotonic() + _LONGEST_PASS
    away = {name for (name,) in _rows(_AWAY, [])}
    for _ in range(_BATCHES):
        rows = _rows(_SILENT, [*after, _BATCH])
        for expires_at, job_id, attempt, is_taken in rows:
            if time.monotonic() > ends_at:
                return _counted("rescue_silent_workers", rescued)
            after = (expires_at, str(job_id))
            rescued += _guarded(
                job_id,
                partial(
                    reconcile.recover,
                    job_id,
                    attempt=attempt,
                    is_taken=is_taken,
                    jitter=jitter(),
                    away=away,
                ),
            )
        if len(rows) < _BATCH:
            break
    return _counted("rescue_silent_workers", rescued)


def question_long_runs(jitter: Callable[[], float]) -> int:
    """Ask after attempts that run far longer than is normal, and end those that are over or hopeless."""
    ended, after, ends_at = 0, _FIRST[1], time.monotonic() + _LONGEST_PASS
    for _ in range(_BATCHES):
        rows = _rows(
            _LONG,
            {
                "after": after,
                "grace": run_times.SHORTEST_GRACE,
                "again": _ASK_AGAIN_AFTER,
                "limit": _BATCH,
            },
        )
        for job_id, attempt, estimate, count, p99, ran_for, has_started in rows:
            if time.monotonic() > ends_at:
                return _counted("question_long_runs", ended)
            after = str(job_id)
            learned = None if count is None else run_times.Learned(count=count, p99=p99)
            patience = run_times.patience(learned, estimate=estimate)
            # In a server's own line it does not run too long; it waits.
            stretch = 1.0 if has_started else _WAITING_STRETCH
            if ran_for > patience.question:
                ended += _guarded(
                    job_id,
                    partial(
                        reconcile.question,
                        job_id,
                        attempt=attempt,
                        is_hopeless=ran_for > stretch * patience.give_up,
                        jitter=jitter(),
                    ),
                )
        if len(rows) < _BATCH:
            break
    return _counted("question_long_runs", ended)


def expire_waiting() -> int:
    """End waiting jobs whose time to start or to finish passed. Running ones stop by themselves."""
    expired = 0
    for statement in (_PAST_START, _PAST_FINISH):
        for (job_id,) in _rows(statement, [_BATCH]):
            try:
                transitions.expire(job_id)
            except (TransitionRefused, JobMissing) as refusal:
                logger.info("expiry_not_needed", extra={"job": str(job_id), "reason": str(refusal)})
            else:
                expired += 1
    return _counted("expire_waiting", expired)


def return_due_retries() -> int:
    """Put jobs whose next attempt is due back into their line, at their old place."""
    rows = _rows(_DUE, [kinds.NO_POOL, _BATCH])
    for job_id, owner_id, line_id in rows:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            lanes.lock(owner_id, line_id)
            cursor.execute(_RETURN, {"job": job_id, "line": line_id})
            wakeup.wake_on_commit(wakeup.DISPATCHER)
    return len(rows)


def reopen_lanes() -> int:
    """Open lanes whose owners may run more than before."""
    with connection.cursor() as cursor:
        cursor.execute(_REOPEN)
        opened = int(cursor.rowcount)
    if opened:
        wakeup.wake_on_commit(wakeup.DISPATCHER)
    return opened


def mend_lanes() -> int:
    """Write lanes anew that do not say what waits in them. There should never be one."""
    rows = _rows(f"{lanes.WRONG} limit %s", [_BATCH])
    for owner_id, line_id in rows:
        with transaction.atomic(durable=True):
            lanes.lock(owner_id, line_id)
            lanes.mend(owner_id, line_id)
    if rows:
        logger.warning("lanes_mended", extra={"count": len(rows)})
    return _counted("mend_lanes", len(rows))


def learn_run_times() -> int:
    """Learn what is normal from the latest generations; say how many kinds were learned."""
    with connection.cursor() as cursor:
        cursor.execute(_LEARN, {"moves": _LOOK_BACK})
        return int(cursor.rowcount)


def grant_months() -> int:
    """Give this month's credits to every account that lacks them."""
    granted = 0
    for _ in range(_BATCHES):
        batch = ledger.grant_months(limit=_BATCH)
        granted += batch
        if batch < _BATCH:
            break
    return granted


def forget_keys() -> int:
    """Drop the answers of idempotency keys that are older than they are kept for."""
    return retention.drop("idempotency_keys", idempotency.forget)


def forget_images() -> int:
    """Remove images that no job begins from any more."""
    return retention.drop("images", images.forget, batch=_BATCH)


def close_batches() -> int:
    """Close the batches of calls that died, so that their ends are told."""
    return _counted("close_batches", batch_ends.close_dead(limit=_BATCH))


def stop_orphans() -> int:
    """Look for and stop work on backends that no attempt owns."""
    return _counted("stop_orphans", orphans.stop_due(limit=_ORPHANS))


def forget_tickets() -> int:
    """Drop tickets that are long past."""
    return retention.drop("tickets", _forget_tickets)


def _forget_tickets(*, limit: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_FORGET_TICKETS, [TICKETS_KEPT, limit])
        return int(cursor.rowcount)


def forget_messages() -> int:
    """Drop old webhooks of backends."""
    return retention.drop("messages", partial(inbox.forget, older_than_seconds=MESSAGES_KEPT))


def _guarded(job_id: UUID, repair: Callable[[], bool]) -> bool:
    """Repair one row; one that cannot be repaired must not keep the others from it."""
    try:
        return repair()
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # the row is asked after again at the next tick
        logger.exception("repair_broke", extra={"job": str(job_id)})
        return False


def _rows(statement: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _counted(sweep: str, repaired: int) -> int:
    if repaired:
        REPAIRS.labels(sweep=sweep).inc(repaired)
    return repaired
