"""The history page: its filter in the address, its month, and its days with their jobs."""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from jobs import callers, days, history, late_results
from jobs.models import Job
from jobs.requests import PROMPT_LIMIT, InvalidFields
from jobs.web import bulk, cards

_WORDS: Final = {
    "live": "Under way",
    "ready": "Ready",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "expired": "Expired",
}
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MARK: Final = 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The jobs of one day on a page. `label` is empty where an earlier page began the day."""

    date: date
    label: str
    sums: str
    rows: list[cards.Card]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One day of the month; `mark` is how wide its line is, of 16."""

    date: date
    count: int
    mark: float
    url: str
    is_chosen: bool

    @property
    def inset(self) -> float:
        """Give where the line begins, so that it is in the middle."""
        return (16 - self.mark) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the address asks for."""

    day: date | None
    month: date
    states: tuple[str, ...]
    model: str
    text: str

    @property
    def is_filtered(self) -> bool:
        """Say whether there is anything to clear."""
        return bool(self.day or self.states or self.model or self.text)

    def query(self, **changed: object) -> str:
        """Give the address of this filter with something changed."""
        values: dict[str, object] = {
            "day": self.day.isoformat() if self.day else "",
            "month": f"{self.month:%Y-%m}",
            "state": list(self.states),
            "model": self.model,
            "q": self.text,
        } | changed
        if values["day"]:
            values["month"] = ""
        kept = {name: value for name, value in values.items() if value}
        return f"{reverse('history')}?{urlencode(kept, doseq=True)}"


def page(request: HttpRequest) -> HttpResponse:
    """Render the page, or only its next rows where htmx asks for them. Raises Http404 for a place that is none."""
    caller = callers.of(request)
    today = days.day("today", zone=caller.zone)
    try:
        wanted = _wanted(request, today=today)
        start, end = _bounds(wanted, request)
    except InvalidFields as invalid:
        raise Http404 from invalid
    wanted_jobs = history.Filter(
        start=start, end=end, states=wanted.states, model=wanted.model, text=wanted.text
    )
    before = _before(request, caller.owner_id)
    by_id = _job_id(wanted.text)
    if by_id:
        mine = Job.objects.owned_by(caller.owner_id).filter(id=by_id)
        found = history.Found(
            ids=list(mine.values_list("id", flat=True)), older_than=None, is_cut=False
        )
    else:
        found = history.page(caller.owner_id, wanted_jobs, before=before)
    context = {
        "days": _days(request, found.ids, before=before, today=today),
        "older": wanted.query(before=found.older_than) if found.older_than else "",
        "is_cut": found.is_cut,
        "looked_at": f"{history.LOOKED_AT:,}",
        "wanted": wanted,
    }
    if request.headers.get("HX-Request") and before:
        return render(request, "jobs/_history_rows.html", context)
    return render(request, "jobs/history.html", context | _frame(request, wanted, today=today))


def row(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Render one line of the list, for a page that is open. Raises Http404."""
    found = _days(
        request, [job_id], before=None, today=days.day("today", zone=callers.of(request).zone)
    )
    if not found:
        raise Http404
    return render(request, "jobs/_history_row.html", {"card": found[0].rows[0]})


def _wanted(request: HttpRequest, *, today: date) -> Wanted:
    asked = request.GET
    day = days.day(asked["day"], zone=callers.of(request).zone) if asked.get("day") else None
    month = (
        days.day(f"{asked['month'][:7]}-01", zone=callers.of(request).zone)
        if asked.get("month")
        else None
    )
    return Wanted(
        day=day,
        month=(month or day or today).replace(day=1),
        states=tuple(name for name in dict.fromkeys(asked.getlist("state")) if name in _WORDS),
        model=asked.get("model", "")[:64].replace("\x00", ""),
        text=asked.get("q", "").strip()[:PROMPT_LIMIT].replace("\x00", ""),
    )


def _bounds(wanted: Wanted, request: HttpRequest) -> tuple[datetime, datetime]:
    zone = callers.of(request).zone
    if wanted.day:
        return days.bounds(wanted.day, zone=zone)
    if request.GET.get("month"):
        return days.bounds(wanted.month, zone=zone)[0], days.bounds(_next(wanted.month), zone=zone)[
            0
        ]
    return _EARLIEST, days.bounds(days.day("today", zone=zone), zone=zone)[1]


def _before(request: HttpRequest, owner_id: UUID) -> Job | None:
    if not request.GET.get("before"):
        return None
    try:
        job_id = UUID(request.GET["before"])
    except ValueError:
        raise Http404 from None
    job = Job.objects.owned_by(owner_id).filter(id=job_id).only("id", "created_at").first()
    if job is None:
        raise Http404
    return job


def _job_id(text: str) -> UUID | None:
    try:
        return UUID(text.removeprefix("video_"))
    except ValueError:
        return None


def _days(request: HttpRequest, found: list[UUID], *, before: Job | None, today: date) -> list[Day]:
    caller = callers.of(request)
    read = Job.objects.owned_by(caller.owner_id).filter(id__in=found).newest_first()
    rows = list(read.values(*cards.FIELDS))
    late = late_results.of_each(rows)
    shown_before = before.created_at.astimezone(caller.zone).date() if before else None
    by_day = [
        (day, list(its_rows))
        for day, its_rows in groupby(
            rows, key=lambda job: job["created_at"].astimezone(caller.zone).date()
        )
    ]
    sums = history.sums(caller.owner_id, [day for day, _ in by_day], zone=caller.zone)
    return [
        Day(
            date=day,
            label="" if day == shown_before else _label(day, today),
            sums=_said(sums[day]),
            rows=[cards.of(job, zone=caller.zone, late=late.get(job["id"])) for job in its_rows],
        )
        for day, its_rows in by_day
    ]


def _frame(request: HttpRequest, wanted: Wanted, *, today: date) -> dict[str, Any]:
    caller = callers.of(request)
    after = _next(wanted.month)
    first = days.bounds(wanted.day or wanted.month, zone=caller.zone)[0]
    last = (
        days.bounds(wanted.day, zone=caller.zone)[1]
        if wanted.day
        else days.bounds(after, zone=caller.zone)[0]
    )
    states = history.by_state(caller.owner_id, start=first, end=last)
    mine = Job.objects.owned_by(caller.owner_id)
    return {
        "weeks": _weeks(request, wanted, today=today),
        "weekdays": [
            ("Mo", "Monday"),
            ("Tu", "Tuesday"),
            ("We", "Wednesday"),
            ("Th", "Thursday"),
            ("Fr", "Friday"),
            ("Sa", "Saturday"),
            ("Su", "Sunday"),
        ],
        "earlier": wanted.query(month=f"{wanted.month - timedelta(days=1):%Y-%m}", day=""),
        "earlier_name": f"{wanted.month - timedelta(days=1):%B}",
        "later": wanted.query(month=f"{after:%Y-%m}", day="") if after <= today else "",
        "later_name": f"{after:%B}",
        "states": [
            (name, word, states[name], name in wanted.states) for name, word in _WORDS.items()
        ],
        "models": sorted({wanted.model, *_models(mine)} - {""}),
        "is_month": bool(request.GET.get("month")),
        "total": sum(states.values()),
        "ready": states["ready"],
        "is_capped": sum(states.values()) >= history.MOST_SUMMED,
        "span": f"on {wanted.day.day} {wanted.day:%B}" if wanted.day else f"in {wanted.month:%B}",
        "zone_name": caller.zone.key,
        "has_any": mine.exists(),
        "bulk": bulk.offered(request),
    }


def _models(mine: Any) -> set[str]:
    newest = mine.newest_first().values_list("model", flat=True)[: history.PAGE * 4]
    return set(newest)


def _weeks(request: HttpRequest, wanted: Wanted, *, today: date) -> list[list[Cell | None]]:
    caller = callers.of(request)
    month = wanted.month
    past = [
        day
        for day in calendar.Calendar().itermonthdates(month.year, month.month)
        if day.month == month.month and day <= today
    ]
    counts = history.counts(caller.owner_id, past, zone=caller.zone)
    most = max(counts.values(), default=0) or 1
    return [
        [
            None
            if day.month != month.month
            else Cell(
                date=day,
                count=counts.get(day, 0),
                mark=max(2.5, round(_MARK * counts.get(day, 0) / most, 1)),
                url=wanted.query(day=day.isoformat()),
                is_chosen=day == wanted.day,
            )
            for day in week
        ]
        for week in calendar.Calendar().monthdatescalendar(month.year, month.month)
    ]


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _label(day: date, today: date) -> str:
    said = f"{day.day} {day:%B}" if day.year == today.year else f"{day.day} {day:%B %Y}"
    if day == today:
        return f"Today, {said}"
    return f"{day:%A}, {said}"


def _said(sums: history.Sum) -> str:
    parts = [f"{sums.ready:,} ready"]
    if sums.ready != sums.count:
        plus = "+" if sums.count >= history.MOST_SUMMED else ""
        parts.insert(0, f"{sums.count:,}{plus} {'video' if sums.count == 1 else 'videos'}")
    if sums.failed:
        parts.append(f"{sums.failed:,} failed")
    parts.append(f"{sums.credits:,} credits")
    return " · ".join(parts)
