"""Celery's entry points into notifications. Beat rings them; several at once do no harm."""

from functools import partial

from celery import shared_task
from django.conf import settings

from notifications import centre, deliveries, holds, retention

# Seconds between two runs, and what one takes at most.
FORGET_EVERY = 60.0
RELEASE_EVERY = 15.0
# Targets whose held notices one statement releases.
_TARGETS = 500


@shared_task(name="notifications.forget_deliveries", ignore_result=True)
def forget_deliveries() -> None:
    """Drop deliveries that ended long ago, with their log."""
    retention.drop("deliveries", partial(deliveries.forget, days=settings.DELIVERIES_KEPT_DAYS))


@shared_task(name="notifications.forget_notifications", ignore_result=True)
def forget_notifications() -> None:
    """Drop notifications of long ago."""
    retention.drop("notifications", partial(centre.forget, days=settings.NOTIFICATIONS_KEPT_DAYS))


@shared_task(name="notifications.release_held", ignore_result=True)
def release_held() -> None:
    """Send what waited for its reader's time, until nothing is due."""
    while holds.release(limit=_TARGETS):
        pass
