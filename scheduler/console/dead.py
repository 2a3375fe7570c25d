"""What nobody could hear or take: parked events and abandoned deliveries, each with a way to try again."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from jobs.errors import InvalidField
from notifications import deliveries, parking
from notifications.models import Delivery, DeliveryState, ParkedEvent
from scheduler import acts, lookup
from scheduler.console import gate, words

_PAGE: Final = 50
_KINDS: Final = ("events", "webhooks", "messages")
_LONGEST_ID: Final = 19


@gate.looks
def page(request: HttpRequest) -> HttpResponse:
    """List what is dead, newest first."""
    return _page(request, request.GET.get("kind", ""))


@gate.only_acts
def replay(request: HttpRequest) -> HttpResponse:
    """Try the chosen ones again, each on its own; say what came of them."""
    kind = _kind(request.POST.get("kind", ""))
    try:
        reason = acts.reason_of(request.POST.get("reason", ""))
        chosen = _chosen(request)
    except InvalidField as fault:
        return _page(request, kind, fault=fault, status=422)
    noun = "events" if kind == "events" else "deliveries"
    said, failed = _heard(chosen) if kind == "events" else _sent(chosen)
    subject = f"{noun} {', '.join(chosen)}"
    acts.record(gate.actor(request), f"{noun}.replay", subject, reason=reason, outcome=said)
    (messages.warning if failed else messages.success)(request, said)
    return redirect(f"{reverse('console_dead')}?kind={kind}")


def _page(
    request: HttpRequest, kind: str, *, fault: InvalidField | None = None, status: int = 200
) -> HttpResponse:
    kind, before = _kind(kind), request.GET.get("before", "")
    rows, older = _parked(before) if kind == "events" else _abandoned(kind, before)
    context = {
        "kind": kind,
        "rows": rows,
        "older": older,
        "is_older": bool(before),
        "fault": fault,
        "reason": request.POST.get("reason", ""),
        "may_act": gate.may_act(request),
    }
    return render(request, "console/dead.html", context, status=status)


def _kind(text: str) -> str:
    return text if text in _KINDS else _KINDS[0]


def _chosen(request: HttpRequest) -> list[str]:
    chosen = request.POST.getlist("id")[:_PAGE]
    if not chosen:
        raise InvalidField("id", "Choose at least one.")
    return chosen


def _heard(chosen: Sequence[str]) -> tuple[str, int]:
    heard, errors = 0, []
    ids = [int(one) for one in chosen if one.isascii() and one.isdigit() and len(one) < _LONGEST_ID]
    for parked in ParkedEvent.objects.filter(id__in=ids).order_by("id"):
        try:
            parking.retry(parked)
            heard += 1
        except Exception as error:  # noqa: BLE001 - a subscriber's bug is what parks events; it is shown
            errors.append(f"{parked}: {type(error).__name__}: {error}")
    said = f"{words.counted(heard, 'event')} heard."
    if errors:
        said += f" {len(errors):,} could not be: {errors[0]}"
    return said, len(errors)


def _sent(chosen: Sequence[str]) -> tuple[str, int]:
    ids = []
    for one in chosen:
        try:
            ids.append(UUID(one))
        except ValueError:
            continue
    found = list(
        Delivery.objects.filter(id__in=ids, state=DeliveryState.ABANDONED).values_list(
            "id", flat=True
        )
    )
    for delivery_id in found:
        deliveries.replay(delivery_id)
    return (
        f"{words.counted(len(found), 'delivery').replace('deliverys', 'deliveries')} scheduled again.",
        0,
    )


def _parked(before: str) -> tuple[list[dict[str, Any]], str]:
    rows = ParkedEvent.objects.order_by("-id")
    if before.isascii() and before.isdigit() and len(before) < _LONGEST_ID:
        rows = rows.filter(id__lt=int(before))
    found = list(rows[: _PAGE + 1])
    shown = [
        {
            "id": row.pk,
            "what": f"Event {row.event_id}",
            "where": row.subscriber,
            "why": row.error,
            "tries": row.try_count,
            "at": row.parked_at,
            "job": None,
            "owner": "",
        }
        for row in found[:_PAGE]
    ]
    return shown, str(found[_PAGE - 1].pk) if len(found) > _PAGE else ""


def _abandoned(kind: str, before: str) -> tuple[list[dict[str, Any]], str]:
    rows = Delivery.objects.filter(state=DeliveryState.ABANDONED).order_by("-id")
    rows = rows.filter(channel="webhook") if kind == "webhooks" else rows.exclude(channel="webhook")
    try:
        rows = rows.filter(id__lt=UUID(before)) if before else rows
    except ValueError:
        rows = rows.none()
    found = list(rows.defer("content", "payload")[: _PAGE + 1])
    people = lookup.emails({row.owner_id for row in found})
    shown = [
        {
            "id": row.id,
            "what": row.name,
            "where": row.channel,
            "why": row.reason,
            "tries": row.attempt,
            "at": row.ended_at,
            "job": row.subject_id if row.name.startswith("job.") else None,
            "owner": people.get(row.owner_id, ""),
        }
        for row in found[:_PAGE]
    ]
    return shown, str(found[_PAGE - 1].id) if len(found) > _PAGE else ""
