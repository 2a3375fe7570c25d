"""What we sent somebody: today in numbers, about one video, and every message with the first words of its prompt."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from jobs import callers, days
from jobs.models import Job
from notifications import matrix, sent, webhook_endpoints
from notifications.models import DeliveryState, Notification
from notifications.sent import Sent, Tally

WORDS_SHOWN: Final = 80
_WITHHELD: Final = {DeliveryState.SKIPPED, DeliveryState.ABANDONED, DeliveryState.HELD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One fact: a channel and what came of it; with an address, where more is told."""

    label: str
    text: str
    url: str = ""


def page(request: HttpRequest) -> HttpResponse:
    """Show every message, newest first. Raises Http404 for a place that is none."""
    caller = callers.of(request)
    found, more = sent.page(caller.owner_id, after=_place(request))
    prompts = _prompts(caller.owner_id, found)
    rows = [_row(one, prompts.get(one.subject_id, ""), zone=caller.zone) for one in found]
    context = {
        "days": [
            {"label": f"{day:%A}, {day.day} {day:%B}", "rows": list(its)}
            for day, its in groupby(rows, key=lambda row: row["at"].date())
        ],
        "more": more,
        "zone_name": caller.zone.key,
    }
    return render(request, "notifications/sent.html", context)


def today(request: HttpRequest) -> list[Line]:
    """Give today's messages in numbers: in the app, by each channel, and what was held back."""
    caller = callers.of(request)
    start, _ = days.bounds(days.day("today", zone=caller.zone), zone=caller.zone)
    found = sent.since(caller.owner_id, start)
    lines = [Line(label="In the app", text=_counted(found.in_app))]
    lines += [
        Line(
            label=matrix.label(channel),
            text=_arrived(tally),
            url=reverse("webhooks") if channel == webhook_endpoints.CHANNEL else "",
        )
        for channel, tally in sorted(found.channels.items())
        if tally.tried
    ]
    seen = sum(tally.seen for tally in found.channels.values())
    held = sum(tally.held for tally in found.channels.values())
    if seen:
        lines.append(Line(label="Held back", text=f"{_counted(seen)}, you were looking"))
    if held:
        lines.append(Line(label="Kept for later", text=f"{_counted(held)}, as you wished"))
    return lines


def about(owner_id: UUID, told: Iterable[Notification], *, zone: ZoneInfo) -> list[Line]:
    """Say by which channels, and when, somebody was told something; and where they were not, why not."""
    notices = list(told)
    lines = [
        Line(
            label="In the app", text=f"{_time(one.created_at, zone)}{', seen' * bool(one.read_at)}"
        )
        for one in notices
    ]
    return lines + [
        Line(label=matrix.label(one.channel), text=_outcome(one, zone), url=_log_of(one))
        for one in sent.about(owner_id, [one.event_id for one in notices])
    ]


def first_words(prompt: str) -> str:
    """Give the beginning of a prompt, on one line."""
    line = " ".join(prompt[: 4 * WORDS_SHOWN].split())
    return line if len(line) <= WORDS_SHOWN else f"{line[:WORDS_SHOWN].rstrip()}…"


def _counted(number: int) -> str:
    return f"{number:,}+" if number >= sent.MOST_COUNTED else f"{number:,}"


def _arrived(tally: Tally) -> str:
    rest = "".join(
        f", {count:,} {word}"
        for count, word in ((tally.failed, "failed"), (tally.under_way, "on the way"))
        if count
    )
    return f"{tally.arrived:,} of {_counted(tally.tried)} arrived{rest}"


def _outcome(one: Sent, zone: ZoneInfo) -> str:
    at = _time(one.ended_at or one.at, zone)
    if one.state in _WITHHELD and one.reason:
        return one.reason
    if one.state == DeliveryState.SCHEDULED:
        due = f", next try {_time(one.due_at, zone)}" if one.tries and one.due_at else ""
        return f"{one.word}{due}"
    tries = f", at try {one.tries}" if one.tries > 1 else ""
    return f"{one.word} {at}{tries}"


def _log_of(one: Sent) -> str:
    if one.channel != webhook_endpoints.CHANNEL or not one.address:
        return ""
    return reverse("delivery", args=[one.target, one.id])


def _time(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%H:%M:%S}"


def _row(one: Sent, prompt: str, *, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "sent": one,
        "prompt": first_words(prompt),
        "channel": matrix.label(one.channel),
        "at": one.at.astimezone(zone),
        "due_at": one.due_at.astimezone(zone) if one.due_at else None,
        "is_of_job": one.event.startswith("job."),
        "waits": one.state == DeliveryState.HELD,
        "is_tried_again": one.state == DeliveryState.SCHEDULED and one.tries > 0,
    }


def _prompts(owner_id: UUID, found: Sequence[Sent]) -> dict[UUID, str]:
    mine = Job.objects.owned_by(owner_id).filter(id__in={one.subject_id for one in found})
    return dict(mine.values_list("id", "prompt"))


def _place(request: HttpRequest) -> UUID | None:
    if not (text := request.GET.get("after")):
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
