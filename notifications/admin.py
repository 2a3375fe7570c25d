"""What operators see of events and deliveries. Everything here is read, except that parked events are tried again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from notifications import parking
from notifications.models import Delivery, DeliveryAttempt, ParkedEvent, WebhookEndpoint


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Rows that only the code may write; lists without an exact count."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ParkedEvent)
class ParkedEventAdmin(ReadOnly):
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


class AttemptInline(admin.TabularInline):  # type: ignore[type-arg]  # not subscriptable at run time
    model = DeliveryAttempt
    fields = ("number", "outcome", "reason", "status_code", "started_at", "took_ms")
    readonly_fields = fields
    extra = 0
    can_delete = False


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = ("id", "name", "channel", "state", "reason", "attempt", "due_at", "created_at")
    list_filter = ("channel", "state")
    search_fields = ("=id", "=owner_id", "=target", "=message_id")
    # What was sent is its receiver's business.
    exclude = ("content", "payload")
    inlines = (AttemptInline,)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnly):
    list_display = ("id", "owner_id", "url", "disabled_at", "disabled_reason")
    search_fields = ("=id", "=owner_id", "url")
    exclude = ("sealed_secret", "sealed_old_secret")
