"""Actions on many jobs: choose, count, confirm by the name, watch, stop."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string

from jobs.errors import InvalidField
from jobs.models import Offering, Pool, Tier, Truth
from scheduler import operations
from scheduler.console import gate
from scheduler.models import Doing, Operation, OperationState
from scheduler.stuck import Holdup

_LONGEST_WAIT: Final = 100_000
_TRUTHS: Final = {
    Truth.FINISHED: "had finished",
    Truth.FAILED: "had failed",
    Truth.RUNNING: "still work",
    Truth.GONE: "are unknown to it",
    Truth.UNREACHABLE: "got no answer",
    Truth.NOT_ASKED: "were not asked",
}
_MEANINGS: Final = {
    Doing.CANCEL: "What waits is cancelled at no charge, and its owners read your reason. What runs goes on.",
    Doing.MOVE_TIER: "Accounts that have something waiting move to the tier, with what they have waiting.",
    Doing.PUT_BACK: "Attempts that hold a slot are ended, and their jobs go to another one. No try is used up,"
    " nothing is charged.",
    Doing.ASK: "Each backend is asked what became of the attempts: what has ended there is brought to its end"
    " here, what still runs goes on.",
}


@gate.acts
def new(request: HttpRequest) -> HttpResponse:
    """Ask what to do with which jobs (GET); prepare it, so that a worker counts (POST)."""
    if request.method != "POST":
        return _form(request, request.GET)
    values = request.POST
    try:
        made = operations.prepare(
            name=values.get("name", ""),
            doing=values.get("doing", ""),
            filters=_filters(values),
            tier=values.get("tier_to", ""),
            actor=gate.actor(request),
            reason=values.get("reason", ""),
        )
    except InvalidField as fault:
        return _form(request, values, fault=fault, status=422)
    return redirect("console_operation", made.id)


@gate.looks
def page(request: HttpRequest, operation_id: UUID) -> HttpResponse:
    """Show how far an operation is."""
    return _page(request, _found(operation_id))


@gate.looks
def progress(request: HttpRequest, operation_id: UUID) -> HttpResponse:
    """Answer with the part of its page that changes."""
    context = _context(request, _found(operation_id))
    return HttpResponse(render_to_string("console/_operation.html", context))


@gate.only_acts
def confirm(request: HttpRequest, operation_id: UUID) -> HttpResponse:
    """Let it run: its name was typed."""
    found = _found(operation_id)
    try:
        operations.confirm(found.id, typed=request.POST.get("name", ""), actor=gate.actor(request))
    except InvalidField as fault:
        return _page(request, found, fault=fault, status=422)
    return redirect("console_operation", found.id)


@gate.only_acts
def abort(request: HttpRequest, operation_id: UUID) -> HttpResponse:
    """Stop it."""
    found = _found(operation_id)
    try:
        stopped = operations.abort(
            found.id, actor=gate.actor(request), reason=request.POST.get("reason", "")
        )
    except InvalidField as fault:
        return _page(request, found, fault=fault, status=422)
    messages.success(request, f"Stopped after {stopped.done:,}.")
    return redirect("console_operation", found.id)


def _filters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Read which jobs are meant. Raises InvalidField."""
    found: dict[str, Any] = {
        name: text
        for name in ("tier", "model", "pool", "cause")
        if (text := str(values.get(name, "")).strip()[:64])
    }
    if email := str(values.get("owner", "")).strip().lower():
        owner_id = get_user_model().objects.filter(email=email).values_list("pk", flat=True).first()
        if owner_id is None:
            raise InvalidField("owner", f"Nobody has the address {email}.")
        found["owner"], found["email"] = str(owner_id), email
    minutes = str(values.get("older_than", "")).strip()
    if minutes:
        if not (minutes.isascii() and minutes.isdigit() and int(minutes[:9]) <= _LONGEST_WAIT):
            raise InvalidField("older_than", f"Send minutes, at most {_LONGEST_WAIT:,}.")
        if int(minutes):
            found["older_than"] = int(minutes)
    return found


def _form(
    request: HttpRequest,
    values: Mapping[str, Any],
    *,
    fault: InvalidField | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "values": values,
        "doings": [(doing.value, doing.label, _MEANINGS[doing]) for doing in Doing],
        "doing": values.get("doing") or Doing.CANCEL.value,
        "tiers": list(Tier.objects.order_by("-rank").values_list("name", flat=True)),
        "models": list(
            Offering.objects.order_by("model").values_list("model", flat=True).distinct()
        ),
        "pools": list(Pool.objects.order_by("name").values_list("name", flat=True)),
        "causes": Holdup.choices,
        "fault": fault,
        "may_act": gate.may_act(request),
    }
    return render(request, "console/operation_new.html", context, status=status)


def _page(
    request: HttpRequest,
    found: Operation,
    *,
    fault: InvalidField | None = None,
    status: int = 200,
) -> HttpResponse:
    context = _context(request, found) | {"fault": fault}
    return render(request, "console/operation.html", context, status=status)


def _context(request: HttpRequest, found: Operation) -> dict[str, Any]:
    return {
        "operation": found,
        "meaning": _MEANINGS[Doing(found.doing)],
        "filters": _told(found.filters),
        "truths": [(count, _TRUTHS[Truth(name)]) for name, count in found.truths.items() if count],
        "is_at_work": found.state in {OperationState.COUNTING, OperationState.RUNNING},
        "looked_at": found.done + found.skipped,
        "may_act": gate.may_act(request),
    }


def _told(filters: Mapping[str, Any]) -> list[tuple[str, str]]:
    labels = {
        "tier": "Tier", "model": "Model", "pool": "Pool", "email": "Owner",
        "older_than": "Submitted more than", "cause": "Held up",
    }  # fmt: skip
    found = []
    for name, label in labels.items():
        value = filters.get(name)
        if value in {None, ""}:
            continue
        text = f"{value} min ago" if name == "older_than" else str(value)
        if name == "cause":
            text = str(dict(Holdup.choices).get(text, text))
        found.append((label, text))
    return found


def _found(operation_id: UUID) -> Operation:
    found = Operation.objects.filter(id=operation_id).first()
    if found is None:
        raise Http404
    return found
