"""Whole pages: the studio with today's jobs, and one job."""

import secrets
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from jobs import callers, catalog, credit_policy, days, late_results, requests
from jobs.models import JobTransition
from jobs.web import cards, fragments, story
from jobs.web.forms import Composer
from notifications import feed

_EXAMPLES = (
    "A lighthouse at blue hour, the beam sweeping out over a flat sea, locked-off wide shot",
    "Low sun over copper dunes, wind lifting sand from the ridges",
    "Aurora over a frozen lake, slow pan from left to right",
)


def studio(
    request: HttpRequest, form: Composer | None = None, *, status: int = 200, refusal: str = ""
) -> HttpResponse:
    """Render the composer and today; `form` and `refusal` are those of a submit that was not taken."""
    # Read before the jobs: what happens in between comes again over the socket.
    request.feed_head = feed.head(callers.of(request).owner_id)  # type: ignore[attr-defined]  # for videogen.pages
    zone = callers.of(request).zone
    found = fragments.today(request)
    context = {
        "form": form or Composer(initial=_defaults()),
        "refusal": refusal,
        "catalog": _catalog(),
        "zone_name": zone.key,
        "today": days.day("today", zone=zone),
        "tally": cards.tally(found),
        "under_way": cards.in_order(found),
        "finished": [card for card in found if card.is_ended][: fragments.FINISHED_SHOWN],
        "examples": _EXAMPLES,
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
    transitions_made = JobTransition.objects.filter(job_id=job_id).order_by("version")
    late_at = late_results.arrived_at(job_id) if card.look == "late" else None
    context = {
        "card": card,
        "is_repeated": "repeated" in request.GET,
        "story": story.tell(transitions_made, row=row, zone=zone, late_at=late_at),
        "facts": story.facts(row),
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
                "sizes": {length: offer.sizes_at(length) for length in offer.seconds},
                # Credits for a second of video, by frame size.
                "rates": {size: _rate(size, offer) for size in offer.sizes},
            }
            for offer in catalog.offers().values()
        ]
    }


def _rate(size: str, offer: catalog.Offer) -> int:
    width, height = requests.sides(size)
    return credit_policy.rate(
        width=width, height=height, credits_per_second=offer.credits_per_second
    )


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
