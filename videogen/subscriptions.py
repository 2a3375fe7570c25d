"""Who hears an event, as `urls.py` says who answers a request."""

from jobs import batch_ends, events, ledger
from notifications import subscribers, webhook_endpoints
from videogen.accounts import keys

# The end of a batch is recorded before its last part is told, or not told.
_END = (batch_ends.hear, subscribers.notify_owner, subscribers.plan_deliveries)
_TELL = (subscribers.notify_owner, subscribers.plan_deliveries)

SUBSCRIPTIONS = {
    "job.succeeded": _END,
    "job.failed": _END,
    "job.expired": _END,
    "job.canceled": _END,
    events.BATCH_ENDED: _TELL,
    ledger.GIVEN: _TELL,
    keys.CREATED: _TELL,
    webhook_endpoints.DISABLED: _TELL,
}
