"""One pool: how it does, what was changed, and what an operator can do with it, each with a reason and a result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from jobs import pool_health, pool_reports, pools
from jobs.errors import InvalidField
from jobs.models import Lease, Pool, PoolChange, PoolState
from scheduler import acts, foresight
from scheduler.console import gate, words

_REPORTED: Final = 3600.0
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """Something that an operator can do with a pool."""

    name: str
    word: str
    # What becomes of what runs and of what is new.
    meaning: str
    icon: str
    change: Mapping[str, Any]
    said: str
    is_grave: bool = False


_VERBS: Final = {
    verb.name: verb
    for verb in (
        Verb(
            name="drain",
            word="Drain",
            meaning="What runs there goes on to its end; nothing new starts there.",
            icon="draining",
            change={"state": PoolState.DRAINING},
            said="drains: what runs goes on, nothing new starts",
        ),
        Verb(
            name="pause",
            word="Pause",
            meaning="What runs there goes on; nothing new starts there until somebody resumes it.",
            icon="paused",
            change={"state": PoolState.PAUSED},
            said="is paused",
        ),
        Verb(
            name="resume",
            word="Resume",
            meaning="It takes new work at once, with all of its slots.",
            icon="running",
            change={
                "state": PoolState.ACTIVE,
                "is_on_probation": False,
                "quarantined_until": None,
                "quarantines": 0,
            },
            said="is active",
        ),
        Verb(
            name="quarantine",
            word="Quarantine",
            meaning="Nothing new starts there, and no health check lets it back in: somebody resumes it.",
            icon="shield",
            change={"state": PoolState.QUARANTINED, "quarantined_until": None},
            said="is quarantined until somebody resumes it",
            is_grave=True,
        ),
    )
}
_OFFERED: Final = {
    PoolState.ACTIVE: ("drain", "pause", "quarantine"),
    PoolState.DRAINING: ("resume", "pause", "quarantine"),
    PoolState.PAUSED: ("resume", "quarantine"),
    PoolState.QUARANTINED: ("resume", "pause"),
}


@gate.looks
def page(request: HttpRequest, name: str) -> HttpResponse:
    """Show one pool."""
    found = {
        report.name: report
        for report in pool_reports.reports(window_seconds=_REPORTED, bad=pool_health.BAD)
    }
    if name not in found:
        raise Http404
    report, pool = found[name], _pool(name)
    context = {
        "pool": pool,
        "report": report,
        "median": words.clock(report.median),
        "slow": words.clock(report.p95),
        "failed": words.percent(report.failed, report.failed + report.succeeded),
        "learned": [(how.label, count) for how, count in report.learned.items() if count],
        "offered": [_VERBS[verb] for verb in _OFFERED[PoolState(pool.state)]],
        "changes": PoolChange.objects.filter(pool=name).order_by("-at")[:_SHOWN],
        "may_act": gate.may_act(request),
    }
    return render(request, "console/pool.html", context)


@gate.acts
def act(request: HttpRequest, name: str, verb: str) -> HttpResponse:
    """Say what doing it would mean, and ask why (GET); do it (POST)."""
    pool, wanted = _pool(name), _VERBS.get(verb)
    if wanted is None:
        raise Http404
    if request.method != "POST":
        return _asked(request, pool, wanted)
    if verb not in _OFFERED[PoolState(pool.state)]:
        # Somebody else was first; the page says so.
        return _asked(request, pool, wanted, status=409)
    try:
        said = _do(
            pool.name, wanted, actor=gate.actor(request), text=request.POST.get("reason", "")
        )
    except InvalidField as fault:
        return _asked(request, pool, wanted, fault=fault, status=422)
    messages.success(request, said)
    return redirect("console_pool", name)


def _do(name: str, verb: Verb, *, actor: str, text: str) -> str:
    reason = acts.reason_of(text)
    with transaction.atomic():
        pools.change(name, actor=actor, reason=reason, **verb.change)
        running = Lease.objects.filter(pool_id=name).count()
        said = f"{name} {verb.said}. {words.counted(running, 'job')} hold a slot there."
        acts.record(actor, f"pool.{verb.name}", name, reason=reason, outcome=said)
    return said


def _asked(
    request: HttpRequest,
    pool: Pool,
    verb: Verb,
    *,
    fault: InvalidField | None = None,
    status: int = 200,
) -> HttpResponse:
    slots = pool.slots if verb.name == "resume" else 0
    context = {
        "pool": pool,
        "verb": verb,
        "is_offered": verb.name in _OFFERED[PoolState(pool.state)],
        "running": Lease.objects.filter(pool=pool).count(),
        "outcomes": [
            {
                "tier": outcome.tier,
                "now": foresight.in_words(outcome.now),
                "then": foresight.in_words(outcome.then),
                "closes": outcome.then.is_closed and not outcome.now.is_closed,
            }
            for outcome in foresight.foresee({pool.name: slots})
        ]
        # What is open again is not foreseen: its state still says that it takes nothing.
        if pool.state == PoolState.ACTIVE
        else [],
        "fault": fault,
        "reason": request.POST.get("reason", ""),
        "may_act": gate.may_act(request),
    }
    return render(request, "console/pool_act.html", context, status=status)


def _pool(name: str) -> Pool:
    found = Pool.objects.filter(name=name).first()
    if found is None:
        raise Http404
    return found
