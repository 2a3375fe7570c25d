"""The operators' records. History and money can be read, not edited."""

from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse

from jobs import accounts, kinds, ledger, pool_admin, transitions
from jobs.errors import JobMissing, TransitionRefused
from jobs.ids import JobId
from jobs.models import (
    Account,
    Attempt,
    Job,
    JobTransition,
    LateResult,
    LedgerEntry,
    Recovery,
    Tier,
)
from notifications.records import Reasoned, ReasonForm, Records

__all__ = ["pool_admin"]

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

    @admin.action(description="Cancel what waits, at no cost to its owner", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: Any) -> None:
        """Cancel the chosen jobs that wait, each logged; their owners are told the reason."""
        reason = self.reason_of(request)
        if not reason:
            return
        canceled = 0
        for job in queryset.select_related(None).only("id")[: self.list_per_page]:
            try:
                transitions.withdraw(JobId(job.id), why=f"Cancelled by an operator: {reason}")
            except (TransitionRefused, JobMissing) as refusal:
                messages.warning(request, f"{job.id}: {refusal}")
            else:
                canceled += 1
                self.log_change(request, job, f"Cancelled: {reason}")
        messages.success(request, f"{canceled:,} cancelled at no cost; their owners are told why.")


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


class TierChoice(ReasonForm):
    """The tier that chosen accounts are moved to."""

    tier = forms.ModelChoiceField(
        Tier.objects.filter(weight__gt=0).order_by("-rank"), required=False, label="Tier:"
    )


@admin.register(Account)
class AccountAdmin(Records):
    list_display = ("owner", "tier", "balance", "held", "live_count")
    list_filter = ("tier",)
    search_ids = ("owner_id",)
    search_owner = "owner_id"
    list_select_related = ("owner", "tier")
    change_form_template = "admin/jobs/account/change_form.html"
    actions = ("change_tier",)
    action_form = TierChoice

    @admin.action(description="Move to the tier", permissions=["change_tier"])
    def change_tier(self, request: HttpRequest, queryset: Any) -> None:
        """Move the chosen accounts, with what they have waiting."""
        tier = request.POST.get("tier") or ""
        if not Tier.objects.filter(name=tier, weight__gt=0).exists():
            messages.error(request, "Choose the tier to move them to.")
            return
        reason = self.reason_of(request)
        if not reason:
            return
        for account in queryset:
            before = accounts.change_tier(account.owner_id, tier=tier)
            self.log_change(request, account, f"Moved from {before} to {tier}: {reason}")
        messages.success(request, f"{len(queryset)} moved to {tier}.")

    def has_change_tier_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.change_account")

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
