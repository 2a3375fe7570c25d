"""Jobs as the API shows them: their rows, with why they wait where they do, and as JSON that is kept."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from jobs import json_bytes, outlooks
from jobs.api import kept, representation, rows
from jobs.api.kept import Text


def one(row: dict[str, Any], *, owner_id: UUID) -> dict[str, Any]:
    """Show one job of an owner."""
    (found,) = each([row], owner_id=owner_id)
    return found


def each(found: Iterable[dict[str, Any]], *, owner_id: UUID) -> list[dict[str, Any]]:
    """Show jobs of an owner; one query for all that wait, none where nothing does."""
    known = list(found)
    whys = outlooks.explain(known, owner_id=owner_id)
    return [
        representation.of(row, late=rows.late_of(row), why=whys.get(row["id"])) for row in known
    ]


def text(job_id: UUID, *, owner_id: UUID) -> Text:
    """Give one job of an owner as JSON, with its tag; of one that waits, as it was told two seconds ago at most.

    Raises Http404 for anybody else's. One statement, or two where the job moved, or its text was given up, meanwhile.
    """
    if kept.is_steady(job_id) and (known := kept.find(rows.stamp(job_id, owner_id=owner_id))):
        return known
    found = rows.find(job_id, owner_id=owner_id)
    return kept.find(found.stamp) or text_of(found.row(), owner_id=owner_id)


def text_of(row: dict[str, Any], *, owner_id: UUID) -> Text:
    """Give a row of an owner as JSON, with its tag."""
    (found,) = _written([row], owner_id=owner_id)
    return found


def page(stamps: Sequence[str], *, owner_id: UUID) -> list[dict[str, Any]]:
    """Show the jobs of a page, as they are now."""
    ids = [rows.id_of(stamp) for stamp in stamps]
    found = rows.many(ids, owner_id=owner_id)
    return each([found[job_id] for job_id in ids if job_id in found], owner_id=owner_id)


def texts(stamps: Sequence[str], *, owner_id: UUID) -> dict[str, Text]:
    """Give the jobs of a page as JSON, in order, by their stamps: what is not kept is read, as it is now."""
    known = kept.find_each(stamps)
    if missing := [stamp for stamp in stamps if stamp not in known]:
        found = rows.many([rows.id_of(stamp) for stamp in missing], owner_id=owner_id)
        # By the stamp of the page: a job that moved meanwhile is shown as it is now.
        read = {stamp: found[job_id] for stamp in missing if (job_id := rows.id_of(stamp)) in found}
        known.update(zip(read, _written(read.values(), owner_id=owner_id), strict=True))
    return {stamp: known[stamp] for stamp in stamps if stamp in known}


def _written(found: Iterable[dict[str, Any]], *, owner_id: UUID) -> list[Text]:
    """Write jobs of an owner, and keep what was written."""
    known = [(rows.stamp_of(row), row) for row in found]
    read_at = outlooks.read_at() if any(rows.waits(stamp) for stamp, _ in known) else 0.0
    # Of lanes that came with a row, its moment: it was before this one.
    read_at = min([read_at, *(row.get("lanes_asked_at", read_at) for _, row in known)])
    shown = each([row for _, row in known], owner_id=owner_id)
    return [
        kept.tell(stamp, json_bytes.dump(job), read_at=read_at)
        if rows.waits(stamp)
        else kept.keep(stamp, json_bytes.dump(job), is_over=job["finished_at"] is not None)
        for (stamp, _), job in zip(known, shown, strict=True)
    ]
