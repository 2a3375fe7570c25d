"""Videos as OpenAI clients ask for them. Views translate, make one call, translate back."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseNotModified, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from jobs import callers, claims, outlooks, removal, submission
from jobs.entrance import Origin
from jobs.errors import JobMissing, Unsupported
from jobs.ids import JobId
from jobs.models import Job
from jobs.openai import face, files, reading, representation, waits
from jobs.openai.face import Face
from jobs.requests import VideoRequest
from jobs.shield import submit_wait


class Videos(Face):
    """POST, GET /v1/videos."""

    def post(self, request: Request) -> HttpResponse:
        """Submit a request; `Idempotency-Key` makes it safe to repeat."""
        if wait := submit_wait(request):
            raise Throttled(wait)
        return _submitted(request, reading.wanted(request))

    def get(self, request: Request) -> HttpResponse:
        """List the caller's videos, newest first unless `order` says otherwise."""
        owner_id = callers.of(request).owner_id
        wanted = reading.page(request.query_params)
        mine = reading.placed(Job.objects.owned_by(owner_id), wanted, owner_id=owner_id)
        rows = list(mine.values(*representation.FIELDS)[: wanted.limit + 1])
        shown = rows[: wanted.limit]
        whys = outlooks.explain(shown, owner_id=owner_id)
        return face.answer(representation.page(shown, whys=whys, has_more=len(rows) > wanted.limit))


class OneVideo(Face):
    """GET, DELETE /v1/videos/{video_id}."""

    def get(self, request: Request, video_id: str) -> HttpResponse:
        """Retrieve one video; 304 to a client that has it as it is."""
        owner_id, now = callers.of(request).owner_id, timezone.now()
        row = _row(reading.video_id(video_id), owner_id=owner_id)
        why = waits.of(row, owner_id=owner_id, now=now)
        headers = {"ETag": representation.etag(row, moment=waits.moment(now))}
        if (wait := representation.poll_after(row, why=why, now=now)) is not None:
            headers["openai-poll-after-ms"] = str(wait)
        if face.is_known(request, headers["ETag"]):
            return HttpResponseNotModified(headers={**headers, "Cache-Control": face.PRIVATE})
        return face.answer(representation.of(row, why=why), headers=headers)

    def delete(self, request: Request, video_id: str) -> HttpResponse:
        """Cancel a video that is on its way, or remove an ended one from sight."""
        owner_id = callers.of(request).owner_id
        row = _row(reading.video_id(video_id), owner_id=owner_id)
        reading.only(request)
        removal.remove(JobId(row["id"]), owner_id=owner_id)
        return face.answer(representation.deleted(representation.of(row)["id"]))


class Remix(Face):
    """POST /v1/videos/{video_id}/remix."""

    def post(self, request: Request, video_id: str) -> HttpResponse:
        """Submit a change of a finished video by a new prompt."""
        if wait := submit_wait(request):
            raise Throttled(wait)
        job_id = reading.video_id(video_id)
        source = Job.objects.owned_by(callers.of(request).owner_id).filter(id=job_id).first()
        if source is None:
            raise JobMissing(job_id)
        return _submitted(request, reading.remix(request, source))


class Content(Face):
    """GET /v1/videos/{video_id}/content."""

    def get(self, request: Request, video_id: str) -> HttpResponseBase:
        """Send the caller on to the file of a `variant`."""
        row = _row(reading.video_id(video_id), owner_id=callers.of(request).owner_id)
        variant = reading.variant(request.query_params)
        address = files.address(request, row, variant=variant, now=timezone.now())
        return HttpResponseRedirect(address, headers={"Cache-Control": "private, no-store"})


class Edits(Face):
    """POST /v1/videos/edits. The body, which may be a whole video, is not read."""

    def post(self, request: Request) -> HttpResponse:
        """Refuse."""
        raise Unsupported("No model here edits videos. Remix one that was made here.")


class Extensions(Face):
    """POST /v1/videos/extensions. The body, which may be a whole video, is not read."""

    def post(self, request: Request) -> HttpResponse:
        """Refuse."""
        raise Unsupported("No model here extends videos. Ask for more seconds.")


class Characters(Face):
    """POST /v1/videos/characters. The body, which may be a whole video, is not read."""

    def post(self, request: Request) -> HttpResponse:
        """Refuse."""
        raise Unsupported("No model here keeps characters.")


class OneCharacter(Face):
    """GET /v1/videos/characters/{character_id}."""

    def get(self, request: Request, character_id: str) -> HttpResponse:
        """Say that there is none."""
        raise JobMissing(UUID(int=0))


def _submitted(request: Request, wanted: VideoRequest) -> HttpResponse:
    caller = callers.of(request)
    accepted = submission.submit(
        wanted,
        owner_id=caller.owner_id,
        claim=claims.of(request, wanted),
        origin=Origin(sent_by=caller.sender),
    )
    # Also of a video that was deleted since: a repeated key is answered as it was.
    row = Job.objects.filter(id=accepted.job_id).values(*representation.FIELDS).get()
    headers = {"Idempotent-Replayed": "true"} if accepted.is_replay else {}
    return face.answer(representation.as_submitted(row), headers=headers)


def _row(job_id: JobId, *, owner_id: UUID) -> Mapping[str, Any]:
    mine = Job.objects.owned_by(owner_id).filter(id=job_id)
    row: dict[str, Any] | None = mine.values(*representation.FIELDS).first()
    if row is None:
        raise JobMissing(job_id)
    return row
