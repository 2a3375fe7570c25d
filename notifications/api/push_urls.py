"""Addresses of the native API about channels, browsers and phones."""

from django.urls import path

from notifications.api import push

urlpatterns = [
    path("notification_channels", push.Channels.as_view(), name="api_notification_channels"),
    path("push/subscriptions", push.Subscriptions.as_view(), name="api_push_subscriptions"),
    path(
        "push/subscriptions/<uuid:subscription_id>",
        push.OneSubscription.as_view(),
        name="api_push_subscription",
    ),
    path("devices", push.Devices.as_view(), name="api_devices"),
    path("devices/<uuid:device_id>", push.OneDevice.as_view(), name="api_device"),
]
