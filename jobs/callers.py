"""Who asks: the signed-in person behind a request, as the domain needs to know them."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from jobs import days

PAGES: Final = "Studio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An owner of jobs, and the time zone of their clock."""

    owner_id: UUID
    zone: ZoneInfo
    # By what they ask, in words that they know: the pages, a key's name, an app.
    sender: str = PAGES


def of(request: HttpRequest) -> Caller:
    """Give the caller of a request that passed its permission check."""
    user = request.user
    if not user.is_authenticated:
        raise PermissionDenied
    shown = getattr(request, "auth", None)
    return Caller(
        owner_id=user.id,
        zone=days.zone(user.time_zone),
        sender=getattr(shown, "sender", "") or PAGES,
    )
