"""Sentry: where its address is configured, with everything private removed before it is sent."""

from typing import Any, Final

import sentry_sdk
from django.conf import settings
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.scrubber import DEFAULT_DENYLIST, EventScrubber

from jobs.errors import JobError

_PRIVATE: Final = [
    *DEFAULT_DENYLIST,
    "prompt",
    "email",
    "video_url",
    "thumbnail_url",
    "idempotency_key",
    "url",
]


def start() -> None:
    """Report errors when SENTRY_DSN is set. Prompts, addresses, keys and bodies stay here."""
    if not settings.SENTRY_DSN:
        return
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        integrations=[DjangoIntegration(), CeleryIntegration()],
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        event_scrubber=EventScrubber(denylist=_PRIVATE, recursive=True),
        # Refusals are answers, not errors.
        ignore_errors=[JobError],
        before_send=_scrubbed,
    )


def _scrubbed(event: Any, _hint: Any) -> Any:
    request = event.get("request")
    if request:
        for name in ("data", "cookies", "headers", "env", "query_string"):
            request.pop(name, None)
    event.pop("user", None)
    return event
