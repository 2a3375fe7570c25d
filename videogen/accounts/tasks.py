"""Celery's entry points into the accounts. Beat rings them; the tick's row decides who runs."""

from celery import shared_task

from notifications import retention
from scheduler import ticks
from videogen.accounts import deletions, exports, known_keys, sessions, suspensions

WITHDRAW_EVERY = 2.0
EXPORT_EVERY = 5.0
DELETE_EVERY = 10.0
FORGET_EVERY = 60.0
# A copy has many parts: so many go in one statement.
_EXPORTS = 100


@shared_task(name="videogen.withdraw_jobs_of_suspended", ignore_result=True)
def withdraw_jobs_of_suspended() -> None:
    """Withdraw what waits in suspended accounts."""
    if ticks.claim("withdraw_jobs_of_suspended", period=WITHDRAW_EVERY):
        suspensions.withdraw_jobs()


@shared_task(name="videogen.make_exports", ignore_result=True)
def make_exports() -> None:
    """Go on with the copies that people asked for."""
    if ticks.claim("make_exports", period=EXPORT_EVERY):
        exports.make()


@shared_task(name="videogen.delete_accounts", ignore_result=True)
def delete_accounts() -> None:
    """Go on with the deletions that are due."""
    if ticks.claim("delete_accounts", period=DELETE_EVERY):
        deletions.delete_due()


@shared_task(name="videogen.forget_exports", ignore_result=True)
def forget_exports() -> None:
    """Drop old copies."""
    if ticks.claim("forget_exports", period=FORGET_EVERY):
        retention.drop("exports", exports.forget, batch=_EXPORTS)


@shared_task(name="videogen.forget_sessions", ignore_result=True)
def forget_sessions() -> None:
    """Drop sessions that are over."""
    if ticks.claim("forget_sessions", period=FORGET_EVERY):
        retention.drop("sessions", sessions.forget)


@shared_task(name="videogen.forget_access_changes", ignore_result=True)
def forget_access_changes() -> None:
    """Drop what every process knows of changed keys and users."""
    if ticks.claim("forget_access_changes", period=FORGET_EVERY):
        known_keys.forget_changes()
