"""Long polls and server-sent events, in the push process.

Plain ASGI, because Django's middleware holds a thread for as long as its view takes. Who asks is checked by the
same views as on the web; then waiting costs memory only.
"""

import asyncio
import io
import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string
from rest_framework.request import Request

from jobs.api import feeds, rows
from jobs.api.base import no_query, owner_of
from jobs.api.sse import Stream
from jobs.ids import JOB_ID_PATTERN, read_job_id
from jobs.states import TERMINAL, JobState
from notifications.hub import Waiter, hub, in_thread

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_ROUTES: Final = re.compile(
    rf"/api/v1/(?:events|jobs/(?P<job_id>{JOB_ID_PATTERN})/(?P<what>wait|events))", re.ASCII
)
# What may come true while somebody waits, as `videogen/error_shapes.py` writes it before.
_UNAUTHORIZED: Final = {
    "type": "urn:videogen:problem:not_authenticated",
    "title": "Sign in or send an API key",
    "status": 401,
    "code": "not_authenticated",
    "detail": "What you signed in with is not valid any more.",
}
_DELETED: Final = {
    "type": "urn:videogen:problem:not_found",
    "title": "Not found",
    "status": 404,
    "code": "not_found",
    "detail": "It was deleted.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a checked caller waits for."""

    owner_id: UUID
    credential: Any
    job_id: UUID | None = None
    after: int | None = None
    version: int | None = None
    seconds: float = 0.0


class _Pushed(HttpResponse):
    """The answer of a check: not sent, but waited for."""

    wanted: Wanted


def answers(scope: Scope) -> bool:
    """Tell whether this application answers a request; the rest is Django's."""
    return scope["method"] == "GET" and _ROUTES.fullmatch(scope["path"]) is not None


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Check who asks, then wait as long as they do."""
    answer = await in_thread(_checked)(scope)
    if not isinstance(answer, _Pushed):
        await _send(send, answer)
        return
    wanted = answer.wanted
    waiter = await hub.join(wanted.owner_id, credential=wanted.credential)
    watch = asyncio.create_task(_watch(receive, waiter))
    try:
        if wanted.seconds:
            await _send(send, await _ended(wanted, waiter))
        else:
            stream = Stream(
                send, waiter, owner_id=wanted.owner_id, job_id=wanted.job_id, after=wanted.after
            )
            await stream.run()
    finally:
        watch.cancel()
        await hub.leave(waiter)


async def _watch(receive: Receive, waiter: Waiter) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    waiter.leave()


async def _ended(wanted: Wanted, waiter: Waiter) -> HttpResponseBase:
    """Wait until the job has ended or has another version than the caller's."""
    deadline = asyncio.get_running_loop().time() + wanted.seconds
    subject = str(wanted.job_id)
    while True:
        try:
            row = await in_thread(rows.one)(wanted.job_id, owner_id=wanted.owner_id)
        except Http404:
            return _problem(_DELETED)
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0 or waiter.is_over or _is_news(row, wanted.version):
            return await in_thread(feeds.job_answer)(row, owner_id=wanted.owner_id)
        is_about_it = False
        while not is_about_it:
            messages, is_about_it = await waiter.take(
                seconds=deadline - asyncio.get_running_loop().time()
            )
            if waiter.is_refused:
                return _problem(_UNAUTHORIZED, **{"WWW-Authenticate": "Bearer"})
            is_about_it = (
                is_about_it
                or waiter.is_over
                or asyncio.get_running_loop().time() >= deadline
                or any(
                    event["subject_id"] == subject
                    for message in messages
                    for event in message.get("events", ())
                )
            )


def _problem(told: Mapping[str, Any], **headers: str) -> HttpResponse:
    return HttpResponse(
        json.dumps(told),
        status=told["status"],
        content_type="application/problem+json",
        headers=headers,
    )


def _is_news(row: Mapping[str, Any], version: int | None) -> bool:
    if version is None:
        return JobState(row["state"]) in TERMINAL
    return bool(row["version"] != version)


def _checked(scope: Scope) -> HttpResponseBase:
    """Run the view's checks on this thread; give its answer, or what to wait for."""
    request = ASGIRequest(scope, io.BytesIO())
    SessionMiddleware(_nothing).process_request(request)
    AuthenticationMiddleware(_nothing).process_request(request)
    match = _ROUTES.fullmatch(scope["path"])
    if match and match["job_id"]:
        view = _Wait if match["what"] == "wait" else _JobEvents
        answer = view.as_view()(request, job_id=read_job_id(match["job_id"]))
    else:
        answer = _Events.as_view()(request)
    if hasattr(answer, "render") and not getattr(answer, "is_rendered", True):
        answer = answer.render()
    return answer


def _nothing(_: HttpRequest) -> HttpResponseBase:
    return HttpResponse()


class _Ticketed:
    """Lets in who comes with an address that the web process sealed."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Open the ticket before anybody asks who it is."""
        query = request._request.GET.copy()  # noqa: SLF001 - DRF has no other way to the query
        if tickets := query.pop("ticket", None):
            for name, value in feeds.open_ticket(str(tickets[-1]), path=request.path).items():
                request._request.META[f"HTTP_{name.upper().replace('-', '_')}"] = value  # noqa: SLF001
            request._request.GET = query  # type: ignore[assignment]  # noqa: SLF001
        super().initial(request, *args, **kwargs)  # type: ignore[misc]  # a view follows in the order of bases


class _Wait(_Ticketed, feeds.Wait):
    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        """Check, and answer at once where there is nothing to wait for."""
        version, seconds = feeds.read_wait(request)
        row = rows.one(job_id, owner_id=owner_of(request))
        if _is_news(row, version) or not seconds:
            return feeds.job_answer(row, owner_id=owner_of(request))
        return _pushed(request, job_id=job_id, version=version, seconds=seconds)


class _JobEvents(_Ticketed, feeds.JobEvents):
    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        """Check; nothing follows the end of a job."""
        no_query(request, "after")
        after = feeds.after_of(request)
        row = rows.one(job_id, owner_id=owner_of(request))
        if after is not None and JobState(row["state"]) in TERMINAL:
            # Tells an EventSource not to come back.
            return HttpResponse(status=204)
        return _pushed(request, job_id=job_id, after=after)


class _Events(_Ticketed, feeds.Events):
    def get(self, request: Request) -> HttpResponseBase:
        """Check; who asks for JSON gets it here too."""
        if not feeds.wants_stream(request):
            return super().get(request)
        no_query(request, "after")
        return _pushed(request, after=feeds.after_of(request))


def _pushed(request: Request, **wanted: Any) -> _Pushed:
    credential = import_string(settings.CALLER_CREDENTIAL)(request)
    answer = _Pushed()
    answer.wanted = Wanted(owner_id=owner_of(request), credential=credential, **wanted)
    return answer


async def _send(send: Send, answer: HttpResponseBase) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.items()]
    body = getattr(answer, "content", b"")
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
