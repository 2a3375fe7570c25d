"""What was announced, and to whom: to be read."""

from django.contrib import admin

from notifications.models import FeedHead, Notification, OutboxEvent
from notifications.records import Records


@admin.register(Notification)
class NotificationAdmin(Records):
    list_display = ("id", "name", "owner_id", "subject_id", "created_at", "read_at")
    search_ids = ("owner_id",)


@admin.register(OutboxEvent)
class OutboxEventAdmin(Records):
    list_display = ("id", "name", "owner_id", "subject_id", "sequence", "recorded_at", "relayed_at")
    search_ids = ("owner_id",)


@admin.register(FeedHead)
class FeedHeadAdmin(Records):
    list_display = ("owner_id", "sequence")
    search_ids = ("owner_id",)
