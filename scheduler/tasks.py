"""Celery's entry points into the sweeps. Beat rings them; the tick's row decides who runs."""

import random
from collections.abc import Callable

from celery import shared_task

from jobs import kinds, pool_health
from scheduler import operations, readings, rekinding, returns, shedding, sweeps, ticks

# Seconds between two runs; beat's table reads them.
RESCUE_EVERY = 2.0
RETURN_EVERY = 1.0
SHED_EVERY = 5.0
EXPIRE_EVERY = 2.0
QUESTION_EVERY = 5.0
REOPEN_EVERY = 10.0
MEND_EVERY = 60.0
LEARN_EVERY = 60.0
GRANT_EVERY = 60.0
FORGET_EVERY = 60.0
ORPHANS_EVERY = 5.0
CLOSE_EVERY = 60.0
JUDGE_EVERY = 5.0
CHECK_EVERY = 5.0
REKIND_EVERY = 2.0
RESTORE_EVERY = 5.0
SETTLE_EVERY = 60.0
READ_EVERY = 15.0
OPERATE_EVERY = 1.0
# Each server is asked how it is once in so many seconds.
_ASKED_EVERY = 10.0


@shared_task(name="scheduler.rescue_silent_workers", ignore_result=True)
def rescue_silent_workers() -> None:
    """Recover attempts whose lease ran out."""
    _once(
        "rescue_silent_workers", RESCUE_EVERY, lambda: sweeps.rescue_silent_workers(random.random)
    )


@shared_task(name="scheduler.question_long_runs", ignore_result=True)
def question_long_runs() -> None:
    """Ask after attempts that run far longer than is normal."""
    _once("question_long_runs", QUESTION_EVERY, lambda: sweeps.question_long_runs(random.random))


@shared_task(name="scheduler.expire_waiting", ignore_result=True)
def expire_waiting() -> None:
    """End waiting jobs whose time passed."""
    _once("expire_waiting", EXPIRE_EVERY, sweeps.expire_waiting)


@shared_task(name="scheduler.shed", ignore_result=True)
def shed() -> None:
    """Give up unpaid jobs that waited too long."""
    _once("shed", SHED_EVERY, shedding.shed)


@shared_task(name="scheduler.forget_tickets", ignore_result=True)
def forget_tickets() -> None:
    """Drop tickets that are long past."""
    _once("forget_tickets", FORGET_EVERY, sweeps.forget_tickets)


@shared_task(name="scheduler.return_due_retries", ignore_result=True)
def return_due_retries() -> None:
    """Put jobs whose next attempt is due back into their line."""
    _once("return_due_retries", RETURN_EVERY, sweeps.return_due_retries)


@shared_task(name="scheduler.reopen_lanes", ignore_result=True)
def reopen_lanes() -> None:
    """Open lanes whose owners may run more than before."""
    _once("reopen_lanes", REOPEN_EVERY, sweeps.reopen_lanes)


@shared_task(name="scheduler.mend_lanes", ignore_result=True)
def mend_lanes() -> None:
    """Write lanes anew that do not say what waits in them."""
    _once("mend_lanes", MEND_EVERY, sweeps.mend_lanes)


@shared_task(name="scheduler.learn_run_times", ignore_result=True)
def learn_run_times() -> None:
    """Learn how long generations take."""
    _once("learn_run_times", LEARN_EVERY, sweeps.learn_run_times)


@shared_task(name="scheduler.grant_months", ignore_result=True)
def grant_months() -> None:
    """Give this month's credits."""
    _once("grant_months", GRANT_EVERY, sweeps.grant_months)


@shared_task(name="scheduler.forget_keys", ignore_result=True)
def forget_keys() -> None:
    """Drop old idempotency keys."""
    _once("forget_keys", FORGET_EVERY, sweeps.forget_keys)


@shared_task(name="scheduler.forget_images", ignore_result=True)
def forget_images() -> None:
    """Remove images that no job begins from any more."""
    _once("forget_images", FORGET_EVERY, sweeps.forget_images)


@shared_task(name="scheduler.close_batches", ignore_result=True)
def close_batches() -> None:
    """Close the batches of calls that died."""
    _once("close_batches", CLOSE_EVERY, sweeps.close_batches)


@shared_task(name="scheduler.stop_orphans", ignore_result=True)
def stop_orphans() -> None:
    """Stop work on backends that no attempt owns."""
    _once("stop_orphans", ORPHANS_EVERY, sweeps.stop_orphans)


@shared_task(name="scheduler.forget_messages", ignore_result=True)
def forget_messages() -> None:
    """Drop old webhooks of backends."""
    _once("forget_messages", FORGET_EVERY, sweeps.forget_messages)


@shared_task(name="scheduler.judge_pools", ignore_result=True)
def judge_pools() -> None:
    """Take out pools and machines that fail in a row; let others back in."""
    _once(
        "judge_pools",
        JUDGE_EVERY,
        lambda: pool_health.judge_nodes() + pool_health.judge_pools() + pool_health.let_back_in(),
    )


@shared_task(name="scheduler.check_servers", ignore_result=True)
def check_servers() -> None:
    """Ask each server how it is."""
    _once(
        "check_servers",
        CHECK_EVERY,
        lambda: pool_health.check_servers(every_seconds=_ASKED_EVERY),
    )


@shared_task(name="scheduler.move_on", ignore_result=True)
def move_on() -> None:
    """Move waiting jobs to the lines of the pools that can make them now."""
    _once("move_on", REKIND_EVERY, rekinding.move_on)


@shared_task(name="scheduler.give_back_slots", ignore_result=True)
def give_back_slots() -> None:
    """Give pools the slots back whose time has come."""
    _once("give_back_slots", RESTORE_EVERY, returns.give_back)


@shared_task(name="scheduler.settle_kinds", ignore_result=True)
def settle_kinds() -> None:
    """Write anew what can be asked for, and who makes it."""
    _once("settle_kinds", SETTLE_EVERY, kinds.settle)


@shared_task(name="scheduler.take_reading", ignore_result=True)
def take_reading() -> None:
    """Note what the whole is like, for the console."""
    _once("take_reading", READ_EVERY, readings.take)


@shared_task(name="scheduler.work_operations", ignore_result=True)
def work_operations() -> None:
    """Go on with what operators asked for."""
    _once("work_operations", OPERATE_EVERY, lambda: operations.work(random.random))


def _once(name: str, period: float, sweep: Callable[[], int | None]) -> None:
    if ticks.claim(name, period=period):
        sweep()
