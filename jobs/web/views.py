"""The dashboard: the studio with today's jobs, one job, and the small answers that keep them live."""

import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)
from whitenoise.responders import StaticFile

from jobs import callers, catalog, days, requests, submission, transitions
from jobs.errors import KeyReused, QuotaExceeded, TransitionRefused
from jobs.ids import JobId
from jobs.models import Account, Job, JobTransition
from jobs.requests import InvalidFields
from jobs.shield import submit_wait
from jobs.web import cards, story
from jobs.web.forms import Composer
from notifications import feed

# Today's finished jobs that the studio shows.
_FINISHED_SHOWN = 60
_EXAMPLES = (
    "A lighthouse at blue hour, the beam sweeping out over a flat sea, locked-off wide shot",
    "Low sun over copper dunes, wind lifting sand from the ridges",
    "Aurora over a frozen lake, slow pan from left to right",
)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def studio(request: HttpRequest) -> HttpResponse:
    """Show the composer and today; take a submission."""
    if request.method == "POST":
        return _submit(request)
    if _wants_json(request):
        return JsonResponse(_today_fragments(request))
    return _studio_page(request, Composer(initial=_defaults()))


@login_required
@require_GET
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show one job: its video, its money, its settings, its story."""
    request.feed_head = feed.head(callers.of(request).owner_id)  # type: ignore[attr-defined]
    row = _row(request, job_id)
    zone = callers.of(request).zone
    transitions_made = JobTransition.objects.filter(job_id=job_id).order_by("version")
    return render(
        request,
        "jobs/job.html",
        {
            "card": cards.of(row, zone=zone),
            "story": story.tell(transitions_made, row=row, zone=zone),
            "facts": story.facts(row),
            "zone_name": zone.key,
        },
    )


@login_required
@require_GET
def job_card(request: HttpRequest, job_id: UUID) -> JsonResponse:
    """Give one job's card and today's tally, for a page that is open."""
    return JsonResponse(_card_answer(request, job_id))


@login_required
@require_POST
def job_cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Cancel a waiting job, or ask a running one to stop. Too late is an honest outcome."""
    _row(request, job_id)
    detail = ""
    try:
        transitions.cancel(JobId(job_id), owner_id=callers.of(request).owner_id)
    except TransitionRefused:
        detail = "Too late: it had already ended."
    if _wants_json(request):
        return JsonResponse(_card_answer(request, job_id) | {"detail": detail})
    return redirect("studio")


@require_safe
def preview_file(request: HttpRequest, name: str) -> HttpResponseBase:
    """Serve a preview clip or thumbnail to whoever knows its unguessable name, ranges included."""
    path = settings.PREVIEW_ROOT / name
    if not path.is_file():
        raise Http404
    kind = "video/mp4" if path.suffix == ".mp4" else "image/webp"
    file = StaticFile(
        str(path), [("Content-Type", kind), ("Cache-Control", "private, max-age=86400")]
    )
    found = file.get_response(request.method, request.META)
    # The file is closed by Django when the answer was sent.
    response: HttpResponseBase = (
        HttpResponse(status=int(found.status))
        if found.file is None
        else FileResponse(found.file, status=int(found.status), content_type=kind)
    )
    for key, value in found.headers:
        response[key] = value
    return response


def _submit(request: HttpRequest) -> HttpResponse:
    form = Composer(request.POST)
    if wait := submit_wait(request):
        detail = f"Too many at once. Try again in {wait} s. Your prompt is kept."
        return _refused(request, form, detail, status=429, wait=wait)
    fields = ("prompt", "model", "seconds", "size", "seed")
    token = request.POST.get("token", "")[: requests.KEY_LIMIT - 5]
    try:
        accepted = submission.submit(
            requests.read({name: request.POST.get(name) for name in fields}),
            owner_id=callers.of(request).owner_id,
            key=f"form-{token}" if token else None,
        )
    except InvalidFields as invalid:
        return _invalid(request, form, invalid.faults)
    except KeyReused:
        detail = "This form was sent before with another prompt. Press Generate once more."
        return _refused(request, form, detail, status=409)
    except QuotaExceeded as refusal:
        detail = f"{refusal} Your prompt is kept."
        return _refused(request, form, detail, status=429, wait=refusal.retry_after_seconds)
    if not _wants_json(request):
        return HttpResponseRedirect(reverse("studio"), status=303)
    answer = _card_answer(request, accepted.job_id) | {
        "job_id": str(accepted.job_id),
        "repeated": accepted.is_replay,
        "token": secrets.token_urlsafe(16),
    }
    return JsonResponse(answer, status=202)


def _invalid(request: HttpRequest, form: Composer, faults: Mapping[str, str]) -> HttpResponse:
    if _wants_json(request):
        return JsonResponse({"errors": {name: [text] for name, text in faults.items()}}, status=400)
    form.full_clean()
    for name, text in faults.items():
        if name in form.fields:
            form.errors[name] = form.error_class([text])
    return _studio_page(request, form, status=400)


def _refused(
    request: HttpRequest, form: Composer, detail: str, *, status: int, wait: int | None = None
) -> HttpResponse:
    if _wants_json(request):
        answer: HttpResponse = JsonResponse(
            {"detail": detail, "token": secrets.token_urlsafe(16)}, status=status
        )
    else:
        answer = _studio_page(request, form, status=status, refusal=detail)
    if wait is not None:
        answer["Retry-After"] = str(wait)
    return answer


def _studio_page(
    request: HttpRequest, form: Composer, *, status: int = 200, refusal: str = ""
) -> HttpResponse:
    # Read before the jobs: what happens in between comes again over the socket.
    request.feed_head = feed.head(callers.of(request).owner_id)  # type: ignore[attr-defined]
    zone = callers.of(request).zone
    found = _today(request)
    context = {
        "form": form,
        "refusal": refusal,
        "catalog": _catalog(),
        "zone_name": zone.key,
        "today": days.day("today", zone=zone),
        "tally": cards.tally(found),
        "under_way": cards.in_order(found),
        "finished": [card for card in found if card.is_ended][:_FINISHED_SHOWN],
        "examples": _EXAMPLES,
    }
    return render(request, "jobs/studio.html", context, status=status)


def _today(request: HttpRequest) -> list[cards.Card]:
    zone = callers.of(request).zone
    start, end = days.bounds(days.day("today", zone=zone), zone=zone)
    mine = Job.objects.owned_by(callers.of(request).owner_id)
    rows = list(mine.created_between(start, end).newest_first().values(*cards.FIELDS)[:500])
    seen = {row["id"] for row in rows}
    # What was submitted before midnight and still lives belongs to today too.
    older = mine.live().newest_first().values(*cards.FIELDS)[:100]
    rows += [row for row in older if row["id"] not in seen]
    return [cards.of(row, zone=zone) for row in rows]


def _today_fragments(request: HttpRequest) -> dict[str, Any]:
    head = feed.head(callers.of(request).owner_id)
    found = _today(request)
    finished = [card for card in found if card.is_ended][:_FINISHED_SHOWN]
    return {
        "under_way": "".join(_card(request, card) for card in cards.in_order(found)),
        "finished": "".join(_card(request, card) for card in finished),
        "tally": _tally(request, found),
        "credits": _credits(request),
        "feed_head": head,
    }


def _card_answer(request: HttpRequest, job_id: UUID) -> dict[str, Any]:
    card = cards.of(_row(request, job_id), zone=callers.of(request).zone)
    return {
        "group": card.group,
        "version": card.version,
        "card": _card(request, card),
        "tally": _tally(request, _today(request)),
        "credits": _credits(request),
    }


def _card(request: HttpRequest, card: cards.Card) -> str:
    return render_to_string("jobs/_card.html", {"card": card}, request)


def _tally(request: HttpRequest, found: list[cards.Card]) -> str:
    return render_to_string("jobs/_tally.html", {"tally": cards.tally(found)}, request)


def _credits(request: HttpRequest) -> int | None:
    return (
        Account.objects.filter(owner_id=callers.of(request).owner_id)
        .values_list("balance", flat=True)
        .first()
    )


def _row(request: HttpRequest, job_id: UUID) -> dict[str, Any]:
    mine = Job.objects.owned_by(callers.of(request).owner_id)
    row: dict[str, Any] | None = mine.filter(id=job_id).values(*cards.FIELDS).first()
    if row is None:
        raise Http404
    return row


def _catalog() -> dict[str, Any]:
    return {
        "models": [
            {
                "id": offer.model,
                "label": offer.model.capitalize(),
                "seconds": offer.seconds,
                "sizes": offer.sizes,
                "credits_per_second": offer.credits_per_second,
            }
            for offer in catalog.offers().values()
        ]
    }


def _defaults() -> dict[str, str]:
    offer = next(iter(catalog.offers().values()), None)
    defaults = {"token": secrets.token_urlsafe(16)}
    if offer is None:
        return defaults
    seconds = requests.DEFAULT_SECONDS if requests.DEFAULT_SECONDS in offer.seconds else 0
    return defaults | {
        "model": offer.model,
        "seconds": str(seconds or offer.seconds[0]),
        "size": offer.sizes[0],
    }


def _wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")
