"""Videos that a backend opens only to us: whoever may see the job is sent on to a stream of the push process.

The web process checks who asks and answers with a short-lived, signed address; the push process, which is
made for waiting, fetches from the backend with our key and passes on what comes. Nothing is stored.
"""

import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urljoin
from uuid import UUID

import httpx
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core import signing
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET
from rest_framework.request import Request
from rest_framework.views import APIView

from jobs import callers, orders
from jobs.backends import registry, results
from jobs.backends.backend import BackendError, Content, Site, is_asynchronous
from jobs.failures import FailureKind
from jobs.models import Job
from notifications.addresses import http_origin

# How long a signed address works, seconds: long enough to watch and to seek.
_VALID_FOR: Final = 3600
_SALT: Final = "job content"
_TIMEOUT: Final = httpx.Timeout(20.0, connect=5.0)
# A server may keep its files elsewhere, and say so with a redirect.
_MOST_REDIRECTS: Final = 3
# What of the backend's answer is passed on.
_PASSED_ON: Final = ("content-length", "content-range", "accept-ranges", "last-modified", "etag")
# What `orders.published` makes of a file that only we may fetch.
_OURS: Final = re.compile(r"/jobs/(?P<job>[0-9a-f-]{36})/videos/(?P<attempt>\d{1,5})", re.ASCII)
_GONE: Final = "The server that made this video no longer has it."
_AWAY: Final = "The server that made this video does not answer now."

_ORDER: Final = f"""
select {orders.COLUMNS} from job j
join attempt a on a.job_id = j.id join pool p on p.name = a.pool
where j.id = %s and a.number = %s and a.backend_job_id <> ''
    -- An id that its server gave again, after a restart, names the newer attempt's video.
    and not exists (select 1 from attempt later where later.pool = a.pool
        and later.backend_job_id = a.backend_job_id and later.submitted_at > a.submitted_at)
"""


class JobVideo(APIView):
    """GET /jobs/{job_id}/videos/{attempt}: the address that is shown to the owner."""

    def get(self, request: Request, job_id: UUID, attempt: int) -> HttpResponseBase:
        """Send the owner on to the stream; 404 for everybody else."""
        mine = Job.objects.owned_by(callers.of(request).owner_id)
        if not mine.filter(id=job_id).exists():
            raise Http404
        stream = _stream_address(request, job_id, attempt)
        return HttpResponseRedirect(stream, headers={"Cache-Control": "private, no-store"})


def address(request: HttpRequest, video_url: str) -> str:
    """Give the address at which a video opens without a key, to a caller who may see its job."""
    found = _OURS.fullmatch(video_url.removeprefix(settings.PUBLIC_URL))
    if found is None or not video_url.startswith(settings.PUBLIC_URL):
        return video_url
    return _stream_address(request, UUID(found["job"]), int(found["attempt"]))


def _stream_address(request: HttpRequest, job_id: UUID, attempt: int) -> str:
    ticket = signing.dumps([job_id.hex, attempt], salt=_SALT)
    return http_origin(request) + reverse("job_content", args=[ticket])


@require_GET
async def stream(request: HttpRequest, ticket: str) -> HttpResponseBase:
    """Pass a video on from its backend, ranges included. Runs in the push process only."""
    if not isinstance(request, ASGIRequest):
        raise Http404
    try:
        job_hex, attempt = signing.loads(ticket, salt=_SALT, max_age=_VALID_FOR)
    except signing.BadSignature:
        return HttpResponse("This address is no longer valid. Open the video again.", status=403)
    try:
        found = await sync_to_async(_content)(UUID(job_hex), attempt)
    except BackendError as error:
        is_forgotten = error.kind is FailureKind.BACKEND_FORGOT
        return HttpResponse(_GONE, status=410) if is_forgotten else HttpResponse(_AWAY, status=502)
    if found is None:
        return HttpResponse(_GONE, status=410)
    client = httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=False)
    try:
        answer = await _opened(client, *found, wanted=request.headers.get("Range", ""))
    except httpx.HTTPError:
        await client.aclose()
        return HttpResponse(_AWAY, status=502)
    # What is compressed, which was not asked for, is no video to a player.
    is_plain = answer.headers.get("content-encoding", "identity") == "identity"
    if answer.status_code not in {200, 206} or not is_plain:
        await answer.aclose()
        await client.aclose()
        return HttpResponse(_GONE, status=410 if answer.status_code == 404 else 502)  # noqa: PLR2004 - RFC 9110
    return _passed_on(client, answer)


async def _opened(
    client: httpx.AsyncClient, content: Content, site: Site, *, wanted: str
) -> httpx.Response:
    """Ask for the file, where its server says that it is; only where results may be, and with our key only to it."""
    url, headers = content.url, {**content.headers, "Accept-Encoding": "identity"}
    if wanted:
        headers["Range"] = wanted
    for _ in range(_MOST_REDIRECTS):
        answer = await client.send(client.build_request("GET", url, headers=headers), stream=True)
        url = urljoin(url, answer.headers.get("location", "")) if answer.is_redirect else ""
        if not url or not results.allowed(url, site):
            return answer
        await answer.aclose()
        if not results.is_own(url, site):
            headers = {name: text for name, text in headers.items() if name not in content.headers}
    return await client.send(client.build_request("GET", url, headers=headers), stream=True)


def _passed_on(client: httpx.AsyncClient, answer: httpx.Response) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in answer.aiter_raw():
                yield piece
        finally:
            await answer.aclose()
            await client.aclose()

    # The type is ours: what a backend says must not make a browser run it.
    response = StreamingHttpResponse(pieces(), status=answer.status_code, content_type="video/mp4")
    for name in _PASSED_ON:
        if name in answer.headers:
            response[name] = answer.headers[name]
    response["Cache-Control"] = "private, max-age=600"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _content(job_id: UUID, attempt: int) -> tuple[Content, Site] | None:
    with connection.cursor() as cursor:
        cursor.execute(_ORDER, [job_id, attempt])
        row: tuple[Any, ...] | None = cursor.fetchone()
    if row is None:
        return None
    order = orders.of_row(row)
    backend = registry.backend(order.site.driver)
    return (backend.content(order), order.site) if is_asynchronous(backend) else None
