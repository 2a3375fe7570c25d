"""The first page: readings, charts, what is stuck, pools, who uses it. A fragment of it is read every few seconds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse

from jobs.models import Pool, PoolChange, PoolState
from scheduler import incidents, readings
from scheduler import overview as numbers
from scheduler.console import gate, tenants, words
from scheduler.console.tiles import tiles
from scheduler.overview import Overview

# What tiles and pools look back on, and charts, seconds.
_RECENT: Final = 900.0
_CHARTED: Final = 3600.0
# Changes of slots that are looked at, and drawn.
_LOOKED_AT: Final = 20
_MARKED: Final = 2
# Tenants on the first page.
_TOP: Final = 5
_LOOKS: Final = {
    PoolState.ACTIVE: ("ok", "check"),
    PoolState.DRAINING: ("draining", "draining"),
    PoolState.PAUSED: ("paused", "paused"),
    PoolState.QUARANTINED: ("quarantined", "shield"),
}


@gate.looks
def overview(request: HttpRequest) -> HttpResponse:
    """Show the whole at a glance."""
    context = {
        **_live(request),
        "tenants": tenants.rows()[:_TOP],
        "table": _table(),
        "charts_url": reverse("console_charts"),
    }
    return render(request, "console/overview.html", context)


@gate.looks
def live(request: HttpRequest) -> HttpResponse:
    """Answer with what changes on the first page."""
    # Without the request: what every page's frame needs is not read for a fragment.
    return HttpResponse(render_to_string("console/_live.html", _live(request)))


@gate.looks
def charts(request: HttpRequest) -> JsonResponse:
    """Answer with the last hour as numbers: moments in seconds, waits by tier, arrivals, ends, changes of slots."""
    points = readings.latest(seconds=_CHARTED)
    tiers = ("enterprise", "pro", "free")
    first = points[0].at if points else None
    return JsonResponse(
        {
            "at": [round(point.at.timestamp()) for point in points],
            "waits": {
                tier: [_minutes(point.figures["waits"].get(tier)) for point in points]
                for tier in tiers
            },
            "arrived": [point.figures["arrived"] for point in points],
            "ended": [point.figures["ended"] for point in points],
            "marks": _marks(first),
        }
    )


def pool_rows(now: Overview) -> list[dict[str, Any]]:
    """Give each pool as its row shows it."""
    ends = now.latest.get("ends", {})
    held = now.latest.get("pools", {})
    rows = []
    for pool in Pool.objects.order_by("name"):
        look, icon = _LOOKS[PoolState(pool.state)]
        end = ends.get(pool.name, {})
        bad, ended = end.get("bad", 0), end.get("good", 0) + end.get("bad", 0)
        median, slow = end.get("took") or (None, None)
        rows.append(
            {
                "pool": pool,
                "look": look,
                "icon": icon,
                "held": held.get(pool.name, [0])[0],
                "line": words.spark(
                    point.figures["pools"].get(pool.name, [None])[0] for point in now.points
                ),
                "answered": words.ago(words.since(pool.answered_at, now=now.at)),
                "is_breaker_open": pool.breaker_until is not None and pool.breaker_until > now.at,
                "median": words.clock(median),
                "slow": words.clock(slow),
                "failed": words.percent(bad, ended),
                "models": ", ".join(pool.model_names),
            }
        )
    return rows


def _live(request: HttpRequest) -> dict[str, Any]:
    now = numbers.read(seconds=_RECENT)
    return {
        "at": now.at,
        "tiles": tiles(now),
        "waits": [
            {"tier": wait.tier, "jobs": wait.jobs, "range": words.between(wait.low, wait.high)}
            for wait in now.waits
        ],
        "stuck": [
            {"group": group, "since": words.ago(group.seconds), "share": now.stuck_count}
            for group in now.stuck
        ],
        "stuck_count": now.stuck_count,
        "pools": pool_rows(now),
        "recovered": incidents.recent(window_seconds=_RECENT)[:5],
        "capacity": _capacity(now),
        "may_act": gate.may_act(request),
    }


def _capacity(now: Overview) -> dict[str, Any] | None:
    """Say that there are fewer slots than usual, since when and why."""
    if now.slots >= now.usual_slots or not now.usual_slots:
        return None
    change = PoolChange.objects.filter(changed__has_any_keys=["slots", "state"]).order_by("-id")
    back = Pool.objects.filter(restore_at__isnull=False).order_by("restore_at")
    return {
        "percent": round(100 * now.slots / now.usual_slots),
        "change": change.first(),
        "back": back.values("name", "restore_at").first(),
    }


def _minutes(waits: Sequence[float] | None) -> float | None:
    return None if not waits else round(waits[1] / 60, 3)


def _marks(first: datetime | None) -> list[list[Any]]:
    """Give the latest changes of slots since a moment: when, and in words."""
    if first is None:
        return []
    changes = PoolChange.objects.filter(changed__has_key="slots", at__gt=first).order_by("-id")
    found = []
    for change in changes[:_LOOKED_AT]:
        before, after = change.changed["slots"]
        # A new pool is no change of one.
        if before is not None:
            said = f"{change.at:%H:%M}, {change.pool} {before} to {after}"
            found.append([round(change.at.timestamp()), said])
    return found[:_MARKED]


def _table() -> list[dict[str, Any]]:
    """Give the charts' hour in words, a line every five minutes, newest first."""
    points = readings.latest(seconds=_CHARTED)[::-20]
    return [
        {
            "at": point.at,
            "waits": [
                words.clock((point.figures["waits"].get(tier) or (0, None))[1])
                for tier in ("enterprise", "pro", "free")
            ],
            "arrived": point.figures["arrived"],
            "ended": point.figures["ended"],
        }
        for point in points
    ]
