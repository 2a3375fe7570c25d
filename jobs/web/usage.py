"""Usage and credits: what the plan allows and how much of it is used, where the credits went, every entry."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from jobs import callers, daily_use, days
from jobs.daily_use import Use
from jobs.models import Account, LedgerEntry, Tier

ENTRIES: Final = 30
_SHOWN_DAYS: Final = 30
_PACE_DAYS: Final = 7
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit of the plan. `most` is None where there is none."""

    name: str
    used: int
    most: int | None
    text: str

    @property
    def low(self) -> float:
        """Give from where it counts as nearly used up."""
        return 0.8 * (self.most or 0)

    @property
    def high(self) -> float:
        """Give from where it counts as used up."""
        return 0.95 * (self.most or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the ledger."""

    at: Any
    word: str
    reason: str
    to_spend: str
    held: str
    url: str


def page(request: HttpRequest) -> HttpResponse:
    """Render the page. Raises Http404 for whoever has no account, and for a place that is none."""
    caller = callers.of(request)
    account = Account.objects.select_related("tier").filter(owner_id=caller.owner_id).first()
    if account is None:
        raise Http404
    today = days.day("today", zone=caller.zone)
    shown = [today - timedelta(days=back) for back in reversed(range(_SHOWN_DAYS))]
    use = daily_use.by_day(caller.owner_id, shown, zone=caller.zone)
    entries, older = _entries(request, caller.owner_id, before=request.GET.get("before", ""))
    context = {
        "account": account,
        "plan": account.tier_id.capitalize(),
        "renews": _next_month(today),
        "balance": f"{account.balance:,}",
        "held": f"{account.held:,}",
        "charged": f"{sum(one.charged for one in use.values()):,}",
        "given_back": f"{sum(one.given_back for one in use.values()):,}",
        "pace": _pace(account, [use[day] for day in shown[-_PACE_DAYS - 1 : -1]], today=today),
        "limits": _limits(account.tier, daily_use.of_limits(account)),
        "rows": [(day, use[day], round(use[day].gpu_seconds / _MINUTE, 1)) for day in shown],
        "finding": _finding([use[day] for day in shown]),
        "plots": _plots(shown, use),
        "entries": entries,
        "older": older,
        "is_older": bool(request.GET.get("before")),
        "zone_name": caller.zone.key,
    }
    return render(request, "jobs/usage.html", context)


def _limits(tier: Tier, now: daily_use.Now) -> list[Limit]:
    gpu_most = tier.gpu_seconds_per_day
    return [
        Limit(
            name="Running at once",
            used=now.running,
            most=tier.running_limit,
            text=_room(now.running, tier.running_limit, "can start now"),
        ),
        Limit(
            name="Waiting at once",
            used=now.waiting,
            most=tier.queued_limit,
            text=_room(now.waiting, tier.queued_limit, "fit in the line"),
        ),
        Limit(
            name="Videos a day",
            used=now.jobs_today,
            most=tier.jobs_per_day,
            text="Starts again at midnight, UTC.",
        ),
        Limit(
            name="GPU minutes a day",
            used=round(now.gpu_seconds_today / _MINUTE),
            most=None if gpu_most is None else gpu_most // _MINUTE,
            text="By estimate. Starts again at midnight, UTC.",
        ),
    ]


def _room(used: int, most: int | None, words: str) -> str:
    if most is None:
        return "Your plan sets no limit."
    if used >= most:
        return "All in use."
    return f"{most - used:,} more {words}."


def _pace(account: Account, past: list[Use], *, today: date) -> str:
    a_day = sum(use.charged for use in past) / len(past)
    if not a_day:
        return "Nothing was charged in the last seven days."
    lasts = account.balance / a_day
    if lasts > 365:  # noqa: PLR2004 - further ahead no pace says anything
        return f"At your pace of {a_day:,.0f} a day this lasts for more than a year."
    until = today + timedelta(days=int(lasts))
    renewal = _next_month(today)
    said = f"At your pace of {a_day:,.0f} a day this lasts until {until.day} {until:%B}"
    return f"{said}, past the next credits." if until >= renewal else f"{said}, before the renewal."


def _finding(use: list[Use]) -> str:
    most = max(one.charged for one in use)
    return (
        f"Credits charged a day in the last {len(use)} days: at most {most:,},"
        f" today {use[-1].charged:,} so far."
    )


def _plots(shown: list[date], use: dict[date, Use]) -> dict[str, Any]:
    return {
        "days": [f"{day.day} {day:%b}" for day in shown],
        "charged": [use[day].charged for day in shown],
        "given_back": [use[day].given_back for day in shown],
        "jobs": [use[day].jobs for day in shown],
        "gpu_minutes": [round(use[day].gpu_seconds / _MINUTE, 1) for day in shown],
    }


def _entries(
    request: HttpRequest, owner_id: UUID, *, before: str
) -> tuple[list[Entry], int | None]:
    zone = callers.of(request).zone
    rows = LedgerEntry.objects.filter(account_id=owner_id).order_by("-id")
    if before:
        if not (before.isascii() and before.isdigit() and len(before) < len(str(2**63))):
            raise Http404
        rows = rows.filter(id__lt=int(before))
    found = list(rows[: ENTRIES + 1])
    shown = [
        Entry(
            at=entry.recorded_at.astimezone(zone),
            word=entry.get_kind_display(),
            reason=_reason(entry),
            to_spend=_signed(entry.balance_delta),
            held=_signed(entry.held_delta),
            url=reverse("job", args=[entry.job_id]) if entry.job_id else "",
        )
        for entry in found[:ENTRIES]
    ]
    return shown, found[ENTRIES - 1].pk if len(found) > ENTRIES else None


def _reason(entry: LedgerEntry) -> str:
    return entry.reason if entry.job_id is None else "For a video"


def _signed(number: int) -> str:
    return f"{number:+,}".replace("-", "−") if number else "0"


def _next_month(today: date) -> date:
    return (today.replace(day=1) + timedelta(days=31)).replace(day=1)
