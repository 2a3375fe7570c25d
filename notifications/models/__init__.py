"""Facts to announce, the order in which each owner hears them, and what each was told."""

from notifications.models.feed_head import FeedHead
from notifications.models.notification import Notification
from notifications.models.outbox_event import OutboxEvent

__all__ = ["FeedHead", "Notification", "OutboxEvent"]
