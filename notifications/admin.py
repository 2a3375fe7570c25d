"""What operators see of events and deliveries. Everything here is read, except that parked events are tried again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from notifications import channel_list, parking
from notifications.models import (
    Delivery,
    DeliveryAttempt,
    FeedHead,
    Notification,
    OutboxEvent,
    ParkedEvent,
    PushDevice,
    PushSubscription,
    WebhookEndpoint,
)
from notifications.records import Records


@admin.register(ParkedEvent)
class ParkedEventAdmin(Records):
    list_display = ("event_id", "subscriber", "error", "try_count", "parked_at")
    actions = ("try_again",)

    @admin.action(description="Try again")
    def try_again(self, request: HttpRequest, queryset: QuerySet[ParkedEvent]) -> None:
        for parked in queryset:
            try:
                parking.retry(parked)
            except Exception as error:  # noqa: BLE001 - a subscriber's bug is what parks events; it is shown
                messages.error(request, f"{parked}: {error}")
            else:
                messages.success(request, f"{parked}: heard.")


class AttemptInline(TabularInline):  # type: ignore[misc]  # unfold has no types
    model = DeliveryAttempt
    fields = ("number", "outcome", "reason", "status_code", "started_at", "took_ms")
    readonly_fields = fields
    extra = 0
    can_delete = False


class ChannelNote:
    """Says above a list which channels send nothing, and why."""

    # Empty: of every channel.
    channel_name = ""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        for one in channel_list.of():
            if one.problem and self.channel_name in {"", one.name}:
                messages.warning(request, f"{one.name} is not configured: {one.problem}")
        return super().changelist_view(request, extra_context)  # type: ignore[misc]  # of the admin's class beside it


@admin.register(Delivery)
class DeliveryAdmin(ChannelNote, Records):
    list_display = ("id", "name", "channel", "state", "reason", "attempt", "due_at", "created_at")
    list_filter = ("channel", "state")
    search_ids = ("id", "owner_id")
    # What was sent is its receiver's business.
    exclude = ("content", "payload")
    inlines = (AttemptInline,)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(Records):
    list_display = ("id", "owner_id", "url", "disabled_at", "disabled_reason")
    search_ids = ("id", "owner_id")
    exclude = ("sealed_secret", "sealed_old_secret")


@admin.register(PushSubscription)
class PushSubscriptionAdmin(ChannelNote, Records):
    channel_name = "web_push"
    list_display = ("id", "owner_id", "name", "user_agent", "created_at", "confirmed_at")
    search_ids = ("id", "owner_id")
    exclude = ("endpoint", "p256dh", "auth", "session_digest")


@admin.register(PushDevice)
class PushDeviceAdmin(ChannelNote, Records):
    channel_name = "mobile_push"
    list_display = ("id", "owner_id", "platform", "name", "created_at", "confirmed_at")
    search_ids = ("id", "owner_id")
    exclude = ("token", "token_digest", "session_digest")


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
