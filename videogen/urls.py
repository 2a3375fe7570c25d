"""Who answers a request."""

from django.contrib import admin
from django.urls import include, path

from jobs import content, hooks
from notifications import records
from videogen import health
from videogen.accounts.views import SignIn, SignOut

# All that the rooms did not show by pages of their own; here every one of them is known.
records.register_rest("accounts", "scheduler", "jobs", "notifications")

urlpatterns = [
    path("", include("jobs.web.urls")),
    path("sign-in", SignIn.as_view(), name="sign_in"),
    path("sign-out", SignOut.as_view(), name="sign_out"),
    path("api/v1/", include("jobs.api.urls")),
    path("jobs/<uuid:job_id>/videos/<int:attempt>", content.JobVideo.as_view(), name="job_video"),
    path("content/<str:ticket>", content.stream, name="job_content"),
    path("hooks/<slug:pool>", hooks.webhook, name="backend_webhook"),
    path("hooks/<slug:pool>/<str:token>", hooks.webhook, name="backend_webhook_of_attempt"),
    path("admin/", admin.site.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
]
handler400 = "videogen.error_pages.bad_request"
handler403 = "videogen.error_pages.forbidden"
handler404 = "videogen.error_pages.not_found"
handler500 = "videogen.error_pages.broken"
