"""Celery's entry points into the sweeps. Beat rings them; the tick's row decides who runs."""

import random

from celery import shared_task

from scheduler import sweeps, ticks

# Seconds between two runs; beat's table reads them.
RESCUE_EVERY = 2.0
RETURN_EVERY = 1.0
REOPEN_EVERY = 10.0


@shared_task(name="scheduler.rescue_silent_workers", ignore_result=True)
def rescue_silent_workers() -> None:
    """End attempts whose lease ran out."""
    if ticks.claim("rescue_silent_workers", period=RESCUE_EVERY):
        sweeps.rescue_silent_workers(random.random)


@shared_task(name="scheduler.return_due_retries", ignore_result=True)
def return_due_retries() -> None:
    """Put jobs whose next attempt is due back into their line."""
    if ticks.claim("return_due_retries", period=RETURN_EVERY):
        sweeps.return_due_retries()


@shared_task(name="scheduler.reopen_lanes", ignore_result=True)
def reopen_lanes() -> None:
    """Open lanes that were left closed."""
    if ticks.claim("reopen_lanes", period=REOPEN_EVERY):
        sweeps.reopen_lanes()
