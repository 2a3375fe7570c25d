"""The outer shield against floods: cheap, in the process, ten times what any plan allows.

What protects money is counted in PostgreSQL, in the submit statement.
"""

from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage

from jobs import client_addresses

_MINUTE: Final = 60


def flood_wait(request: HttpRequest, *, group: str, key: str, per_minute: int) -> int | None:
    """Count one request; give the seconds to wait when there were too many, else None."""
    usage = get_usage(
        request,
        group=group,
        key=lambda *_: key,
        rate=(per_minute, _MINUTE),
        increment=True,
    )
    if usage and usage["should_limit"]:
        return max(1, int(usage["time_left"]))
    return None


def submit_wait(request: HttpRequest) -> int | None:
    """Count one submission of this user; give the seconds to wait when there are too many."""
    return flood_wait(
        request,
        group="submit",
        key=str(request.user.pk),
        per_minute=settings.FLOOD_SUBMITS_PER_MINUTE,
    )


def hook_wait(request: HttpRequest, *, pool: str) -> int | None:
    """Count one webhook of this address and pool; give the seconds to wait when there are too many."""
    return flood_wait(
        request,
        group="hook",
        key=f"{client_addresses.counted_as(request)} {pool}",
        per_minute=settings.FLOOD_WEBHOOKS_PER_MINUTE,
    )
