"""Addresses of the dashboard."""

from django.urls import path, re_path

from jobs.web import views

urlpatterns = [
    path("", views.studio, name="studio"),
    path("jobs/<uuid:job_id>/", views.job, name="job"),
    path("jobs/<uuid:job_id>/card", views.job_card, name="job_card"),
    path("jobs/<uuid:job_id>/cancel", views.job_cancel, name="job_cancel"),
    re_path(
        r"^previews/(?P<name>[A-Za-z0-9_-]{16,64}\.(?:mp4|webp))$",
        views.preview_file,
        name="preview_file",
    ),
]
