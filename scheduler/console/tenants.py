"""Who uses it: share of slot time against what the tier is entitled to, and who waits."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from jobs.models import Tier
from scheduler import lookup, readings
from scheduler.console import gate, words

_MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One account in the last hour."""

    owner_id: UUID
    email: str
    tier: str
    running: int
    waiting: str
    seconds: int
    # GPU-seconds that wait, by estimate.
    work: int
    # Percent of all slot time, and what it would be if the active owners shared by their tiers' weights.
    share: str
    due: str
    # Of the line that is drawn, percent: its length, and where the mark of the entitlement is.
    length: float
    mark: float
    is_over: bool


@gate.looks
def page(request: HttpRequest) -> HttpResponse:
    """List who used most, or who has most waiting."""
    by_waiting = request.GET.get("by") == "waiting"
    found = rows()
    if by_waiting:
        found.sort(key=lambda row: -row.work)
    return render(request, "console/tenants.html", {"rows": found, "by_waiting": by_waiting})


def rows() -> list[Row]:
    """Give the accounts of the latest reading, those that used most first."""
    now = readings.accounts()
    if not now:
        return []
    weights = dict(Tier.objects.values_list("name", "weight"))
    active = {tier: owners for tier, owners in now["active"].items() if weights.get(tier)}
    whole = sum(weights[tier] for tier in active)
    people = lookup.emails({UUID(account["owner"]) for account in now["accounts"]})
    shares = [
        (
            account["used"] / now["seconds"] if now["seconds"] else 0.0,
            weights.get(account["tier"], 0) / whole / active[account["tier"]]
            if account["tier"] in active
            else 0.0,
        )
        for account in now["accounts"]
    ]
    # One scale for all lines, so that they can be compared.
    end = max((max(pair) for pair in shares), default=0.0) or 1.0
    made = [
        _row(account, people, share=share, due=due, end=end)
        for account, (share, due) in zip(now["accounts"], shares, strict=True)
    ]
    return sorted(made, key=lambda row: (-row.seconds, -row.work))


def _row(
    account: dict[str, Any], people: dict[UUID, str], *, share: float, due: float, end: float
) -> Row:
    owner_id = UUID(account["owner"])
    waiting = account["waiting"]
    return Row(
        owner_id=owner_id,
        email=people.get(owner_id, str(owner_id)),
        tier=account["tier"],
        running=account["running"],
        waiting=f"{waiting:,}" + ("+" if waiting >= _MOST_COUNTED else ""),
        seconds=round(account["used"]),
        work=round(account["work"]),
        share=words.percent(share, 1.0),
        due=words.percent(due, 1.0),
        length=round(100 * share / end, 1),
        mark=round(100 * due / end, 1),
        is_over=share > due,
    )
