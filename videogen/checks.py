"""System checks: settings that would work until the day they do harm."""

from collections.abc import Sequence
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

_SHORTEST_SECRET: Final = 40


@register(Tags.security, deploy=True)
def check_production(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """Refuse what belongs on a developer's machine only."""
    found: list[CheckMessage] = []
    if settings.DEVELOPMENT:
        found.append(Error("DEVELOPMENT is on.", hint="Unset DEVELOPMENT.", id="videogen.E001"))
    if len(settings.SECRET_KEY) < _SHORTEST_SECRET:
        found.append(
            Error("SECRET_KEY is short.", hint="Use 50 random characters.", id="videogen.E002")
        )
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        found.append(
            Error("ALLOWED_HOSTS names no host.", hint="List your names.", id="videogen.E003")
        )
    return found


@register()
def check_lease(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """A lease must outlive two heartbeats, or every hiccup costs a generation."""
    if settings.LEASE_SECONDS < 2 * settings.HEARTBEAT_SECONDS:
        return [
            Error(
                "LEASE_SECONDS is shorter than two heartbeats.",
                hint="Use at least twice HEARTBEAT_SECONDS.",
                id="videogen.E004",
            )
        ]
    return []
