"""Addresses of the operator console."""

from django.urls import path

from scheduler.console import audit, capacity, dead, jobs, operations, overview, pools, tenants

urlpatterns = [
    path("", overview.overview, name="console"),
    path("live", overview.live, name="console_live"),
    path("charts", overview.charts, name="console_charts"),
    path("capacity", capacity.capacity, name="console_capacity"),
    path("pools/<slug:name>", pools.page, name="console_pool"),
    path("pools/<slug:name>/<slug:verb>", pools.act, name="console_pool_act"),
    path("jobs", jobs.search, name="console_jobs"),
    path("jobs/<uuid:job_id>", jobs.page, name="console_job"),
    path("jobs/<uuid:job_id>/act", jobs.act, name="console_job_act"),
    path("operations/new", operations.new, name="console_operation_new"),
    path("operations/<uuid:operation_id>", operations.page, name="console_operation"),
    path(
        "operations/<uuid:operation_id>/progress",
        operations.progress,
        name="console_operation_progress",
    ),
    path(
        "operations/<uuid:operation_id>/confirm",
        operations.confirm,
        name="console_operation_confirm",
    ),
    path("operations/<uuid:operation_id>/abort", operations.abort, name="console_operation_abort"),
    path("tenants", tenants.page, name="console_tenants"),
    path("dead", dead.page, name="console_dead"),
    path("dead/replay", dead.replay, name="console_dead_replay"),
    path("audit", audit.page, name="console_audit"),
]
