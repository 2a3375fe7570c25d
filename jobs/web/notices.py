"""The notification centre: what happened, what of it was not read yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from jobs import callers, days, events
from jobs.models import Job
from jobs.states import JobState
from jobs.web import answers, cards, fragments, money, sendings
from jobs.web.cards import duration
from notifications import centre, matrix, sent
from notifications.models import DeliveryState, Notification

# The look of an event, and what it says after the prompt's first words.
_OF_EVENT: Final = {
    "job.succeeded": ("ready", "is ready."),
    "job.failed": ("failed", "failed."),
    "job.expired": ("expired", "expired: it waited too long."),
    "job.canceled": ("cancelled", "was cancelled."),
    "webhook_endpoint.disabled": ("paused", "of yours was disabled."),
    "key.created": ("info", "was made for your account."),
    "credits.given": ("info", "were given to you."),
    "job.late_result": ("late", "arrived late, after we had given up on it."),
}
# Where a person looks after what is no job: the name of the address, and whether it takes the subject.
_PLACES: Final = {
    "webhook_endpoint.disabled": ("webhook", True),
    "key.created": ("keys", False),
    "credits.given": ("usage", False),
    "batch.ended": ("batch", True),
}
_ABOUT: Final = {
    "webhook_endpoint.disabled": "A webhook address",
    "key.created": "A new API key",
    "credits.given": "Credits",
}
# The counts of a batch's end, by state; the first that is not 0 gives the notice its look.
_ENDS: Final = {
    "ready": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "expired": JobState.EXPIRED,
    "canceled": JobState.CANCELED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One line of the centre."""

    id: int
    look: str
    about: str
    url: str
    text: str
    detail: str
    at: datetime
    is_unread: bool
    # By which channels it went too, or why it did not.
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The notices of one day."""

    label: str
    notices: list[Notice]


def page(request: HttpRequest) -> HttpResponse:
    """Render a page of notices, the newest first. Raises Http404 for a place that is none."""
    caller = callers.of(request)
    found, has_older = centre.newest(caller.owner_id, before=_place(request))
    notices = _notices(found, caller=caller)
    today = days.day("today", zone=caller.zone)
    context = {
        "days": [
            Day(label=_label(day, today), notices=list(its))
            for day, its in groupby(notices, key=lambda notice: notice.at.date())
        ],
        "older": found[-1].id if has_older else None,
        "newest": found[0].id if found else 0,
        "has_unread": any(notice.is_unread for notice in notices),
        "zone_name": caller.zone.key,
        "sent_today": sendings.today(request),
    }
    return render(request, "notifications/notices.html", context)


def read(request: HttpRequest) -> HttpResponse:
    """Mark as read: one by `id`, or everything up to `up_to`. Raises Http404 for anything else."""
    owner_id = callers.of(request).owner_id
    if request.POST.get("id"):
        centre.read(owner_id, ids=[_number(request.POST["id"])])
    else:
        centre.read_all(owner_id, up_to=_number(request.POST.get("up_to", "")))
    if answers.wants_json(request):
        return JsonResponse(fragments.numbers(request))
    return HttpResponseRedirect(reverse("notices"), status=303)


def _notices(found: Sequence[Notification], *, caller: callers.Caller) -> list[Notice]:
    jobs = {
        row["id"]: row
        for row in Job.objects.owned_by(caller.owner_id)
        .filter(id__in={notice.subject_id for notice in found})
        .values(
            "id",
            "prompt",
            "credits_charged",
            "error_message",
            "created_at",
            "finished_at",
            "attempt",
        )
    }
    batches = _prompts({one.subject_id for one in found if one.name == events.BATCH_ENDED}, caller)
    told = sent.of_events(caller.owner_id, [one.event_id for one in found])
    return [
        replace(
            _of_batch(one, batches.get(one.subject_id, ""), caller=caller)
            if one.name == events.BATCH_ENDED
            else _notice(one, jobs.get(one.subject_id), caller=caller),
            told=" ".join(_told(each, caller.zone) for each in told.get(one.event_id, ())),
        )
        for one in found
    ]


def _told(one: sent.Sent, zone: ZoneInfo) -> str:
    channel = matrix.label(one.channel)
    if one.state == DeliveryState.DELIVERED and one.ended_at:
        return f"{channel} sent {one.ended_at.astimezone(zone):%H:%M}."
    if one.state == DeliveryState.SCHEDULED:
        return f"{channel} is on its way."
    return f"{channel}: {one.reason[:1].lower()}{one.reason[1:]}"


def _prompts(batch_ids: set[UUID], caller: callers.Caller) -> dict[UUID, str]:
    """Give of each batch the prompt of the first job that is left of it."""
    if not batch_ids:
        return {}
    mine = Job.objects.owned_by(caller.owner_id).filter(batch_id__in=batch_ids)
    first = mine.order_by("batch_id", "created_at", "id").distinct("batch_id")
    return {
        batch_id: prompt for batch_id, prompt in first.values_list("batch_id", "prompt") if batch_id
    }


def _notice(one: Notification, job: Mapping[str, Any] | None, *, caller: callers.Caller) -> Notice:
    look, text = _OF_EVENT.get(one.name, ("info", one.name.replace(".", ": ").replace("_", " ")))
    return Notice(
        id=one.pk,
        look=look,
        about=sendings.first_words(job["prompt"]) if job else _ABOUT.get(one.name, ""),
        url=reverse("job", args=[one.subject_id]) if job else _place_of(one),
        text=text,
        detail=_detail(look, job) if job else _detail_of_other(one),
        at=one.created_at.astimezone(caller.zone),
        is_unread=one.read_at is None,
    )


def _of_batch(one: Notification, prompt: str, *, caller: callers.Caller) -> Notice:
    said = one.payload
    counts = {cards.LOOK_OF_END[state]: int(said.get(name, 0)) for name, state in _ENDS.items()}
    took = duration(timedelta(seconds=int(said.get("took", 0))))
    return Notice(
        id=one.pk,
        look=next((look for look, count in counts.items() if count), "info"),
        about=f"Batch of {said.get('size')}",
        url=_place_of(one),
        text=f"has ended: {', '.join(cards.words(counts))}.",
        detail=f"{f'“{sendings.first_words(prompt)}” and others. ' if prompt else ''}Took {took} in all.",
        at=one.created_at.astimezone(caller.zone),
        is_unread=one.read_at is None,
    )


def _place_of(one: Notification) -> str:
    name, takes_subject = _PLACES.get(one.name, ("", False))
    return reverse(name, args=[one.subject_id] if takes_subject else []) if name else ""


def _detail(look: str, job: Mapping[str, Any]) -> str:
    match look:
        case "ready":
            took = duration(job["finished_at"] - job["created_at"]) if job["finished_at"] else ""
            tries = f", try {job['attempt']}" if job["attempt"] > 1 else ""
            return f"Took {took} in all{tries}. {job['credits_charged']:,} credits, charged once."
        case "late":
            return "Kept for you, not charged."
        case _ if job["credits_charged"]:
            return f"{job['error_message']} {money.credits_of(job['credits_charged'])} charged."
        case _:
            return f"{job['error_message']} Not charged.".strip()


def _detail_of_other(one: Notification) -> str:
    payload = one.payload
    match one.name:
        case "webhook_endpoint.disabled":
            return f"{payload.get('url', '')}: {payload.get('reason', '')}"
        case "key.created":
            return f"{payload.get('name', '')} ({payload.get('prefix', '')}…)"
        case "credits.given":
            return f"{int(payload.get('credits', 0)):,} credits: {payload.get('reason', '')}"
        case _:
            return ""


def _label(day: date, today: date) -> str:
    if day == today:
        return "Today"
    return "Yesterday" if (today - day).days == 1 else f"{day:%A}, {day.day} {day:%B}"


def _place(request: HttpRequest) -> int | None:
    return _number(request.GET["before"]) if request.GET.get("before") else None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < len(str(2**63))):
        raise Http404
    return int(text)
