"""Usage and credits: what the plan allows and how much of it is used, where the credits went, every entry."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from jobs import callers, daily_use, days
from jobs.daily_use import Use
from jobs.models import Account, Job, LedgerEntry, Tier
from jobs.web import sendings
from jobs.web.cards import duration

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
    # What could be spent after it.
    left: str
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
        "rows": [
            (
                day,
                use[day],
                round(use[day].gpu_seconds / _MINUTE, 1),
                [duration(timedelta(seconds=wait)) for wait in use[day].waits or ()],
            )
            for day in shown
        ],
        "finding": _finding([use[day] for day in shown]),
        "waited": _waited([use[day] for day in shown]),
        "models": _models(use.values()),
        "plots": _plots(shown, use),
        "entries": entries,
        "older": older,
        "is_older": bool(request.GET.get("before")),
        "zone_name": caller.zone.key,
    }
    return render(request, "jobs/usage.html", context)


def table(request: HttpRequest) -> HttpResponse:
    """Give the plot's days as a file for spreadsheets, one line a day."""
    caller = callers.of(request)
    today = days.day("today", zone=caller.zone)
    shown = [today - timedelta(days=back) for back in reversed(range(_SHOWN_DAYS))]
    use = daily_use.by_day(caller.owner_id, shown, zone=caller.zone)
    name = f"videogen-usage-{today.isoformat()}.csv"
    answer = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
    lines = csv.writer(answer)
    lines.writerow(["day", "videos", "ready", "gpu_minutes", "charged", "given_back"])
    for day in shown:
        one = use[day]
        minutes = round(one.gpu_seconds / _MINUTE, 1)
        row = [day.isoformat(), one.jobs, one.ready, minutes, one.charged, one.given_back]
        lines.writerow(row)
    return answer


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
        return "Nothing was charged in the seven days before today."
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


def _waited(use: list[Use]) -> str:
    """Say the finding of the plot of waits: the last day on which a GPU was given, and the slowest day."""
    waits = [one.waits for one in use if one.waits]
    if not waits:
        return "No video got a GPU in these days."
    median, slow = (duration(timedelta(seconds=wait)) for wait in waits[-1])
    worst = duration(timedelta(seconds=max(wait[1] for wait in waits)))
    return (
        f"Minutes waited for a GPU, by day: lately {median} in the median and {slow} for the slowest tenth;"
        f" {worst} on the slowest day."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """What one model took in the days that are shown."""

    name: str
    jobs: int
    minutes: float
    charged: int


def _models(use: Iterable[Use]) -> list[ModelUse]:
    """Add up the days by model, the dearest first."""
    sums: dict[str, list[float]] = {}
    for one in use:
        for model, counted in one.models.items():
            before = sums.setdefault(model, [0.0] * len(counted))
            sums[model] = [known + new for known, new in zip(before, counted, strict=True)]
    found = [
        ModelUse(
            name=model.capitalize(),
            jobs=round(jobs),
            minutes=round(seconds / _MINUTE, 1),
            charged=round(charged),
        )
        for model, (jobs, seconds, charged) in sums.items()
    ]
    return sorted(found, key=lambda one: (-one.charged, -one.jobs, one.name))


def _plots(shown: list[date], use: dict[date, Use]) -> dict[str, Any]:
    return {
        "days": [f"{day.day} {day:%b}" for day in shown],
        "charged": [use[day].charged for day in shown],
        "given_back": [use[day].given_back for day in shown],
        "jobs": [use[day].jobs for day in shown],
        "waits": [
            [round(wait / _MINUTE, 3) for wait in use[day].waits or ()] or None for day in shown
        ],
        "gpu_minutes": [round(use[day].gpu_seconds / _MINUTE, 1) for day in shown],
    }


def _entries(
    request: HttpRequest, owner_id: UUID, *, before: str
) -> tuple[list[Entry], int | None]:
    zone = callers.of(request).zone
    rows, newer = LedgerEntry.objects.filter(account_id=owner_id).order_by("-id"), None
    if before:
        if not (before.isascii() and before.isdigit() and len(before) < len(str(2**63))):
            raise Http404
        rows, newer = rows.filter(id__lt=int(before)), rows.filter(id__gte=int(before))
    found = list(_with_balance(rows, owner_id, newer=newer)[: ENTRIES + 1])
    mine = Job.objects.owned_by(owner_id).filter(id__in={entry.job_id for entry in found})
    prompts = dict(mine.values_list("id", "prompt"))
    shown, after = [], 0
    for entry in found[:ENTRIES]:
        shown.append(
            Entry(
                at=entry.recorded_at.astimezone(zone),
                word=entry.get_kind_display(),
                reason=_reason(entry, prompts),
                to_spend=_signed(entry.balance_delta),
                held=_signed(entry.held_delta),
                left=f"{entry.balance_now - entry.newer - after:,}",
                url=reverse("job", args=[entry.job_id]) if entry.job_id in prompts else "",
            )
        )
        after += entry.balance_delta
    return shown, found[ENTRIES - 1].pk if len(found) > ENTRIES else None


def _with_balance(
    rows: QuerySet[LedgerEntry], owner_id: UUID, *, newer: QuerySet[LedgerEntry] | None
) -> QuerySet[Any]:
    """Add the balance of this moment, and what the entries on the pages before added to it, in one statement."""
    account = Account.objects.filter(owner_id=owner_id)
    moved: Any = Value(0)
    if newer is not None:
        sums = newer.order_by().values("account_id").annotate(moved=Sum("balance_delta"))
        moved = Coalesce(Subquery(sums.values("moved")), 0)
    return rows.annotate(balance_now=Subquery(account.values("balance")), newer=moved)


def _reason(entry: LedgerEntry, prompts: Mapping[UUID, str]) -> str:
    if entry.job_id is None:
        return entry.reason
    return sendings.first_words(prompts.get(entry.job_id, "")) or "A video"


def _signed(number: int) -> str:
    return f"{number:+,}".replace("-", "−") if number else "0"


def _next_month(today: date) -> date:
    return (today.replace(day=1) + timedelta(days=31)).replace(day=1)
