"""Addresses of the OpenAI-compatible API, below /v1/. Fixed names stand before those of videos."""

from django.urls import path

from jobs.openai import models, views, webhooks

urlpatterns = [
    path("videos", views.Videos.as_view(), name="openai_videos"),
    path("videos/edits", views.Edits.as_view(), name="openai_edits"),
    path("videos/extensions", views.Extensions.as_view(), name="openai_extensions"),
    path("videos/characters", views.Characters.as_view(), name="openai_characters"),
    path(
        "videos/characters/<str:character_id>",
        views.OneCharacter.as_view(),
        name="openai_character",
    ),
    path("videos/<str:video_id>", views.OneVideo.as_view(), name="openai_video"),
    path("videos/<str:video_id>/remix", views.Remix.as_view(), name="openai_remix"),
    path("videos/<str:video_id>/content", views.Content.as_view(), name="openai_content"),
    path("webhook_event_types", webhooks.EventTypes.as_view(), name="openai_event_types"),
    path("webhook_endpoints", webhooks.Endpoints.as_view(), name="openai_endpoints"),
    path(
        "webhook_endpoints/<str:endpoint_id>",
        webhooks.OneEndpoint.as_view(),
        name="openai_endpoint",
    ),
    path(
        "webhook_endpoints/<str:endpoint_id>/rotate_secret",
        webhooks.Rotation.as_view(),
        name="openai_endpoint_rotation",
    ),
    path(
        "webhook_endpoints/<str:endpoint_id>/test",
        webhooks.Test.as_view(),
        name="openai_endpoint_test",
    ),
    path("models", models.Models.as_view(), name="openai_models"),
    path("models/<path:model>", models.OneModel.as_view(), name="openai_model"),
]
