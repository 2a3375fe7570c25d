"""What runs on the clock: name, task, seconds. Messages expire, so that a dead worker finds no pile."""

from typing import Any

from scheduler import tasks

_TABLE = (
    (tasks.rescue_silent_workers, tasks.RESCUE_EVERY),
    (tasks.question_long_runs, tasks.QUESTION_EVERY),
    (tasks.expire_waiting, tasks.EXPIRE_EVERY),
    (tasks.return_due_retries, tasks.RETURN_EVERY),
    (tasks.reopen_lanes, tasks.REOPEN_EVERY),
    (tasks.mend_lanes, tasks.MEND_EVERY),
    (tasks.learn_run_times, tasks.LEARN_EVERY),
    (tasks.grant_months, tasks.GRANT_EVERY),
    (tasks.forget_keys, tasks.FORGET_EVERY),
    (tasks.forget_messages, tasks.FORGET_EVERY),
    (tasks.judge_pools, tasks.JUDGE_EVERY),
    (tasks.check_servers, tasks.CHECK_EVERY),
    (tasks.move_on, tasks.REKIND_EVERY),
    (tasks.settle_kinds, tasks.SETTLE_EVERY),
    (tasks.stop_orphans, tasks.ORPHANS_EVERY),
)

SCHEDULE: dict[str, dict[str, Any]] = {
    task.name: {
        "task": task.name,
        "schedule": seconds,
        "options": {"queue": "upkeep", "expires": 2 * seconds},
    }
    for task, seconds in _TABLE
}
