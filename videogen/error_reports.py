"""Sentry: where its address is configured. One group for each kind of fault, and nothing private in any report.

What is refused is an answer, not an error. Of an exception its type, where it was raised and its own words are sent;
what it quotes, and the details in which PostgreSQL shows rows, stay here.
"""

import re
from typing import Any, Final

import sentry_sdk
from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from rest_framework.exceptions import APIException
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.scrubber import DEFAULT_DENYLIST, EventScrubber
from structlog.contextvars import get_contextvars

from jobs.errors import JobError
from notifications.errors import NotificationError
from videogen import logs, outages

_PRIVATE: Final = [*DEFAULT_DENYLIST, *logs.PRIVATE]
# Answers of ours to what somebody asked.
_REFUSALS: Final = (
    *(JobError, NotificationError, APIException),
    *(Http404, PermissionDenied, SuspiciousOperation),
)
# What follows opens something: a file, a way out of mails, a backend's webhook.
_SECRET_PATHS: Final = re.compile(r"(/(?:content|unsubscribe|hooks/[^/]+)/)[^/?#]+")
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”|«[^»]*»")
# Ids and words of ours that say where to look.
_TELLING: Final = (
    *("request", "job", "attempt", "pool", "worker", "task", "sweep", "loop"),
    *("event", "delivery", "channel", "kind"),
)
_OF_CRUMBS: Final = ("type", "category", "level", "timestamp")
_LONGEST: Final = 300


def start() -> None:
    """Report errors when SENTRY_DSN is set, from every process. Prompts, addresses, keys and bodies stay here."""
    if not settings.SENTRY_DSN:
        return
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        integrations=[DjangoIntegration(), CeleryIntegration()],
        # Of whom, from which installation: the name of the process says more than that of the machine.
        server_name=settings.PROCESS,
        environment="development" if settings.DEVELOPMENT else "production",
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        event_scrubber=EventScrubber(denylist=_PRIVATE, recursive=True),
        ignore_errors=list(_REFUSALS),
        before_send=_prepared,
    )


def _prepared(event: Any, hint: Any) -> Any:
    """Say where to look and what it is grouped with, and leave nothing private. None is not sent."""
    error = (hint.get("exc_info") or (None, None, None))[1]
    if error is not None and outages.is_stall(error):
        # Whoever noticed the stall reported it, once.
        return None
    fields = {**get_contextvars(), **(vars(hint["log_record"]) if "log_record" in hint else {})}
    told = {name: str(fields[name]) for name in _TELLING if isinstance(fields.get(name), str | int)}
    event["tags"] = {**(event.get("tags") or {}), "process": settings.PROCESS, **told}
    if group := _group(error, fields):
        event["fingerprint"] = group
    return _scrubbed(event, hint)


def _group(error: BaseException | None, fields: dict[str, Any]) -> list[str] | None:
    """Name the group of a fault by its kind; None leaves it to where it was raised."""
    if outages.is_one(error):
        # PostgreSQL's code is on the driver's error, which Django's wraps.
        cause = getattr(error, "__cause__", None)
        return ["database", str(getattr(cause, "sqlstate", None) or "connection")]
    kind = getattr(error, "kind", None) or fields.get("kind")
    if kind is None:
        return None
    return [str(fields.get("msg") or type(error).__name__), str(getattr(kind, "value", kind))]


def _scrubbed(event: Any, _hint: Any) -> Any:
    for name in ("user", "modules"):
        event.pop(name, None)
    _scrub_request(event)
    _scrub_texts(event)
    if "extra" in event:
        event["extra"] = {name: event["extra"][name] for name in _TELLING if name in event["extra"]}
    if "contexts" in event:
        # Ours are ids; what a task is called with is not looked at one by one.
        event["contexts"].pop("celery-job", None)
    if "breadcrumbs" in event:
        crumbs = event["breadcrumbs"].get("values", [])
        event["breadcrumbs"] = {"values": [_crumb(one) for one in crumbs]}
    return event


def _scrub_request(event: Any) -> None:
    request = event.get("request") or {}
    for name in ("data", "cookies", "headers", "env", "query_string"):
        request.pop(name, None)
    for place, name in ((request, "url"), (event, "transaction")):
        if name in place:
            place[name] = _SECRET_PATHS.sub(r"\1...", str(place[name]).partition("?")[0])


def _scrub_texts(event: Any) -> None:
    for one in event.get("exception", {}).get("values", []):
        one["value"] = _unquoted(str(one.get("value") or ""))
    for place in (event, event.get("logentry") or {}):
        place.pop("params", None)
        for name in ("message", "formatted"):
            if isinstance(place.get(name), str):
                place[name] = _unquoted(place[name])


def _unquoted(text: str) -> str:
    """Keep the first line, without what it quotes: an error may quote anything that somebody sent."""
    return _QUOTED.sub("'...'", logs.clean(text.partition("\n")[0]))[:_LONGEST]


def _crumb(crumb: Any) -> dict[str, Any]:
    """Keep what kind of thing happened and when. Our log messages are words of code; others may quote anything."""
    kept = {name: crumb[name] for name in _OF_CRUMBS if name in crumb}
    message = str(crumb.get("message", ""))
    return {**kept, "message": message} if message.isidentifier() else kept
