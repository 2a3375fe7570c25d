"""Whole pages: the studio with today's jobs, and one job."""

import secrets
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from jobs import callers, catalog, credit_policy, days, late_results, requests
from jobs.models import Attempt, Job, JobTransition
from jobs.requests import InvalidFields
from jobs.web import bulk, fragments, lanes, pictures, quoting, sendings, story, tally
from jobs.web.forms import FIELDS, Composer, takes_of
from notifications import centre, feed

_EXAMPLES = (
    {
        "title": "Landscape, slow aerial",
        "prompt": "Low sun over copper dunes, wind lifting sand from the ridges, slow aerial drift to the right",
        "picture": "img/example-dunes.webp",
    },
    {
        "title": "Underwater, long take",
        "prompt": "A whale crosses shafts of light in green water, seen from below, nothing else moves",
        "picture": "img/example-whale.webp",
    },
    {
        "title": "City, shallow focus",
        "prompt": "Rain on a tram window at night, street lights out of focus, one drop runs down the glass",
        "picture": "img/example-rain.webp",
    },
)


def studio(
    request: HttpRequest, form: Composer | None = None, *, status: int = 200, refusal: str = ""
) -> HttpResponse:
    """Render the composer and today; `form` and `refusal` are those of a submit that was not taken."""
    # Read before the jobs: what happens in between comes again over the socket.
    request.feed_head = feed.head(callers.of(request).owner_id)  # type: ignore[attr-defined]  # for videogen.pages
    zone = callers.of(request).zone
    found = fragments.today(request)
    form = form or Composer(initial=_defaults() | _taken_over(request))
    context = {
        "form": form,
        "quote": _quote(request, form),
        "refusal": refusal,
        "catalog": _catalog(),
        "image_of": pictures.named(form),
        "takes_image": any(offer.takes_image for offer in catalog.offers().values()),
        "zone_name": zone.key,
        "today": days.day("today", zone=zone),
        "tally": tally.today(request),
        "found": found,
        "most_finished": fragments.FINISHED_SHOWN,
        "examples": _EXAMPLES,
        "bulk": bulk.offered(request),
    }
    return render(request, "jobs/studio.html", context, status=status)


def job(
    request: HttpRequest, job_id: UUID, *, status: int = 200, refusal: str = ""
) -> HttpResponse:
    """Render one job; `refusal` is why an action on it was not taken. Raises Http404."""
    request.feed_head = feed.head(callers.of(request).owner_id)  # type: ignore[attr-defined]  # for videogen.pages
    row = fragments.row_of(request, job_id)
    zone = callers.of(request).zone
    card = fragments.card_of(request, row)
    moves = list(JobTransition.objects.filter(job_id=job_id).order_by("version"))
    attempts = list(Attempt.objects.filter(job_id=job_id).order_by("number"))
    told = centre.told(callers.of(request).owner_id, subject_id=job_id)
    told_with = story.TOLD_BY_ITSELF
    if row["batch_id"] and not told and card.is_ended:
        told = centre.told(callers.of(request).owner_id, subject_id=row["batch_id"])
        told_with = story.TOLD_WITH_ITS_BATCH
    if card.is_ended:
        centre.read_about(callers.of(request).owner_id, subject_id=job_id)
    context = {
        "card": card,
        "is_repeated": "repeated" in request.GET,
        "story": story.tell(
            moves,
            row=row,
            zone=zone,
            pools={attempt.number: attempt.pool for attempt in attempts},
            told_at=[one.created_at for one in told],
            told_with=told_with,
            late_at=late_results.arrived_at(job_id) if card.look == "late" else None,
        ),
        "sent_of_batch": told_with == story.TOLD_WITH_ITS_BATCH,
        "sent": sendings.about(callers.of(request).owner_id, told, zone=zone),
        "drawing": lanes.draw(moves, attempts, now=timezone.now()),
        "facts": story.facts(row),
        "money": story.money(row, fee=card.cancel.fee if card.cancel else None, zone=zone),
        "expires_at": row["video_expires_at"] and row["video_expires_at"].astimezone(zone),
        "submitted": row["created_at"].astimezone(zone),
        "zone_name": zone.key,
        "refusal": refusal,
    }
    return render(request, "jobs/job.html", context, status=status)


def _catalog() -> dict[str, Any]:
    return {
        "models": [
            {
                "id": offer.model,
                "label": offer.model.capitalize(),
                "seconds": offer.seconds,
                "takes_image": offer.takes_image,
                "sizes": {length: offer.sizes_at(length) for length in offer.seconds},
                # Credits for a second of video, by frame size.
                "rates": {size: _rate(size, offer) for size in offer.sizes},
            }
            for offer in catalog.offers().values()
        ]
    }


def _quote(request: HttpRequest, form: Composer) -> dict[str, str]:
    fields = {name: form[name].value() for name in FIELDS}
    try:
        takes = takes_of({"takes": form["takes"].value()})
        return quoting.of_form(fields, takes=takes, caller=callers.of(request))
    except InvalidFields:
        # Its faults are told beside the fields.
        return {}


def _rate(size: str, offer: catalog.Offer) -> int:
    width, height = requests.sides(size)
    return credit_policy.rate(
        width=width, height=height, credits_per_second=offer.credits_per_second
    )


def _taken_over(request: HttpRequest) -> dict[str, str]:
    """Give the prompt and settings of the job that the address names; a variation gets a seed of its own."""
    try:
        job_id = UUID(request.GET.get("from", ""))
    except ValueError:
        return {}
    mine = Job.objects.owned_by(callers.of(request).owner_id).filter(id=job_id)
    found = mine.values("prompt", "model", "seconds", "size", "seed", "image_digest").first()
    if found is None:
        return {}
    row: dict[str, object] = {**found, "image_of": job_id if found["image_digest"] else None}
    del row["image_digest"]
    if "variation" in request.GET:
        row["seed"] = None
    return {name: str(value) for name, value in row.items() if value is not None}


def _defaults() -> dict[str, str]:
    offer = next(iter(catalog.offers().values()), None)
    defaults = {"token": secrets.token_urlsafe(16)}
    if offer is None:
        return defaults
    seconds = requests.default_seconds(offer)
    return defaults | {
        "model": offer.model,
        "seconds": str(seconds),
        "size": offer.sizes_at(seconds)[0],
    }
