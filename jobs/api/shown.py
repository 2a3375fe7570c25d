"""Jobs as the API shows them: their rows, with why they wait where they do."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from jobs import outlooks
from jobs.api import representation, rows


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
