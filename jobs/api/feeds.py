"""Following one's jobs: changes since a number as plain JSON, and where long polls and streams are answered.

Waiting belongs to the push process (`jobs/api/push.py`). The web process sends on to it with 307, and seals what
the caller showed into the address for half a minute, because programs drop credentials on another origin.
"""

import json
import re
import time
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api import contract, rows, shown
from jobs.api.base import View, no_query, owner_of, tagged
from jobs.requests import InvalidFields
from notifications import feed, sealing
from notifications.addresses import http_origin

LONGEST_WAIT: Final = 30.0
_LAST: Final = 2**63 - 1
# Seconds in which a sealed address is good.
_TICKET_GOOD_FOR: Final = 30
_TICKET_LIMIT: Final = 4_000
# What callers show; a session's cookie goes to every port of its host by itself.
_SHOWN: Final = ("Authorization", "X-Session-Token")
EVENT_STREAM: Final = "text/event-stream"


class AnyAccept(BaseContentNegotiation):
    """Lets `Accept: text/event-stream` reach the view, which decides."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Give the only parser."""
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        """Give JSON."""
        return renderers[0], renderers[0].media_type


class Events(View):
    """GET /api/v1/events."""

    content_negotiation_class = AnyAccept

    @contract.events
    def get(self, request: Request) -> HttpResponseBase:
        """Give what changed after a number; with `Accept: text/event-stream`, follow from there."""
        no_query(request, "after")
        after = after_of(request)
        if wants_stream(request) and (place := elsewhere(request)):
            return _sent_on(request, place)
        found, head, more = feed.after(owner_of(request), sequence=after or 0)
        return Response({**checked(found, head, after=after or 0), "more": more})


class Wait(View):
    """GET /api/v1/jobs/{job_id}/wait."""

    @contract.wait
    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        """Give the job when it has ended, or differs from `?version=`, or after `?timeout=` seconds."""
        read_wait(request)
        row = rows.one(job_id, owner_id=owner_of(request))
        if place := elsewhere(request):
            return _sent_on(request, place)
        return job_answer(row, owner_id=owner_of(request))


class JobEvents(View):
    """GET /api/v1/jobs/{job_id}/events."""

    content_negotiation_class = AnyAccept

    @contract.job_events
    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        """Follow one job until it has ended."""
        no_query(request, "after")
        after = after_of(request)
        rows.stamp(job_id, owner_id=owner_of(request))
        if place := elsewhere(request):
            return _sent_on(request, place)
        found, head, more = feed.after(owner_of(request), sequence=after or 0)
        mine = [event for event in found if event["subject_id"] == str(job_id)]
        return Response({**checked(found, head, after=after or 0), "events": mine, "more": more})


def wants_stream(request: Request) -> bool:
    """Tell a follower from one who asks."""
    return EVENT_STREAM in request.headers.get("Accept", "")


def after_of(request: Request) -> int | None:
    """Read the last number that the caller has seen: `?after=` or `Last-Event-ID`. Raises InvalidFields."""
    sent = request.headers.get("Last-Event-ID") or request.query_params.get("after")
    if sent is None:
        return None
    if sent.isascii() and sent.isdigit() and len(sent) <= len(str(_LAST)) and int(sent) <= _LAST:
        return int(sent)
    raise InvalidFields({"after": "Send the last sequence number that you have, 0 or more."})


def read_wait(request: Request) -> tuple[int | None, float]:
    """Read which version the caller has, and how long to wait. Raises InvalidFields."""
    no_query(request, "version", "timeout")
    version = request.query_params.get("version")
    if version is not None and not re.fullmatch(r"[0-9]{1,9}", version):
        raise InvalidFields({"version": "Send the version of the job that you have."})
    timeout = request.query_params.get("timeout", f"{LONGEST_WAIT:.0f}")
    if not (timeout.isascii() and timeout.isdigit() and int(timeout[:9]) <= LONGEST_WAIT):
        raise InvalidFields({"timeout": f"Send whole seconds, 0 to {LONGEST_WAIT:.0f}."})
    return (int(version) if version is not None else None), float(timeout)


def checked(events: list[dict[str, object]], head: int, *, after: int) -> dict[str, Any]:
    """Give events with their head; `reset` says that the caller's number is not of this feed any more."""
    first = events[0]["sequence"] if events else after + 1
    is_reset = after > head or first != after + 1
    return {"events": [] if is_reset else events, "head": head, "reset": is_reset}


def job_answer(row: dict[str, Any], *, owner_id: UUID) -> HttpResponse:
    """Answer with a job and its tag."""
    text = shown.text_of(row, owner_id=owner_id)
    return tagged(text.json, tag=text.tag)


def elsewhere(request: HttpRequest | Request) -> str | None:
    """Give the origin of the push process, if that is not where the request came to."""
    place = http_origin(request)
    own = f"{'https' if request.is_secure() else 'http'}://{request.get_host()}"
    return place if place != own else None


def _sent_on(request: Request, place: str) -> HttpResponse:
    query = request.query_params.dict()
    shown = {name: request.headers[name] for name in _SHOWN if name in request.headers}
    if shown:
        ticket = {"shown": shown, "path": request.path, "until": time.time() + _TICKET_GOOD_FOR}
        query["ticket"] = sealing.seal(json.dumps(ticket))
    address = f"{place}{request.path}" + (f"?{urlencode(query)}" if query else "")
    return HttpResponse(
        status=307,
        headers={
            "Location": address,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        },
    )


def open_ticket(text: str, *, path: str) -> dict[str, str]:
    """Give what the caller showed to the web process. Raises PermissionDenied when too old or not ours."""
    try:
        ticket = json.loads(sealing.unseal(text[:_TICKET_LIMIT]))
    except (sealing.CannotOpen, ValueError):
        raise PermissionDenied from None
    if ticket["path"] != path or ticket["until"] < time.time():
        raise PermissionDenied
    shown: dict[str, str] = ticket["shown"]
    return shown
