"""The canary's task: what proves that a queue is consumed is that it ran."""

from celery import shared_task

from videogen import canaries


@shared_task(name=canaries.TASK, ignore_result=True)
def sing() -> None:
    """Do nothing; `videogen/pulse.py` notes which queue it came by."""
