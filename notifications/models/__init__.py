"""Facts to announce, the order in which each owner hears them, and what each was told."""

from notifications.models.delivery import Delivery, DeliveryAttempt, DeliveryState, Route
from notifications.models.feed_head import FeedHead
from notifications.models.notification import Notification
from notifications.models.outbox_event import OutboxEvent
from notifications.models.parked_event import ParkedEvent
from notifications.models.preference import Preference
from notifications.models.push import Platform, PushDevice, PushSubscription
from notifications.models.webhook_endpoint import WebhookEndpoint
from notifications.models.wishes import Wishes

__all__ = [
    "Delivery",
    "DeliveryAttempt",
    "DeliveryState",
    "FeedHead",
    "Notification",
    "OutboxEvent",
    "ParkedEvent",
    "Platform",
    "Preference",
    "PushDevice",
    "PushSubscription",
    "Route",
    "WebhookEndpoint",
    "Wishes",
]
