"""Parts of pages that are also answered alone, and what every view needs."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from django.template.loader import render_to_string

from jobs import callers, days, late_results, notices, outlooks
from jobs.models import Account, Job
from jobs.states import JobState
from jobs.web import cards
from notifications import feed

# Today's finished jobs that the studio shows.
FINISHED_SHOWN = 60
# Waiting jobs whose places are asked for in one go.
_WAITING_SHOWN = 200


def today(request: HttpRequest) -> list[cards.Card]:
    """Give the cards of today's jobs, and of older ones that still live."""
    zone = callers.of(request).zone
    start, end = days.bounds(days.day("today", zone=zone), zone=zone)
    mine = Job.objects.owned_by(callers.of(request).owner_id)
    rows = list(mine.created_between(start, end).newest_first().values(*cards.FIELDS)[:500])
    seen = {row["id"] for row in rows}
    # What was submitted before midnight and still lives belongs to today too.
    older = mine.live().newest_first().values(*cards.FIELDS)[:100]
    rows += [row for row in older if row["id"] not in seen]
    late = late_results.of_each(rows)
    whys = outlooks.explain(rows, owner_id=callers.of(request).owner_id, zone=zone)
    return [
        cards.of(row, zone=zone, late=late.get(row["id"]), why=whys.get(row["id"])) for row in rows
    ]


def today_answer(request: HttpRequest) -> dict[str, Any]:
    """Give the whole of today, for a page that could not follow."""
    head = feed.head(callers.of(request).owner_id)
    found = today(request)
    finished = [card for card in found if card.is_ended][:FINISHED_SHOWN]
    return {
        "under_way": "".join(_card(request, card) for card in cards.in_order(found)),
        "finished": "".join(_card(request, card) for card in finished),
        "tally": _tally(request, found),
        "credits": _credits(request),
        "feed_head": head,
    }


def card_answer(request: HttpRequest, job_id: UUID) -> dict[str, Any]:
    """Give one job's card, today's tally and the credits. Raises Http404."""
    card = card_of(request, row_of(request, job_id))
    return {
        "group": card.group,
        "version": card.version,
        "card": _card(request, card),
        "tally": _tally(request, today(request)),
        "credits": _credits(request),
    }


def waiting_answer(request: HttpRequest) -> dict[str, Any]:
    """Give what may change without an event: of each waiting job its place, its range and its reason."""
    caller = callers.of(request)
    queued = Job.objects.owned_by(caller.owner_id).live().filter(state=JobState.QUEUED)
    rows = list(queued.newest_first().values(*cards.FIELDS)[:_WAITING_SHOWN])
    whys = outlooks.explain(rows, owner_id=caller.owner_id, zone=caller.zone)
    found = [cards.of(row, zone=caller.zone, why=whys.get(row["id"])) for row in rows]
    return {
        "waiting": {
            str(card.id): {
                "look": card.look,
                "place": card.place,
                "detail": card.detail,
                "wait": render_to_string("components/wait.html", {"card": card}, request),
            }
            for card in found
        },
        "notice": render_to_string("components/notice.html", {"notice": notice(request)}, request),
    }


def notice(request: HttpRequest) -> notices.Notice | None:
    """Give what the caller's tier is told of a shortage of GPUs; None in usual times."""
    caller = callers.of(request)
    tier = (
        Account.objects.filter(owner_id=caller.owner_id).values_list("tier_id", flat=True).first()
    )
    return notices.of_capacity(tier, zone=caller.zone) if tier else None


def card_of(request: HttpRequest, row: Mapping[str, Any]) -> cards.Card:
    """Make the card of one job, with its late video if one came."""
    caller = callers.of(request)
    why = outlooks.explain([row], owner_id=caller.owner_id, zone=caller.zone).get(row["id"])
    return cards.of(row, zone=caller.zone, late=late_results.of(row), why=why)


def row_of(request: HttpRequest, job_id: UUID) -> dict[str, Any]:
    """Read one job of the caller. Raises Http404 for anybody else's."""
    mine = Job.objects.owned_by(callers.of(request).owner_id)
    row: dict[str, Any] | None = mine.filter(id=job_id).values(*cards.FIELDS).first()
    if row is None:
        raise Http404
    return row


def wants_json(request: HttpRequest) -> bool:
    """Tell a page that stays open from a browser that loads one."""
    return "application/json" in request.headers.get("Accept", "")


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
