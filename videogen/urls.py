"""Who answers a request."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from jobs import content, hooks
from notifications import records
from videogen import contract, health

# Signing in to the admin is signing in: with second factors, limits and all.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # as allauth says
# All that the rooms did not show by pages of their own; here every one of them is known.
records.register_rest("accounts", "scheduler", "jobs", "notifications")

urlpatterns = [
    # Looked at in this order: what is called most comes first.
    path("api/v1/", include("jobs.api.urls")),
    path("api/v1/", include("notifications.api.urls")),
    path("api/v1/", include("notifications.api.push_urls")),
    path("api/v1/", include("videogen.accounts.api_urls")),
    path("v1/", include("jobs.openai.urls")),
    path("", include("jobs.web.urls")),
    path("", include("videogen.accounts.urls")),
    path("", include("notifications.web.urls")),
    path("api/schema/", contract.Schema.as_view(), name="api_schema"),
    path("api/docs/", contract.Docs.as_view(url_name="api_schema"), name="api_docs"),
    path("jobs/<uuid:job_id>/videos/<int:attempt>", content.JobVideo.as_view(), name="job_video"),
    path("content/<str:ticket>", content.stream, name="job_content"),
    path("hooks/<slug:pool>", hooks.webhook, name="backend_webhook"),
    path("hooks/<slug:pool>/<str:token>", hooks.webhook, name="backend_webhook_of_attempt"),
    path("console/", include("scheduler.console.urls")),
    path("admin/", admin.site.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
]
handler400 = "videogen.error_pages.bad_request"
handler403 = "videogen.error_pages.forbidden"
handler404 = "videogen.error_pages.not_found"
handler500 = "videogen.error_pages.broken"
