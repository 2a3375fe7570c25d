"""Celery's entry points into notifications. Beat rings them; several at once do no harm."""

from celery import shared_task
from django.conf import settings

from notifications import deliveries

# Seconds between two runs, and what one takes at most.
FORGET_EVERY = 300.0
_LARGEST_BATCH = 5_000


@shared_task(name="notifications.forget_deliveries", ignore_result=True)
def forget_deliveries() -> None:
    """Drop deliveries that ended long ago, with their log."""
    deliveries.forget(days=settings.DELIVERIES_KEPT_DAYS, limit=_LARGEST_BATCH)
