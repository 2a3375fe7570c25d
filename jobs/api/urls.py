"""Addresses of the native API."""

from django.urls import path, register_converter

from jobs.api import feeds, many, money, notices, offers, today, views
from jobs.ids import JobIdConverter

register_converter(JobIdConverter, "job")

urlpatterns = [
    path("jobs", views.Jobs.as_view(), name="api_jobs"),
    path("jobs/cancellations", many.Cancellations.as_view(), name="api_cancellations"),
    path("jobs/<job:job_id>", views.OneJob.as_view(), name="api_job"),
    path("jobs/<job:job_id>/cancellation", views.Cancellation.as_view(), name="api_cancellation"),
    path("jobs/<job:job_id>/retry", views.Retry.as_view(), name="api_retry"),
    path("jobs/<job:job_id>/variations", views.Variations.as_view(), name="api_variations"),
    path("jobs/<job:job_id>/timeline", views.Timeline.as_view(), name="api_timeline"),
    path("jobs/<job:job_id>/wait", feeds.Wait.as_view(), name="api_wait"),
    path("jobs/<job:job_id>/events", feeds.JobEvents.as_view(), name="api_job_events"),
    path("events", feeds.Events.as_view(), name="api_events"),
    path("batches", many.Batches.as_view(), name="api_batches"),
    path("quotes", views.Quotes.as_view(), name="api_quotes"),
    path("today", today.Today.as_view(), name="api_today"),
    path("limits", today.Limits.as_view(), name="api_limits"),
    path("credits", money.Credits.as_view(), name="api_credits"),
    path("credits/ledger", money.Ledger.as_view(), name="api_ledger"),
    path("notifications", notices.Notifications.as_view(), name="api_notifications"),
    path("notifications/read", notices.Reading.as_view(), name="api_notifications_read"),
    path("notifications/<int:number>", notices.OneNotification.as_view(), name="api_notification"),
    path("models", offers.Models.as_view(), name="api_models"),
    path("tiers", offers.Tiers.as_view(), name="api_tiers"),
]
