"""Who hears an event, as `urls.py` says who answers a request."""

from notifications import subscribers

SUBSCRIPTIONS = {
    "job.succeeded": (subscribers.notify_owner,),
    "job.failed": (subscribers.notify_owner,),
    "job.expired": (subscribers.notify_owner,),
}
