"""The operators' records. History and money can be read, not edited."""

from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from jobs import kinds, ledger, pool_checks, pools, transitions
from jobs.backends import registry
from jobs.errors import CancelFeeChanged, InvalidField, TransitionRefused
from jobs.ids import JobId
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
from notifications.records import Reasoned, Records

# The largest gift in one go, credits: a slip of the keyboard must not print money.
_LARGEST_GRANT = 1_000_000


@admin.register(Job)
class JobAdmin(Records):
    list_display = ("id", "state", "tier", "model", "attempt", "pool", "created_at", "finished_at")
    list_filter = ("state", "tier", "pool")
    search_ids = ("id", "owner_id")
    search_owner = "owner_id"
    list_select_related = ("tier", "pool")
    actions = ("cancel",)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Cancelling is for those who may change jobs, though no field can be edited."""
        return bool(request.user.has_perm("jobs.change_job"))

    @admin.action(description="Cancel, where it is free for the owner", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: Any) -> None:
        """Cancel the chosen jobs as their owners could, with a reason, each logged."""
        reason = self.reason_of(request)
        if not reason:
            return
        canceled = 0
        for job in queryset.select_related(None).only("id", "owner_id")[: self.list_per_page]:
            try:
                transitions.cancel(JobId(job.id), owner_id=job.owner_id, agreed_fee=0)
            except (TransitionRefused, CancelFeeChanged) as refusal:
                messages.warning(request, f"{job.id}: {refusal}")
            else:
                canceled += 1
                self.log_change(request, job, f"Cancelled: {reason}")
        messages.success(request, f"{canceled:,} cancelled, at no cost to their owners.")


@admin.register(Attempt)
class AttemptAdmin(Records):
    list_display = ("job_id", "number", "pool", "worker", "granted_at", "ended_at", "outcome")
    search_ids = ("job_id",)
    search_exact = ("backend_job_id",)


@admin.register(JobTransition)
class JobTransitionAdmin(Records):
    list_display = ("job_id", "version", "from_state", "to_state", "attempt", "cause", "at")
    search_ids = ("job_id",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(Records):
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
    search_ids = ("job_id", "account_id")
    search_owner = "account_id"


@admin.register(Account)
class AccountAdmin(Records):
    list_display = ("owner", "tier", "balance", "held", "live_count")
    list_filter = ("tier",)
    search_ids = ("owner_id",)
    search_owner = "owner_id"
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
class RecoveryAdmin(Records):
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
    search_ids = ("job_id",)
    search_exact = ("worker",)
    date_hierarchy = "recovered_at"


@admin.register(LateResult)
class LateResultAdmin(Records):
    list_display = ("job_id", "attempt", "video_url", "arrived_at")
    search_ids = ("job_id",)


@admin.register(Tier)
class TierAdmin(Reasoned):
    list_display = ("name", "weight", "running_limit", "queued_limit", "monthly_credits", "rank")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Plans are what history and accounts hang on."""
        return False

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
class PoolAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
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
