"""The notification centre: what happened, what of it was not read yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from jobs import callers, days
from jobs.models import Job
from jobs.web import answers, fragments
from jobs.web.cards import duration
from notifications import centre
from notifications.models import Notification

# The look of an event, and what it says after the prompt's first words.
_OF_EVENT: Final = {
    "job.succeeded": ("ready", "is ready."),
    "job.failed": ("failed", "failed."),
    "job.expired": ("expired", "expired: it waited too long."),
    "job.canceled": ("cancelled", "was cancelled."),
    "job.late_result": ("late", "arrived late, after we had given up on it."),
}
_WORDS_SHOWN: Final = 80


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
    return [_notice(one, jobs.get(one.subject_id), caller=caller) for one in found]


def _notice(one: Notification, job: Mapping[str, Any] | None, *, caller: callers.Caller) -> Notice:
    look, text = _OF_EVENT.get(one.name, ("info", one.name.replace(".", ": ").replace("_", " ")))
    return Notice(
        id=one.pk,
        look=look,
        about=_first_words(job["prompt"]) if job else "",
        url=reverse("job", args=[one.subject_id]) if job else "",
        text=text,
        detail=_detail(look, job) if job else "",
        at=one.created_at.astimezone(caller.zone),
        is_unread=one.read_at is None,
    )


def _detail(look: str, job: Mapping[str, Any]) -> str:
    match look:
        case "ready":
            took = duration(job["finished_at"] - job["created_at"]) if job["finished_at"] else ""
            tries = f", try {job['attempt']}" if job["attempt"] > 1 else ""
            return f"Took {took} in all{tries}. {job['credits_charged']:,} credits, charged once."
        case "late":
            return "Kept for you, not charged."
        case _:
            return f"{job['error_message']} Not charged.".strip()


def _first_words(prompt: str) -> str:
    line = " ".join(prompt[: 4 * _WORDS_SHOWN].split())
    return line if len(line) <= _WORDS_SHOWN else f"{line[:_WORDS_SHOWN].rstrip()}…"


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
