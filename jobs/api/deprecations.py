"""Routes that will end: announced in `Deprecation` (RFC 9745) and `Sunset` (RFC 8594), for half a year at least."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.http.response import HttpResponseBase
from django.utils.http import http_date
from rest_framework.request import Request

SHORTEST: Final = timedelta(days=180)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """Since when a route should not be used any more, when it ends, and where that is explained."""

    since: datetime
    ends: datetime
    link: str

    def __post_init__(self) -> None:
        if self.ends - self.since < SHORTEST:
            raise ValueError(f"A route is announced {SHORTEST.days} days before its end.")


# By the name of the route in urls.py, and the method.
ROUTES: Final[dict[tuple[str, str], Deprecation]] = {}


def announce(
    request: Request,
    answer: HttpResponseBase,
    routes: dict[tuple[str, str], Deprecation] = ROUTES,
) -> None:
    """Add the headers of a route that will end."""
    if not routes:
        return
    match = request.resolver_match
    name = match.url_name if match else None
    found = routes.get((name or "", request.method or ""))
    if found is None:
        return
    answer["Deprecation"] = f"@{int(found.since.astimezone(UTC).timestamp())}"
    answer["Sunset"] = http_date(found.ends.timestamp())
    answer["Link"] = f'<{found.link}>; rel="deprecation"; type="text/html"'
