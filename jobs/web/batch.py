"""The page of a batch: its jobs as one group, with one sentence, one track and actions on all of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from jobs import callers
from jobs.models import Batch, Job
from jobs.web import bulk, cards, fragments, gathering, money
from notifications import centre, feed

_SUBMITTED: Final = "select count(*) from job where batch_id = %s and owner_id = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a batch has come to."""

    headline: str
    refused: int
    deleted: int
    spans: tuple[gathering.Span, ...]
    held: str
    charged: str


def page(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    """Render the batch. Raises Http404 for anybody else's."""
    owner_id = callers.of(request).owner_id
    request.feed_head = feed.head(owner_id)  # type: ignore[attr-defined]  # for videogen.pages
    context = _context(request, batch_id)
    # Who sees the end of it here needs not be told.
    centre.read_about(owner_id, subject_id=batch_id)
    return render(request, "jobs/batch.html", context)


def answer(request: HttpRequest, batch_id: UUID) -> dict[str, Any]:
    """Give the whole of it for a page that stays open, as the studio gives today. Raises Http404."""
    head = feed.head(callers.of(request).owner_id)
    context = _context(request, batch_id)
    part = fragments.part
    return {
        "under_way": "".join(fragments.card(request, one) for one in context["under_way"]),
        "finished": "".join(fragments.card(request, one) for one in context["finished"]),
        "bulk": part("jobs/_bulk.html", request, bulk=context["bulk"]),
        "summary": part("jobs/_summary.html", request, **context),
        "feed_head": head,
        **fragments.numbers(request),
    }


def act(request: HttpRequest, batch_id: UUID, verb: str) -> HttpResponse:
    """Do something to many jobs of the batch, after asking. Raises Http404 for anybody else's."""
    owner_id = callers.of(request).owner_id
    _mine(owner_id, batch_id)
    return bulk.act(request, verb, batch_id=batch_id, among=gathering.current(owner_id, batch_id))


def _mine(owner_id: UUID, batch_id: UUID) -> Batch:
    batch = Batch.objects.filter(id=batch_id, owner_id=owner_id).first()
    if batch is None:
        raise Http404
    return batch


def _context(request: HttpRequest, batch_id: UUID) -> dict[str, Any]:
    caller = callers.of(request)
    batch = _mine(caller.owner_id, batch_id)
    ids = gathering.current(caller.owner_id, batch_id)
    rows = list(Job.objects.owned_by(caller.owner_id).filter(id__in=ids).values(*cards.FIELDS))
    rows.sort(key=lambda row: (row["created_at"], row["id"]))
    shown = fragments.cards_of(request, rows)
    return {
        "batch": batch,
        "submitted": batch.created_at.astimezone(caller.zone),
        "zone_name": caller.zone.key,
        "under_way": cards.in_order(shown),
        "finished": [one for one in shown if one.is_ended],
        "summary": _summary(batch, rows, shown),
        "bulk": bulk.offered(request, batch_id=batch_id, among=ids),
    }


def _summary(batch: Batch, rows: Sequence[dict[str, Any]], shown: Sequence[cards.Card]) -> Summary:
    looks = Counter(card.look for card in shown)
    with connection.cursor() as cursor:
        cursor.execute(_SUBMITTED, [batch.id, batch.owner_id])
        (submitted,) = cursor.fetchone() or (0,)
    others = cards.words({look: count for look, count in looks.items() if look != "ready"})
    held = sum(row["credits_reserved"] for row in rows if row["finished_at"] is None)
    charged = sum(row["credits_charged"] for row in rows)
    return Summary(
        headline=", ".join([f"{looks['ready']} of {batch.size} ready", *others]),
        refused=batch.size - submitted,
        deleted=submitted - len(shown),
        spans=gathering.spans(shown, batch.size),
        held=money.credits_of(held) if held else "",
        charged=money.credits_of(charged),
    )
