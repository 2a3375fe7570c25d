"""The page where people choose what reaches them. It works without JavaScript."""

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from notifications import matrix, push_targets, webhook_endpoints
from notifications.errors import InvalidValues

# What a page offers; the API takes any number.
_WAITS: Final = (
    (0, "Every video"),
    (30, "Longer than 30 s"),
    (60, "Longer than 1 min"),
    (300, "Longer than 5 min"),
    (1800, "Longer than 30 min"),
)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """Show the matrix, and take it as the form has it."""
    owner_id, faults = UUID(str(request.user.pk)), {}
    if request.method == "POST":
        try:
            matrix.change(owner_id, _entered(request, matrix.of(owner_id)))
        except InvalidValues as error:
            faults = {name.replace(".", "_"): said for name, said in error.faults.items()}
        else:
            messages.success(request, "Saved.")
            return redirect("notification_preferences")
    found = matrix.of(owner_id)
    waits = [*_WAITS]
    seconds = found.wishes.longer_than_seconds
    if seconds not in dict(_WAITS):
        waits = sorted([*waits, (seconds, f"Longer than {seconds} s")])
    context = {
        "matrix": found,
        "waits": waits,
        "faults": faults,
        "zone_name": getattr(request.user, "time_zone", "UTC"),
        "problems": [column for column in found.columns if column.problem],
        "email": getattr(request.user, "email", ""),
        "browsers": push_targets.browsers(owner_id).count(),
        "devices": push_targets.devices(owner_id).count(),
        "endpoints": webhook_endpoints.of_owner(owner_id),
    }
    page = "notifications/preferences.html"
    return render(request, page, context, status=400 if faults else 200)


def _entered(request: HttpRequest, found: matrix.Matrix) -> dict[str, Any]:
    """Read the form: a box that is not there is off. What cannot be changed is left as it is."""
    boxes = set(request.POST.getlist("on"))
    seconds = request.POST.get("longer_than_seconds", "")
    begin, end = request.POST.get("quiet_from", ""), request.POST.get("quiet_until", "")
    return {
        "events": {
            row.name: {
                cell.channel: f"{row.name}:{cell.channel}" in boxes
                for cell in row.cells
                if cell.is_available and not cell.is_forced
            }
            for row in found.rows
        },
        "longer_than_seconds": int(seconds) if seconds.isdecimal() and seconds.isascii() else -1,
        "quiet_hours": {"from": begin, "until": end} if begin or end else None,
        "daily_mail_at": request.POST.get("daily_mail_at") or None,
    }
