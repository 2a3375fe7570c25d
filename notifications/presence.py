"""Who is looking at a page of ours right now, as a hint in Redis: without it, nobody is, and everybody is told.

A visible page says so each 15 seconds and when it is hidden or closed; one that dies is forgotten after PRESENT.
"""

from typing import Final
from uuid import UUID

from django.core.cache import cache

# Seconds after its last word for which a page counts as looked at: two words may be lost.
PRESENT: Final = 40


def look(owner_id: UUID, *, page: str) -> None:
    """Hear that a page is visible."""
    cache.set(_key(owner_id), page, timeout=PRESENT)


def leave(owner_id: UUID, *, page: str) -> None:
    """Hear that a page is hidden or gone. Another one that is looked at says so again by itself."""
    if cache.get(_key(owner_id)) == page:
        cache.delete(_key(owner_id))


def is_looking(owner_id: UUID) -> bool:
    """Say whether a page of this owner is looked at."""
    return cache.get(_key(owner_id)) is not None


def _key(owner_id: UUID) -> str:
    return f"looking:{owner_id.hex}"
