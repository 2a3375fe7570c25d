"""Jobs that were submitted in one call, gathered: one card for the whole of a batch."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.urls import reverse

from jobs.models import Batch
from jobs.web import cards, money
from jobs.web.cards import Card

# A job that was retried is followed by its retry, which stands in its place. The sum of versions, and of what was
# deleted, only grows: it tells an older look at a batch from a newer one.
_LINES: Final = """
with recursive line as (
    select id, batch_id as batch from job where batch_id = any(%(batches)s) and owner_id = %(owner)s
    union all
    select later.id, line.batch from job later join line on later.retry_of = line.id
)
select job.id, line.batch, job.version + (job.hidden_at is not null)::int, job.hidden_at is null
    and not exists (select from job later where later.retry_of = job.id)
from job join line using (id) order by job.created_at, job.id
"""
# From a retry up to the job of the batch that it is a retry of.
_ROOTS: Final = """
with recursive up as (
    select id as job, batch_id, retry_of from job where id = any(%(jobs)s)
    union all
    select up.job, earlier.batch_id, earlier.retry_of
    from up join job earlier on earlier.id = up.retry_of where up.batch_id is null
)
select job, batch_id from up where batch_id is not null
"""
# What the picture of a batch has room for.
_FRAMES: Final = 4
_ORDER: Final = {
    "ready": 0,
    "late": 1,
    "running": 2,
    "starting": 3,
    "cancelling": 4,
    "waiting": 5,
    "retrying": 6,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The jobs of a batch as they stand, oldest first: of each request the last retry."""

    batch_id: UUID
    size: int
    version: int
    jobs: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of the track, in percent of its width."""

    look: str
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCard:
    """A batch on a page. Empty text means: not shown."""

    id: UUID
    version: int
    look: str
    # The state whose icon and colour it has.
    state: str
    word: str
    is_ended: bool
    prompt: str
    detail: str
    settings: tuple[str, ...]
    charge: str
    frames: tuple[Card, ...]
    # Jobs that the picture has no room for.
    more: int
    spans: tuple[Span, ...]
    waiting: int
    failed: int
    url: str

    template: str = "jobs/_batch_card.html"

    @property
    def group(self) -> str:
        """Name the list of the page that the card belongs to."""
        return "finished" if self.is_ended else "under-way"


def current(owner_id: UUID, batch_id: UUID) -> list[UUID]:
    """Find the jobs of a batch as they stand: of each request the last retry."""
    return [job_id for job_id, _, _, is_current in _lines(owner_id, [batch_id]) if is_current]


def lines(owner_id: UUID, rows: Iterable[Mapping[str, Any]]) -> dict[UUID, Line]:
    """Find the batches that some jobs belong to, themselves or as retries; asks only where there may be one.

    A call with one request is no batch to those who look.
    """
    rows = list(rows)
    wanted = {row["batch_id"] for row in rows if row["batch_id"]}
    if retries := [row["id"] for row in rows if row["retry_of"] and not row["batch_id"]]:
        with connection.cursor() as cursor:
            cursor.execute(_ROOTS, {"jobs": retries})
            wanted |= {batch_id for _, batch_id in cursor.fetchall()}
    if not wanted:
        return {}
    several = Batch.objects.filter(id__in=wanted, size__gt=1)
    sizes = dict(several.values_list("id", "size"))
    versions: Counter[UUID] = Counter()
    jobs: dict[UUID, list[UUID]] = defaultdict(list)
    for job_id, batch_id, version, is_current in _lines(owner_id, list(sizes)):
        versions[batch_id] += version
        if is_current:
            jobs[batch_id].append(job_id)
    return {
        batch_id: Line(
            batch_id=batch_id, size=sizes[batch_id], version=versions[batch_id], jobs=tuple(its)
        )
        for batch_id, its in jobs.items()
    }


def gather(found: Iterable[Card], lines: Iterable[Line]) -> list[Card | BatchCard]:
    """Put each batch as one card in the place of the first of its jobs; `found` has all of these."""
    by_id = {card.id: card for card in found}
    by_batch = {line.batch_id: line for line in lines}
    batch_of = {job_id: line for line in by_batch.values() for job_id in line.jobs}
    gathered: dict[UUID, Card | BatchCard] = {}
    for card in by_id.values():
        line = batch_of.get(card.id)
        if line is None:
            # What was tried again is shown by its retry.
            if card.batch_id not in by_batch:
                gathered[card.id] = card
        elif line.batch_id not in gathered:
            gathered[line.batch_id] = of(line, [by_id[job_id] for job_id in line.jobs])
    return list(gathered.values())


def of(line: Line, jobs: Sequence[Card]) -> BatchCard:
    """Make the card of a batch from those of its jobs."""
    counts = Counter(card.look for card in jobs)
    room = _FRAMES if len(jobs) <= _FRAMES else _FRAMES - 1
    # What moves is in the picture, whatever else has to be left out.
    shown = sorted(jobs, key=lambda card: (card.look != "running", _place(card)))[:room]
    is_ended = all(card.is_ended for card in jobs)
    state = _state(counts, is_ended=is_ended)
    held = sum(card.held for card in jobs)
    charged = sum(card.charged for card in jobs)
    return BatchCard(
        id=line.batch_id,
        version=line.version,
        look=("failed" if counts["failed"] else state) if is_ended else "batch",
        state=state,
        word=f"Batch of {line.size}",
        is_ended=is_ended,
        prompt=jobs[0].prompt,
        detail=", ".join(cards.words(counts)),
        settings=_settings(jobs),
        charge=f"{money.credits_of(held)} held" if held else money.credits_of(charged),
        frames=tuple(sorted(shown, key=_place)),
        more=len(jobs) - len(shown),
        spans=spans(jobs, line.size),
        waiting=counts["waiting"] + counts["retrying"],
        failed=counts["failed"],
        url=reverse("batch", args=[line.batch_id]),
    )


def spans(shown: Iterable[Card], size: int) -> tuple[Span, ...]:
    """Draw a cell for each request: what is ready first, so that the fill grows from the left."""
    width = 100 / size
    return tuple(
        Span(look=card.look, x=round(at * width, 3), width=round(width, 3))
        for at, card in enumerate(sorted(shown, key=_place))
    )


def _place(card: Card) -> int:
    return _ORDER.get(card.look, len(_ORDER))


def _lines(owner_id: UUID, batch_ids: Sequence[UUID]) -> list[tuple[UUID, UUID, int, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(_LINES, {"batches": list(batch_ids), "owner": owner_id})
        found: list[tuple[UUID, UUID, int, bool]] = cursor.fetchall()
    return found


def _state(counts: Mapping[str, int], *, is_ended: bool) -> str:
    if not is_ended:
        begun = ("running", "starting", "cancelling")
        return next((look for look in begun if counts.get(look)), "waiting")
    return next(
        look for look in ("ready", "late", "failed", "expired", "cancelled") if counts.get(look)
    )


def _settings(jobs: Sequence[Card]) -> tuple[str, ...]:
    """Give what all of them have in common, as a card says it."""
    return tuple(
        value
        for value, *others in zip(*(card.settings for card in jobs), strict=True)
        if all(other == value for other in others)
    )
