"""The operators' records. History and money can be read, not edited."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from jobs import seeds
from jobs.models import Account, Attempt, Job, JobTransition, LedgerEntry, Pool, Tier


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Rows that only the domain may write; lists without an exact count."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Job)
class JobAdmin(ReadOnly):
    list_display = ("id", "state", "tier", "model", "attempt", "pool", "created_at", "finished_at")
    list_filter = ("state", "tier", "pool")
    search_fields = ("=id", "=owner__email", "=idempotency_key")
    list_select_related = ("tier", "pool")


@admin.register(Attempt)
class AttemptAdmin(ReadOnly):
    list_display = ("job_id", "number", "pool", "worker", "granted_at", "ended_at", "outcome")
    list_filter = ("pool", "outcome")
    search_fields = ("=job__id",)


@admin.register(JobTransition)
class JobTransitionAdmin(ReadOnly):
    list_display = ("job_id", "version", "from_state", "to_state", "attempt", "cause", "at")
    search_fields = ("=job__id",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnly):
    list_display = ("account_id", "job_id", "kind", "balance_delta", "held_delta", "recorded_at")
    list_filter = ("kind",)
    search_fields = ("=account__email", "=job_id")


@admin.register(Account)
class AccountAdmin(ReadOnly):
    list_display = ("owner", "tier", "balance", "held", "live_count")
    list_filter = ("tier",)
    search_fields = ("=owner__email",)
    list_select_related = ("owner", "tier")


@admin.register(Tier)
class TierAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    list_display = ("name", "weight", "running_limit", "queued_limit", "monthly_credits", "rank")


@admin.register(Pool)
class PoolAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    list_display = ("name", "driver", "slots", "state", "model_names")
    list_filter = ("state",)

    def save_model(self, request: HttpRequest, obj: Pool, form: Any, change: Any) -> None:
        """Save a pool and open the lines that its models need."""
        super().save_model(request, obj, form, change)
        seeds.add_lines(obj)
