"""What runs on the clock: name, task, seconds. Messages expire, so that a dead worker finds no pile."""

from typing import Any

from notifications import tasks as notices
from scheduler import tasks
from videogen import canaries
from videogen import tasks as own_tasks
from videogen.accounts import tasks as account_tasks

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
    (tasks.shed, tasks.SHED_EVERY),
    (tasks.forget_tickets, tasks.FORGET_EVERY),
    (tasks.forget_images, tasks.FORGET_EVERY),
    (tasks.forget_messages, tasks.FORGET_EVERY),
    (tasks.judge_pools, tasks.JUDGE_EVERY),
    (tasks.check_servers, tasks.CHECK_EVERY),
    (tasks.move_on, tasks.REKIND_EVERY),
    (tasks.give_back_slots, tasks.RESTORE_EVERY),
    (tasks.settle_kinds, tasks.SETTLE_EVERY),
    (notices.forget_deliveries, notices.FORGET_EVERY),
    (notices.forget_notifications, notices.FORGET_EVERY),
    (notices.release_held, notices.RELEASE_EVERY),
    (tasks.close_batches, tasks.CLOSE_EVERY),
    (tasks.take_reading, tasks.READ_EVERY),
    (tasks.work_operations, tasks.OPERATE_EVERY),
    (tasks.stop_orphans, tasks.ORPHANS_EVERY),
    (account_tasks.withdraw_jobs_of_suspended, account_tasks.WITHDRAW_EVERY),
    (account_tasks.make_exports, account_tasks.EXPORT_EVERY),
    (account_tasks.delete_accounts, account_tasks.DELETE_EVERY),
    (account_tasks.forget_exports, account_tasks.FORGET_EVERY),
    (account_tasks.forget_sessions, account_tasks.FORGET_EVERY),
    (own_tasks.sing, canaries.EVERY),
    (account_tasks.forget_access_changes, account_tasks.FORGET_EVERY),
)

SCHEDULE: dict[str, dict[str, Any]] = {
    task.name: {
        "task": task.name,
        "schedule": seconds,
        "options": {"queue": "upkeep", "expires": 2 * seconds},
    }
    for task, seconds in _TABLE
}
