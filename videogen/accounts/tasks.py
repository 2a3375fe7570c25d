"""Celery's entry points into the accounts. Beat rings them; the tick's row decides who runs."""

from celery import shared_task

from scheduler import ticks
from videogen.accounts import suspensions

WITHDRAW_EVERY = 2.0


@shared_task(name="videogen.withdraw_jobs_of_suspended", ignore_result=True)
def withdraw_jobs_of_suspended() -> None:
    """Withdraw what waits in suspended accounts."""
    if ticks.claim("withdraw_jobs_of_suspended", period=WITHDRAW_EVERY):
        suspensions.withdraw_jobs()
