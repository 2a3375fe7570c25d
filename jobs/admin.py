"""The operators' records. History and money can be read, not edited."""

from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse

from jobs import kinds, ledger, pool_checks, pools
from jobs.backends import registry
from jobs.errors import InvalidField
from jobs.models import (
    Account,
    Attempt,
    Job,
    JobTransition,
    LateResult,
    LedgerEntry,
    Orphan,
    Pool,
    PoolChange,
    PoolState,
    Recovery,
    Tier,
    WebhookMessage,
)

# The largest gift in one go, credits: a slip of the keyboard must not print money.
_LARGEST_GRANT = 1_000_000


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
    list_display = (
        "account_id",
        "job_id",
        "kind",
        "balance_delta",
        "held_delta",
        "house_delta",
        "reason",
        "recorded_at",
    )
    list_filter = ("kind",)
    search_fields = ("=account__email", "=job_id")


@admin.register(Account)
class AccountAdmin(ReadOnly):
    list_display = ("owner", "tier", "balance", "held", "live_count")
    list_filter = ("tier",)
    search_fields = ("=owner__email",)
    list_select_related = ("owner", "tier")
    change_form_template = "admin/jobs/account/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        give = self.admin_site.admin_view(self.give_credits)
        return [
            path("<uuid:owner_id>/give-credits/", give, name="jobs_account_give_credits"),
            *super().get_urls(),
        ]

    def give_credits(self, request: HttpRequest, owner_id: UUID) -> HttpResponse:
        """Give credits with a reason. Sending the form twice gives them once."""
        if not request.user.has_perm("jobs.change_account"):
            raise PermissionDenied
        account = Account.objects.select_related("owner").filter(owner_id=owner_id).first()
        if account is None:
            raise Http404
        form = _Grant(request.POST or None, initial={"reference": uuid4()})
        if request.method != "POST" or not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": f"Give credits to {account.owner}",
                "account": account,
                "balance": f"{account.balance:,}",
                "held": f"{account.held:,}",
                "form": form,
                "opts": self.opts,
            }
            return render(request, "admin/jobs/account/give_credits.html", context)
        amount = form.cleaned_data["amount"]
        is_new = ledger.grant(
            owner_id,
            amount=amount,
            reason=form.cleaned_data["reason"],
            reference=f"admin {form.cleaned_data['reference']}",
        )
        if is_new:
            note = f"Gave {amount:,} credits: {form.cleaned_data['reason']}"
            self.log_change(request, account, note)
        said = f"{amount:,} credits given." if is_new else "They were given already, by this form."
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:jobs_account_change", args=[owner_id]))


class _Grant(forms.Form):
    """Credits for an account, and why."""

    required_css_class = "required"

    amount = forms.IntegerField(
        min_value=1,
        max_value=_LARGEST_GRANT,
        label="Credits",
        help_text=f"1 to {_LARGEST_GRANT:,} in one go.",
    )
    reason = forms.CharField(
        max_length=200, label="Reason", help_text="The owner reads it in their usage."
    )
    reference = forms.UUIDField(widget=forms.HiddenInput)


@admin.register(Recovery)
class RecoveryAdmin(ReadOnly):
    list_display = (
        "job_id",
        "attempt",
        "cause",
        "truth",
        "pool",
        "node",
        "worker",
        "stuck_since",
        "recovered_at",
        "led_to",
    )
    list_filter = ("cause", "truth", "pool", "node")
    search_fields = ("=job__id", "=worker")
    date_hierarchy = "recovered_at"


@admin.register(LateResult)
class LateResultAdmin(ReadOnly):
    list_display = ("job_id", "attempt", "video_url", "arrived_at")
    search_fields = ("=job__id",)


@admin.register(Tier)
class TierAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    list_display = ("name", "weight", "running_limit", "queued_limit", "monthly_credits", "rank")

    def save_model(self, request: HttpRequest, obj: Tier, form: Any, change: Any) -> None:
        """Save it, with the lines of a new tier."""
        super().save_model(request, obj, form, change)
        kinds.add_lines()


_POOL_FIELDS = (
    "name", "driver", "profile", "url", "slots", "state", "model_names", "seconds", "sizes",
    "credits_per_second", "declared_speed", "paid_reserved", "polls_per_second", "result_hosts",
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
        if not self.errors:
            try:
                pools.check(Pool(**{name: found[name] for name in _POOL_FIELDS}))
            except InvalidField as error:
                self.add_error(error.field if error.field in found else None, error.message)
        return found


@admin.register(Pool)
class PoolAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    form = PoolForm
    list_display = (
        "name", "driver", "profile", "slots", "state", "state_reason", "answered_at", "last_error",
        "model_names",
    )  # fmt: skip
    list_filter = ("state", "driver")
    readonly_fields = (
        "state_reason", "state_since", "answered_at", "checked_at", "last_error", "unanswered",
        "breaker_until", "quarantined_until", "is_on_probation",
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
class PoolChangeAdmin(ReadOnly):
    list_display = ("pool", "at", "actor", "changed", "reason")
    list_filter = ("pool",)


@admin.register(Orphan)
class OrphanAdmin(ReadOnly):
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
    search_fields = ("=job_id", "=backend_job_id")


@admin.register(WebhookMessage)
class WebhookMessageAdmin(ReadOnly):
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
    search_fields = ("=message_id", "=backend_job_id", "=job_id")
