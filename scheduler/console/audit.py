"""What operators did here: newest first, by operator, verb or subject, each by its index."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode

from scheduler.console import gate
from scheduler.models import Act

_PAGE: Final = 50
_LONGEST_ID: Final = 19
VERBS: Final = (
    "pool.capacity", "pool.restore", "pool.keep", "pool.drain", "pool.pause", "pool.resume", "pool.quarantine",
    "job.cancel", "job.put-back", "job.ask", "bulk.cancel", "bulk.move_tier", "bulk.put_back",
    "bulk.ask", "bulk.abort", "events.replay", "deliveries.replay",
)  # fmt: skip


@gate.looks
def page(request: HttpRequest) -> HttpResponse:
    """List acts."""
    wanted = {
        name: text
        for name in ("actor", "verb", "subject")
        if (text := request.GET.get(name, "").replace("\x00", "").strip())
    }
    rows = Act.objects.filter(**wanted).order_by("-id")
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < _LONGEST_ID:
        rows = rows.filter(id__lt=int(before))
    found = list(rows[: _PAGE + 1])
    older = urlencode({**wanted, "before": str(found[_PAGE - 1].pk)}) if len(found) > _PAGE else ""
    context = {
        "acts": found[:_PAGE],
        "older": older,
        "is_older": bool(before),
        "wanted": wanted,
        "verbs": VERBS,
    }
    return render(request, "console/audit.html", context)
