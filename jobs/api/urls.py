"""Addresses of the native API."""

from django.urls import path, register_converter

from jobs.api import views
from jobs.ids import JobIdConverter

register_converter(JobIdConverter, "job")

urlpatterns = [
    path("jobs", views.Jobs.as_view(), name="api_jobs"),
    path("jobs/quote", views.Quotes.as_view(), name="api_quote"),
    path("jobs/<job:job_id>", views.OneJob.as_view(), name="api_job"),
    path("jobs/<job:job_id>/cancellation", views.Cancellation.as_view(), name="api_cancellation"),
    path("jobs/<job:job_id>/retry", views.Retry.as_view(), name="api_retry"),
    path("quotes", views.Quotes.as_view(), name="api_quotes"),
]
