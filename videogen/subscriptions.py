"""Who hears an event, as `urls.py` says who answers a request."""

from notifications import subscribers, webhook_endpoints

_TELL = (subscribers.notify_owner, subscribers.plan_deliveries)

SUBSCRIPTIONS = {
    "job.succeeded": _TELL,
    "job.failed": _TELL,
    "job.expired": _TELL,
    webhook_endpoints.DISABLED: _TELL,
}
