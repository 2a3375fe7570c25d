"""Parts of pages that are also answered alone, and what every view needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from django.middleware.csrf import get_token
from django.template.loader import get_template

from jobs import callers, days, late_results, notices, outlooks
from jobs.models import Account, Job, Lease
from jobs.states import JobState
from jobs.web import bulk, cards, gathering, tally, usual
from notifications import centre, feed

Shown = cards.Card | gathering.BatchCard

# Today's jobs that the studio reads, and those of them that are finished that it shows.
READ = 80
FINISHED_SHOWN = 24
LIVE_SHOWN = 200
# Waiting jobs whose places are asked for in one go.
_WAITING_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """What the studio shows: what is under way in its order, what has ended, and how much more is under way."""

    under_way: Sequence[Shown]
    finished: Sequence[Shown]
    left_out: int


def today(request: HttpRequest) -> Today:
    """Read today's jobs, and older ones that still live; a batch is one card.

    Where more lives than fits, what holds a slot is there, and the newest of what waits.
    """
    zone, owner_id = callers.of(request).zone, callers.of(request).owner_id
    start, end = days.bounds(days.day("today", zone=zone), zone=zone)
    mine = Job.objects.owned_by(owner_id)
    rows = list(mine.created_between(start, end).newest_first().values(*cards.FIELDS)[:READ])
    seen = {row["id"] for row in rows}
    # What still lives and was not read yet, from before midnight too. The account says how many there are,
    # so that the reading ends with the last of them.
    live = _live_count(owner_id)
    if live > sum(row["finished_at"] is None for row in rows):
        older = list(mine.live().newest_first().values(*cards.FIELDS)[: min(live, LIVE_SHOWN)])
        if live > len(older):
            holding = Lease.objects.filter(owner_id=owner_id).values("job_id")[:LIVE_SHOWN]
            older += mine.filter(id__in=holding).newest_first().values(*cards.FIELDS)
        rows += {row["id"]: row for row in older if row["id"] not in seen}.values()
    left_out = live - sum(row["finished_at"] is None for row in rows)
    lines = gathering.lines(owner_id, rows)
    rows += _others(request, rows, lines.values())
    found = gathering.gather(cards_of(request, rows), lines.values())
    return Today(
        under_way=cards.in_order(found),
        finished=[card for card in found if card.is_ended][:FINISHED_SHOWN],
        left_out=max(0, left_out),
    )


def cards_of(request: HttpRequest, rows: Sequence[Mapping[str, Any]]) -> list[cards.Card]:
    """Make the cards of some jobs of the caller, in their order."""
    caller = callers.of(request)
    late, usually = late_results.of_each(rows), usual.of_each(rows)
    whys = outlooks.explain(rows, owner_id=caller.owner_id, zone=caller.zone)
    return [
        cards.of(
            row,
            zone=caller.zone,
            late=late.get(row["id"]),
            why=whys.get(row["id"]),
            usually=usually,
        )
        for row in rows
    ]


def today_answer(request: HttpRequest) -> dict[str, Any]:
    """Give the whole of today, for a page that could not follow."""
    head = feed.head(callers.of(request).owner_id)
    found = today(request)
    return {
        "under_way": "".join(card(request, one) for one in found.under_way),
        "finished": "".join(card(request, one) for one in found.finished),
        "left_out": part("jobs/_left_out.html", request, left_out=found.left_out),
        "tally": _tally(request),
        "bulk": part("jobs/_bulk.html", request, bulk=bulk.offered(request)),
        "credits": _credits(request),
        "unread": centre.unread(callers.of(request).owner_id),
        "feed_head": head,
    }


def card_answer(request: HttpRequest, job_id: UUID) -> dict[str, Any]:
    """Give the card of one job or of its batch, today's tally and the credits. Raises Http404."""
    shown = _shown(request, row_of(request, job_id))
    return {
        "group": shown.group,
        "look": shown.look,
        "version": shown.version,
        "card": card(request, shown),
        "tally": _tally(request),
        "bulk": part("jobs/_bulk.html", request, bulk=bulk.offered(request)),
        "credits": _credits(request),
        "unread": centre.unread(callers.of(request).owner_id),
    }


def numbers(request: HttpRequest) -> dict[str, Any]:
    """Give what the frame of every page shows: credits and unread notices."""
    return {
        "credits": _credits(request),
        "unread": centre.unread(callers.of(request).owner_id),
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
                "wait": part("components/wait.html", request, card=card),
            }
            for card in found
        },
        "notice": part("components/notice.html", request, notice=notice(request)),
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
    return cards.of(
        row,
        zone=caller.zone,
        late=late_results.of(row),
        why=why,
        usually=usual.of_each([row]),
    )


def row_of(request: HttpRequest, job_id: UUID) -> dict[str, Any]:
    """Read one job of the caller. Raises Http404 for anybody else's."""
    mine = Job.objects.owned_by(callers.of(request).owner_id)
    row: dict[str, Any] | None = mine.filter(id=job_id).values(*cards.FIELDS).first()
    if row is None:
        raise Http404
    return row


def card(request: HttpRequest, shown: Shown) -> str:
    """Render one card."""
    return part(shown.template, request, card=shown)


def _shown(request: HttpRequest, row: Mapping[str, Any]) -> Shown:
    lines = gathering.lines(callers.of(request).owner_id, [row])
    for line in lines.values():
        by_id = {one.id: one for one in cards_of(request, _others(request, [], [line]))}
        return gathering.of(line, [by_id[job_id] for job_id in line.jobs])
    return card_of(request, row)


def _others(
    request: HttpRequest, rows: Iterable[Mapping[str, Any]], lines: Iterable[gathering.Line]
) -> list[dict[str, Any]]:
    """Read what of some batches was not read yet."""
    missing = {job_id for line in lines for job_id in line.jobs} - {row["id"] for row in rows}
    if not missing:
        return []
    mine = Job.objects.owned_by(callers.of(request).owner_id).filter(id__in=missing)
    return list(mine.newest_first().values(*cards.FIELDS))


def _tally(request: HttpRequest) -> str:
    return part("jobs/_tally.html", request, tally=tally.today(request))


def part(name: str, request: HttpRequest, **context: object) -> str:
    """Render a part of a page without what a page frame needs: that would be read again for every part."""
    return get_template(name).render({"csrf_token": get_token(request), **context})


def _live_count(owner_id: UUID) -> int:
    found = Account.objects.filter(owner_id=owner_id).values_list("live_count", flat=True).first()
    return found or 0


def _credits(request: HttpRequest) -> int | None:
    return (
        Account.objects.filter(owner_id=callers.of(request).owner_id)
        .values_list("balance", flat=True)
        .first()
    )
