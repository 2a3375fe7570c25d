"""Pools and what their servers did, for operators. `jobs/admin.py` loads it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from jobs import pool_checks, pools
from jobs.backends import registry
from jobs.errors import InvalidField
from jobs.models import Orphan, Pool, PoolChange, PoolState, WebhookMessage
from notifications.records import Records

_POOL_FIELDS = (
    "name", "driver", "profile", "url", "slots", "state", "model_names", "seconds", "sizes",
    "credits_per_second", "declared_speed", "paid_reserved", "polls_per_second", "result_hosts",
    "field_map", "image_input", "can_remix",
)  # fmt: skip


class PoolForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A pool, with secrets that are written and never shown."""

    driver = forms.ChoiceField(choices=lambda: [(name, name) for name in registry.drivers()])
    # Quarantine is the health check's: it knows when it is over.
    state = forms.ChoiceField(
        choices=[
            (state.value, state.label) for state in PoolState if state is not PoolState.QUARANTINED
        ]
    )
    url = forms.URLField(required=False, assume_scheme="http", help_text="Without /v1.")
    key = forms.CharField(
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="The server's API key. Leave it empty to keep the one that is stored.",
    )
    webhook_secret = forms.CharField(
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="whsec_... for servers that sign their webhooks. Empty keeps the stored one.",
    )
    reason = forms.CharField(
        required=False, max_length=300, help_text="Why, for the log of changes."
    )

    class Meta:
        model = Pool
        fields = _POOL_FIELDS

    def clean(self) -> dict[str, Any]:
        """Refuse what the driver cannot work with, beside its field."""
        found: dict[str, Any] = super().clean() or {}
        found["field_map"] = found.get("field_map") or {}
        if not self.errors:
            try:
                pools.check(Pool(**{name: found[name] for name in _POOL_FIELDS}))
            except InvalidField as error:
                self.add_error(error.field if error.field in found else None, error.message)
        return found


@admin.register(Pool)
class PoolAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    form = PoolForm
    list_display = (
        "name", "driver", "profile", "slots", "told_slots", "state", "state_reason", "answered_at", "last_error",
        "model_names",
    )  # fmt: skip
    list_filter = ("state", "driver")
    readonly_fields = (
        "state_reason", "state_since", "answered_at", "checked_at", "last_error", "unanswered",
        "breaker_until", "quarantined_until", "is_on_probation", "told_slots", "told_models",
    )  # fmt: skip
    actions = ("try_servers",)

    def save_model(self, request: HttpRequest, obj: Pool, form: Any, change: Any) -> None:
        """Save through the domain: sealed secrets, lines for the models, a line in the log."""
        # Only what was changed here: what a health check changed since the page was opened stays.
        values = {
            name: form.cleaned_data[name]
            for name in _POOL_FIELDS
            if name != "name" and (not change or name in form.changed_data)
        }
        secrets = {
            name: form.cleaned_data[name]
            for name in ("key", "webhook_secret")
            if form.cleaned_data[name]
        }
        pools.put(
            obj.name,
            values | secrets,
            actor=str(request.user),
            reason=form.cleaned_data["reason"],
        )

    def delete_model(self, request: HttpRequest, obj: Pool) -> None:
        """Remove it, or drain it while jobs run there."""
        if running := pools.remove(obj.name, actor=str(request.user)):
            messages.warning(
                request, f"{running} jobs run on {obj.name}. It drains; delete it again later."
            )

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Remove each through the domain."""
        for pool in queryset:
            self.delete_model(request, pool)

    @admin.action(description="Test connection: really submits and cancels")
    def try_servers(self, request: HttpRequest, queryset: Any) -> None:
        """Try the chosen pools' servers, and say in words what works and what does not."""
        for pool in queryset:
            for finding in pool_checks.check(pool):
                say = messages.success if finding.is_ok else messages.error
                say(request, f"{pool.name}: {finding.sentence}")


@admin.register(PoolChange)
class PoolChangeAdmin(Records):
    list_display = ("pool", "at", "actor", "changed", "reason")
    list_filter = ("pool",)


@admin.register(Orphan)
class OrphanAdmin(Records):
    list_display = (
        "pool",
        "backend_job_id",
        "job_id",
        "attempt",
        "reason",
        "found_at",
        "outcome",
        "tries",
    )
    list_filter = ("pool", "outcome")
    search_ids = ("job_id",)
    search_exact = ("backend_job_id",)


@admin.register(WebhookMessage)
class WebhookMessageAdmin(Records):
    list_display = (
        "pool",
        "message_id",
        "backend_job_id",
        "received_at",
        "count",
        "job_id",
        "matched_at",
    )
    list_filter = ("pool",)
    search_ids = ("job_id",)
    search_exact = ("message_id", "backend_job_id")
