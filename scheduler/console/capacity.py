"""How many slots there are, what others would mean for each tier, and setting them. Logged with its reason."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from jobs import pools
from jobs.errors import InvalidField
from jobs.models import Lease, Pool, PoolChange
from scheduler import acts, foresight, readings
from scheduler.console import gate

_SHOWN = 20
# What is known of the waiting jobs' costs is of this time, seconds.
_RECENT = 900.0
# Longer numbers are nobody's slots.
_DIGITS = 5


@gate.acts
def capacity(request: HttpRequest) -> HttpResponse:
    """Show slots and what others would mean for each tier (GET); set them or give them back (POST)."""
    if request.method != "POST":
        return _page(request, wanted=_wanted(request.GET))
    wanted = _wanted(request.POST)
    try:
        said = _done(request, wanted)
    except InvalidField as fault:
        return _page(request, wanted=wanted, fault=fault, status=422)
    messages.success(request, said)
    return redirect("console_capacity")


def _done(request: HttpRequest, wanted: Mapping[str, int]) -> str:
    if "restore" in request.POST:
        return _restored(request)
    return _kept(request) if "keep" in request.POST else _set(request, wanted)


def _set(request: HttpRequest, wanted: Mapping[str, int]) -> str:
    reason = acts.reason_of(request.POST.get("reason", ""))
    back = _return(request.POST.get("restore_at", ""))
    with transaction.atomic():
        pools.set_capacity(wanted, actor=gate.actor(request), reason=reason, restore_at=back)
        said = _said(wanted) + (f" They come back at {back:%H:%M on %d %B} UTC." if back else "")
        acts.record(
            gate.actor(request), "pool.capacity", ", ".join(wanted), reason=reason, outcome=said
        )
    return said


def _restored(request: HttpRequest) -> str:
    reason = request.POST.get("reason", "").strip() or "Back to usual."
    with transaction.atomic():
        names = list(Pool.objects.values_list("name", flat=True))
        slots = pools.restore(names, actor=gate.actor(request), reason=reason)
        said = _said(slots)
        acts.record(
            gate.actor(request), "pool.restore", ", ".join(slots), reason=reason, outcome=said
        )
    return said


def _kept(request: HttpRequest) -> str:
    reason = request.POST.get("reason", "").strip() or "Until somebody gives them back."
    with transaction.atomic():
        names = list(Pool.objects.values_list("name", flat=True))
        kept = pools.stay_reduced(names, actor=gate.actor(request), reason=reason)
        said = (
            f"Slots of {', '.join(kept)} stay as they are until somebody restores them."
            if kept
            else "No slots were to come back by themselves."
        )
        acts.record(gate.actor(request), "pool.keep", ", ".join(kept), reason=reason, outcome=said)
    return said


def _return(text: str) -> datetime | None:
    """Read when slots come back, UTC; None where nothing was named. Raises InvalidField."""
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    except ValueError:
        raise InvalidField("restore_at", "Name a day and a time, or leave it empty.") from None


def _said(slots: Mapping[str, int]) -> str:
    told = ", ".join(f"{name} has {count:,}" for name, count in slots.items())
    return f"Slots are set: {told}." if told else "Every pool had these slots already."


def _wanted(values: Mapping[str, Any]) -> dict[str, int]:
    """Read the numbers of slots that somebody changed on the page, and that differ from what there is."""
    found = {}
    for name, slots in Pool.objects.values_list("name", "slots"):
        number = _number(values, f"slots-{name}")
        # What the page had is not written again: another operator may have changed it meanwhile.
        if number not in {None, slots, _number(values, f"was-{name}")}:
            found[name] = number
    return found


def _number(values: Mapping[str, Any], field: str) -> int | None:
    text = str(values.get(field, "")).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def _waiting() -> Mapping[str, float]:
    """Give about how many jobs of each tier wait."""
    points = readings.latest(seconds=_RECENT)
    return readings.waiting_jobs(points[-1].figures["costs"] if points else {})[0]


def _above(wanted: Mapping[str, int]) -> int:
    """Count the jobs that run above what the pools would have; these finish first."""
    running = dict(
        Lease.objects.filter(pool_id__in=wanted)
        .values("pool_id")
        .annotate(count=Count("job_id"))
        .values_list("pool_id", "count")
    )
    return sum(max(0, running.get(name, 0) - slots) for name, slots in wanted.items())


def _page(
    request: HttpRequest,
    *,
    wanted: Mapping[str, int],
    fault: InvalidField | None = None,
    status: int = 200,
) -> HttpResponse:
    found = list(Pool.objects.order_by("name"))
    rows = [{"pool": pool, "wanted": wanted.get(pool.name, pool.slots)} for pool in found]
    waiting = _waiting()
    outcomes = [
        {
            "tier": outcome.tier,
            "waiting": round(waiting.get(outcome.tier, 0.0)),
            "now": foresight.in_words(outcome.now),
            "then": foresight.in_words(outcome.then),
            "is_closed": outcome.then.is_closed,
            "closes": outcome.then.is_closed and not outcome.now.is_closed,
        }
        for outcome in foresight.foresee(wanted)
    ]
    context = {
        "rows": rows,
        "outcomes": outcomes,
        "is_preview": bool(wanted),
        "above": _above(wanted),
        "returns": min((pool.restore_at for pool in found if pool.restore_at), default=None),
        "restore_at": request.POST.get("restore_at", ""),
        "is_reduced": any(pool.usual_slots is not None for pool in found),
        "may_change": gate.may_act(request),
        "fault": fault,
        "reason": request.POST.get("reason", ""),
        "changes": PoolChange.objects.filter(changed__has_key="slots").order_by("-at")[:_SHOWN],
    }
    return render(request, "console/capacity.html", context, status=status)
