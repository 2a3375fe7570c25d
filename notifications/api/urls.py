"""Addresses of the native API about webhook endpoints."""

from django.urls import path

from notifications.api import preferences, views

_ENDPOINT = "webhook_endpoints/<uuid:endpoint_id>"

urlpatterns = [
    path(
        "notifications/preferences",
        preferences.Preferences.as_view(),
        name="api_notification_preferences",
    ),
    path("notifications/sent", preferences.Sent.as_view(), name="api_notifications_sent"),
    path("webhook_endpoints", views.Endpoints.as_view(), name="api_webhook_endpoints"),
    path("webhook_event_types", views.EventTypes.as_view(), name="api_webhook_event_types"),
    path(_ENDPOINT, views.OneEndpoint.as_view(), name="api_webhook_endpoint"),
    path(f"{_ENDPOINT}/rotation", views.Rotation.as_view(), name="api_webhook_rotation"),
    path(f"{_ENDPOINT}/test", views.Test.as_view(), name="api_webhook_test"),
    path(f"{_ENDPOINT}/deliveries", views.Deliveries.as_view(), name="api_webhook_deliveries"),
    path(
        f"{_ENDPOINT}/deliveries/<uuid:delivery_id>",
        views.OneDelivery.as_view(),
        name="api_webhook_delivery",
    ),
    path(
        f"{_ENDPOINT}/deliveries/<uuid:delivery_id>/replay",
        views.Replay.as_view(),
        name="api_webhook_replay",
    ),
]
