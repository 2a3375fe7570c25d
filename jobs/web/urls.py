"""Addresses of the dashboard."""

from django.urls import path, re_path

from jobs.web import previews, views

urlpatterns = [
    path("", views.studio, name="studio"),
    path("waiting", views.waiting, name="waiting"),
    path("quote", views.quote, name="quote"),
    path("history", views.history, name="history"),
    path("usage", views.usage, name="usage"),
    path("usage.csv", views.usage_table, name="usage_table"),
    path("notifications", views.notices_page, name="notices"),
    path("notifications/sent", views.what_we_sent, name="notifications_sent"),
    path("numbers", views.numbers, name="numbers"),
    path(
        "jobs/cancel-waiting",
        views.bulk_action,
        {"verb": "cancel-waiting"},
        name="bulk_cancel_waiting",
    ),
    path(
        "jobs/retry-failed", views.bulk_action, {"verb": "retry-failed"}, name="bulk_retry_failed"
    ),
    path("jobs/put-back", views.put_back, name="put_back"),
    path("batches/<uuid:batch_id>", views.batch_page, name="batch"),
    path(
        "batches/<uuid:batch_id>/cancel-waiting",
        views.batch_action,
        {"verb": "cancel-waiting"},
        name="batch_bulk_cancel_waiting",
    ),
    path(
        "batches/<uuid:batch_id>/retry-failed",
        views.batch_action,
        {"verb": "retry-failed"},
        name="batch_bulk_retry_failed",
    ),
    path("jobs/<uuid:job_id>/", views.job, name="job"),
    path("jobs/<uuid:job_id>/delete", views.job_delete, name="job_delete"),
    path("jobs/<uuid:job_id>/row", views.job_row, name="job_row"),
    path("jobs/<uuid:job_id>/image", views.job_image, name="job_image"),
    path("jobs/<uuid:job_id>/card", views.job_card, name="job_card"),
    path("jobs/<uuid:job_id>/edit", views.job_edit, name="job_edit"),
    path("jobs/<uuid:job_id>/cancel", views.job_cancel, name="job_cancel"),
    path("jobs/<uuid:job_id>/retry", views.job_retry, name="job_retry"),
    re_path(
        r"^previews/(?P<name>[A-Za-z0-9_-]{16,64}\.(?:mp4|webp))$",
        previews.preview_file,
        name="preview_file",
    ),
]
