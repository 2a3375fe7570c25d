"""The operator console: staff look, operators act, and every act has a reason and is logged."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.decorators import user_passes_test
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from jobs import pools
from jobs.errors import InvalidField
from jobs.models import Pool, PoolChange
from scheduler import foresight

_SHOWN = 20
# Longer numbers are nobody's slots.
_DIGITS = 5


@user_passes_test(lambda user: user.is_active and user.is_staff, login_url="sign_in")
@require_http_methods(["GET", "HEAD", "POST"])
def capacity(request: HttpRequest) -> HttpResponse:
    """Show slots and what others would mean for each tier (GET); set them or give them back (POST)."""
    if request.method != "POST":
        return _page(request, wanted=_wanted(request.GET))
    if not request.user.has_perm("jobs.change_pool"):
        raise PermissionDenied
    actor, reason = str(request.user), request.POST.get("reason", "")
    wanted = _wanted(request.POST)
    try:
        if "restore" in request.POST:
            names = list(Pool.objects.values_list("name", flat=True))
            pools.restore(names, actor=actor, reason=reason or "Back to usual.")
        else:
            pools.set_capacity(wanted, actor=actor, reason=reason)
    except InvalidField as fault:
        return _page(request, wanted=wanted, fault=fault, status=422)
    return redirect("console_capacity")


def _wanted(values: Mapping[str, Any]) -> dict[str, int]:
    """Read the numbers of slots that differ from what there is."""
    found = {}
    for name, slots in Pool.objects.values_list("name", "slots"):
        text = str(values.get(f"slots-{name}", "")).strip()
        if text.isascii() and text.isdigit() and len(text) <= _DIGITS and int(text) != slots:
            found[name] = int(text)
    return found


def _page(
    request: HttpRequest,
    *,
    wanted: Mapping[str, int],
    fault: InvalidField | None = None,
    status: int = 200,
) -> HttpResponse:
    found = list(Pool.objects.order_by("name"))
    rows = [{"pool": pool, "wanted": wanted.get(pool.name, pool.slots)} for pool in found]
    outcomes = [
        {
            "tier": outcome.tier,
            "now": foresight.in_words(outcome.now),
            "then": foresight.in_words(outcome.then),
            "closes": outcome.then.is_closed and not outcome.now.is_closed,
        }
        for outcome in foresight.foresee(wanted)
    ]
    context = {
        "rows": rows,
        "outcomes": outcomes,
        "is_preview": bool(wanted),
        "is_reduced": any(pool.usual_slots is not None for pool in found),
        "may_change": request.user.has_perm("jobs.change_pool"),
        "fault": fault,
        "reason": request.POST.get("reason", ""),
        "changes": PoolChange.objects.filter(changed__has_key="slots").order_by("-at")[:_SHOWN],
    }
    return render(request, "console/capacity.html", context, status=status)
