"""Addresses of pages about what people and their programs are told."""

from django.urls import path

from notifications.web import preferences, views, webhooks

urlpatterns = [
    path("unsubscribe/<str:token>", views.unsubscribe, name="unsubscribe"),
    path("notifications/preferences", preferences.preferences, name="notification_preferences"),
    path("account/webhooks", webhooks.webhooks, name="webhooks"),
    path("account/webhooks/<uuid:endpoint_id>", webhooks.webhook, name="webhook"),
    path(
        "account/webhooks/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>",
        webhooks.delivery,
        name="delivery",
    ),
]
